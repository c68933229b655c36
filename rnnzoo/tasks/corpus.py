"""Text from files: the user's own, or the Python standard library of this machine."""

import sysconfig
import tokenize
import zlib
from collections.abc import Iterator
from pathlib import Path

from rnnzoo.errors import UserError

Splits = dict[str, list[str]]  # the documents of each split


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
                text = file.read()
        except (SyntaxError, UnicodeDecodeError, OSError):
            continue  # a few files of the standard library are broken on purpose
        if split == "train":
            text = text[: size - kept] if size else text
            kept += len(text)
        if text:
            splits[split].append(text)
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


def files(names: str, held_out: float) -> Splits:
    """Text files, comma-separated; the last part of each is held out for validation and test.

    `held_out` is the fraction, half of it for each. Raises `UserError` for a file that is not
    there, is not UTF-8, or holds no text.
    """
    splits: Splits = {"train": [], "validation": [], "test": []}
    for name in filter(None, (part.strip() for part in names.split(","))):
        text = read_text(Path(name).expanduser())
        first = int(len(text) * (1 - held_out))
        second = first + (len(text) - first) // 2
        for split, part in zip(splits, (text[:first], text[first:second], text[second:]), strict=True):
            if part:
                splits[split].append(part)
    if not all(splits.values()):
        raise UserError(f"--data={names} holds too little text to split into train, validation and test")
    return splits


def read_text(path: Path) -> str:
    """The text of one file, or a `UserError` that names it."""
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise UserError(f"--data: there is no file {path}") from None
    except IsADirectoryError:
        raise UserError(f"--data: {path} is a folder; name the files in it") from None
    except UnicodeDecodeError as error:
        raise UserError(f"--data: {path} is not UTF-8 text (byte {error.start}); convert it to UTF-8") from None
    except OSError as error:
        raise UserError(f"--data: cannot read {path}: {error.strerror}") from None
