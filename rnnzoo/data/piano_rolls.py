"""Files of piano rolls, encoded: the frames of each piece as zeros and ones."""

import contextlib
import functools
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rnnzoo.data.array_writer import ArrayWriter
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.bucketing import Example
from rnnzoo.data.file_recorder import skip_file
from rnnzoo.data.mapped import ArrayFolder
from rnnzoo.data.npz import open_array
from rnnzoo.errors import UserError

EXPECTED = {
    ".mat": "expected cells traindata, validdata, testdata of [time, notes], zeros and ones",
    ".npz": "expected train, valid, test [frames, notes], zeros and ones, and train_lengths, valid_lengths, "
    "test_lengths",
}
KEYS = {"train": "traindata", "validation": "validdata", "test": "testdata"}  # of a .mat file
NAMES = {"train": "train", "validation": "valid", "test": "test"}  # of an .npz file


def read_rolls(path: Path, writer: ArrayWriter) -> dict[str, Any]:
    """Writes the pieces of each split of a `.mat` or `.npz` file, and returns facts about them.

    Raises:
        UserError: the file holds no piano rolls, or those of different numbers of notes.
    """
    if path.suffix == ".npz":
        return {"width": _common({_read_npz(path, split, writer) for split in SPLITS})}
    with _explained(path):
        cells = _read_mat(path)
    return write_rolls({split: map(functools.partial(_check, path), cells[split]) for split in SPLITS}, writer)


def write_rolls(rolls: Mapping[str, Iterable[np.ndarray]], writer: ArrayWriter) -> dict[str, Any]:
    """Writes the piano rolls `[time, notes]` of each split, and returns facts about them.

    Raises:
        UserError: rolls have different numbers of notes.
    """
    widths = set[int]()
    for split, part in rolls.items():
        pieces = list(part)
        widths |= {piece.shape[1] for piece in pieces}
        frames = [np.zeros((0, _common(widths)), "uint8"), *pieces]
        writer.extend_sequences(
            split, np.concatenate(frames).astype("uint8"), np.array(list(map(len, pieces)), "int64")
        )
    return {"width": _common(widths)}


def _common(widths: set[int]) -> int:
    if len(widths) > 1:
        raise UserError(f"--data: rolls have different numbers of notes: {sorted(widths)}")
    return max(widths, default=1)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Context manager that raises `UserError`, with what was expected, for any error of reading."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        raise UserError(f"--data: {path} holds no piano rolls: {EXPECTED[path.suffix]} ({str(error)[:200]})") from None


def check_kind(path: Path) -> None:
    """Raises `UserError` for a file that is neither `.mat` nor `.npz`."""
    if path.suffix not in EXPECTED:
        raise UserError(f"--data: {path} is neither a .mat nor an .npz file of piano rolls")


def _read_mat(path: Path) -> dict[str, np.ndarray]:
    if importlib.util.find_spec("scipy") is None:
        raise UserError(f"--data: {path} is a .mat file, which needs scipy: pip install 'rnnzoo[music]'")
    from scipy.io import loadmat

    stored = loadmat(str(path))
    skip_file(path)
    return {split: stored[key].ravel() for split, key in KEYS.items()}


def _read_npz(path: Path, split: str, writer: ArrayWriter) -> int:
    """Writes the pieces of a split, and returns the number of notes."""
    name = NAMES[split]
    with _explained(path):
        with np.load(path, allow_pickle=False) as stored:
            lengths = stored[f"{name}_lengths"]
        shape, blocks = open_array(path, name)
        count, width = shape
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or not len(lengths) or lengths.min() < 0:
        raise UserError(f"--data: {path}: {name}_lengths must be whole numbers of at least 0")
    if lengths.sum() != count:
        raise UserError(f"--data: {path}: {name}_lengths add up to {lengths.sum()}, not {count} frames")
    writer.extend(split, np.zeros((0, width), "uint8"))
    for block in blocks:
        writer.extend(split, _check(path, block))
    writer.extend(f"{split}.ends", np.cumsum(lengths, dtype="int64"))
    return int(width)


def _check(path: Path, frames: np.ndarray) -> np.ndarray:
    """Returns frames as bytes. Raises `UserError` for other values than zeros and ones."""
    with _explained(path):
        is_numeric = frames.ndim == 2 and frames.shape[1] and frames.dtype.kind in "fiub"
        if not is_numeric or not ((frames == 0) | (frames == 1)).all():
            raise ValueError("a roll is [time, notes] of zeros and ones")
        return frames.astype("uint8")


class RollReader:
    """The pieces of a split as examples: each frame, and the frame after it.

    Args:
        arrays: the arrays that `read_rolls` or `write_rolls` wrote.
        split: the split.

    Attributes:
        index: the numbers of the pieces of more than one frame.
        lengths: how many frames of each of these have a frame after them.
    """

    def __init__(self, arrays: ArrayFolder, split: str):
        self._frames = arrays.sequences(split)
        lengths = self._frames.lengths()
        self.index = np.flatnonzero(lengths > 1).astype("int32")
        self.lengths = lengths[self.index] - 1

    def __call__(self, i: int) -> Example:
        """Returns frames and the frames after them, `[time, notes]`."""
        roll = self._frames[i].astype("float32")
        return Example(roll[:-1], roll[1:])

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields frames and the frames after them, `[frames, notes]`, those of some pieces at a time."""
        for _, frames, lengths in self._frames.blocks():
            last = np.cumsum(lengths[lengths > 0]) - 1
            if len(last):
                yield np.delete(frames, last, 0), np.delete(frames, np.append(0, last[:-1] + 1), 0)
