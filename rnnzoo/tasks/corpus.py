"""Text from files, folders and globs, read in pieces; or the Python standard library of this machine."""

import codecs
import dataclasses
import sysconfig
import tokenize
import zlib
from collections.abc import Iterator
from pathlib import Path

from rnnzoo.errors import UserError
from rnnzoo.tasks.files import (
    check_encoding,
    check_file,
    decoding_error,
    expand_path,
    open_binary,
    record_file,
    refuse_surrogates,
    refuse_wide_text,
)

PIECE = 1 << 20  # bytes read at a time
PASSES = 5  # over each file: its length, its vocabulary, and the ids of its three parts


@dataclasses.dataclass(frozen=True)
class Document:
    """A part of a text file: characters `begin` to `end` (None: the last)."""

    path: Path
    encoding: str
    begin: int = 0
    end: int | None = None

    def pieces(self) -> Iterator[str]:
        """Its text, a piece at a time. Raises `UserError` for bytes that are not of the encoding."""
        at = 0
        for piece in _pieces(self.path, self.encoding):
            first = max(0, self.begin - at)
            last = len(piece) if self.end is None else self.end - at
            at += len(piece)
            if first < len(piece) and last > 0:
                yield piece[first:last]
            if self.end is not None and at >= self.end:
                return


Splits = dict[str, list[Document]]


def standard_library(size: int) -> Splits:
    """Source files of the standard library, test folders left out, in a fixed random order.

    Split by file: of 20 parts, by a digest of the path, one is for validation and one for the
    test. `size` is the most characters to train on (0: all); the held-out splits do not depend
    on it.
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    splits: Splits = {"train": [], "validation": [], "test": []}
    kept = 0
    for path, digest in _sources(root):
        split = {0: "validation", 1: "test"}.get(digest % 20, "train")
        if split == "train" and size and kept >= size:
            continue
        try:
            with tokenize.open(path) as file:
                length, encoding = len(file.read()), file.encoding
        except (SyntaxError, UnicodeDecodeError, OSError):
            continue  # a few files of the standard library are broken on purpose
        if split == "train":
            length = min(length, size - kept) if size else length
            kept += length
        if length:
            record_file(path, "data", 2, path.relative_to(root).as_posix())
            splits[split].append(Document(path, encoding, end=length))
    if not all(splits.values()):
        raise UserError(f"no Python sources found in {root}; name a text file with --data")
    return splits


def _sources(root: Path) -> Iterator[tuple[Path, int]]:
    """Paths with a digest of each, in the order of the digests."""
    left_out = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
    found = []
    for path in root.rglob("*.py"):
        name = path.relative_to(root)
        if not left_out.intersection(name.parts):
            found.append((zlib.crc32(name.as_posix().encode()), path))
    return ((path, digest) for digest, path in sorted(found))


def files(names: str, encoding: str, held_out: float) -> Splits:
    """Text files, comma-separated: names, globs, or folders (their `.txt` files); the end of each is held out.

    `held_out` is the fraction, half of it for validation and half for the test. Raises `UserError`
    for what is not there, is not text of that encoding, or is too short.
    """
    name = check_encoding(encoding)
    encoding = "utf-8-sig" if name == "utf-8" else encoding
    splits: Splits = {"train": [], "validation": [], "test": []}
    for path in _paths(names):
        length = sum(map(len, _pieces(path, encoding)))
        first = int(length * (1 - held_out))
        second = first + (length - first) // 2
        for split, begin, end in (("train", 0, first), ("validation", first, second), ("test", second, length)):
            if begin < end:
                splits[split].append(Document(path, encoding, begin, end))
    if not all(splits.values()):
        raise UserError(f"--data={names} holds too little text to split into train, validation and test")
    return splits


def _paths(names: str) -> list[Path]:
    """The files that names, folders and globs stand for. Raises `UserError`."""
    found: list[Path] = []
    for name in filter(None, (part.strip() for part in names.split(","))):
        path = expand_path(name, "data")
        try:
            matches = _matches(name, path)
        except (OSError, ValueError) as error:  # a pattern that is none, a name that is too long
            raise UserError(f"--data: cannot read {name!r}: {getattr(error, 'strerror', None) or error}") from None
        if matches is None:
            found.append(check_file(name, "data", PASSES))
        elif not matches and path.is_dir():
            raise UserError(f"--data: the folder {path} holds no .txt file; name files, or a glob such as '{path}/*'")
        elif not matches:
            raise UserError(f"--data: no file matches {name}")
        else:
            for match in matches:
                record_file(match, "data", PASSES)
            found += matches
    if not found:
        raise UserError("--data names no file")
    return found


def _matches(name: str, path: Path) -> list[Path] | None:
    """The text files in a folder, or those that match a glob; None for the name of a file."""
    if path.is_dir():
        return sorted(p for p in path.rglob("*.txt") if p.is_file())
    if path.exists() or not any(sign in name for sign in "*?["):
        return None
    base = Path(path.anchor or ".")
    return sorted(p for p in base.glob(str(path.relative_to(path.anchor))) if p.is_file())


def _pieces(path: Path, encoding: str) -> Iterator[str]:
    """The text of a file, line ends as newlines; a `UserError` names file, byte and remedy."""
    decoder = codecs.getincrementaldecoder(encoding)()
    at, held = 0, ""
    try:
        refuse_wide_text(path, encoding)
        with open_binary(path) as file:
            while True:
                raw = file.read(PIECE)
                pending = len(decoder.getstate()[0])
                text = held + decoder.decode(raw, final=not raw)
                at += len(raw)
                held = "\r" if raw and text.endswith("\r") else ""  # its newline may be in the next piece
                text = text[: len(text) - len(held)].replace("\r\n", "\n")
                if text:
                    refuse_surrogates(text, str(path))
                    yield text
                if not raw:
                    return
    except UnicodeDecodeError as error:
        raise decoding_error(path, encoding, f" (byte {at - pending + error.start})") from None
    except UnicodeError:
        raise decoding_error(path, encoding) from None
    except OSError as error:
        raise UserError(f"--data: cannot read {path}: {error.strerror}") from None
