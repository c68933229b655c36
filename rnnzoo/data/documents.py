"""Text files, read in pieces."""

import codecs
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from rnnzoo.data.files import decoding_error, open_binary, refuse_surrogates, refuse_wide_text
from rnnzoo.errors import UserError

PIECE_BYTES = 1 << 20  # read at a time


@dataclasses.dataclass(frozen=True)
class Document:
    """Characters `begin` to `end` of a text file (None: to its end)."""

    path: Path
    encoding: str
    begin: int = 0
    end: int | None = None

    def pieces(self) -> Iterator[str]:
        """Yields the text in pieces. Raises `UserError` for bytes that are not valid in the encoding."""
        return (piece for _, piece in read_documents([self]))


def read_documents(documents: Sequence[Document]) -> Iterator[tuple[int, str]]:
    """Yields the texts of documents in pieces, each with the number of its document.

    The documents are parts of one file, in order. Raises `UserError` for bytes that are not valid in the encoding.
    """
    position = 0
    for piece in read_pieces(documents[0].path, documents[0].encoding):
        for number, document in enumerate(documents):
            first = max(0, document.begin - position)
            last = len(piece) if document.end is None else document.end - position
            if first < len(piece) and last > 0:
                yield number, piece[first:last]
        position += len(piece)
        end = documents[-1].end
        if end is not None and position >= end:
            return


def read_pieces(path: Path, encoding: str) -> Iterator[str]:
    """Yields the text of a file, with line ends as newlines. Raises `UserError`, which names file, byte and remedy."""
    decoder = codecs.getincrementaldecoder(encoding)()
    position, held_back = 0, ""
    try:
        refuse_wide_text(path, encoding)
        with open_binary(path) as file:
            while True:
                raw = file.read(PIECE_BYTES)
                pending = len(decoder.getstate()[0])
                text = held_back + decoder.decode(raw, final=not raw)
                position += len(raw)
                held_back = "\r" if raw and text.endswith("\r") else ""  # the newline may be in the next piece
                text = text[: len(text) - len(held_back)].replace("\r\n", "\n")
                if text:
                    refuse_surrogates(text, str(path))
                    yield text
                if not raw:
                    return
    except UnicodeDecodeError as error:
        raise decoding_error(path, encoding, f" (byte {position - pending + error.start})") from None
    except UnicodeError:
        raise decoding_error(path, encoding) from None
    except OSError as error:
        raise UserError(f"--data: cannot read {path}: {error.strerror}") from None
