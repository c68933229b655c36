"""Files of piano rolls, encoded: the frames of each piece as zeros and ones."""

import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rnnzoo.data.array_writer import ArrayWriter
from rnnzoo.data.bucketing import Example
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
ZEROS_AND_ONES = "a roll is [time, notes] of zeros and ones"


def read_rolls(path: Path, split: str, writer: ArrayWriter) -> dict[str, Any]:
    """Writes the pieces of a split of a `.mat` or `.npz` file as `frames`, and returns facts about them.

    Raises:
        UserError: the file holds no piano rolls.
    """
    if path.suffix not in EXPECTED:
        raise UserError(f"--data: {path} is neither a .mat nor an .npz file of piano rolls")
    try:
        return _read_npz(path, split, writer) if path.suffix == ".npz" else write_rolls(_read_mat(path, split), writer)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"--data: {path} holds no piano rolls: {EXPECTED[path.suffix]} ({str(error)[:200]})") from None


def write_rolls(rolls: Iterable[np.ndarray], writer: ArrayWriter) -> dict[str, Any]:
    """Writes piano rolls `[time, notes]` as `frames`, and returns facts about them.

    Raises:
        ValueError: a roll holds other values than zeros and ones.
        UserError: rolls have different numbers of notes.
    """
    count, widths = 0, set[int]()
    for roll in rolls:
        frames = _check(roll)
        widths.add(frames.shape[1])
        check_widths(widths)
        writer.extend_sequences("frames", frames, np.array([len(frames)]))
        count += 1
    return {"count": count, "width": max(widths, default=0)}


def check_widths(widths: set[int]) -> None:
    """Raises `UserError` if rolls have different numbers of notes."""
    if len(widths) > 1:
        raise UserError(f"--data: rolls have different numbers of notes: {sorted(widths)}")


def _read_mat(path: Path, split: str) -> Iterator[np.ndarray]:
    if importlib.util.find_spec("scipy") is None:
        raise UserError(f"--data: {path} is a .mat file, which needs scipy: pip install 'rnnzoo[music]'")
    from scipy.io import loadmat

    return iter(loadmat(str(path), variable_names=KEYS[split])[KEYS[split]].ravel())


def _read_npz(path: Path, split: str, writer: ArrayWriter) -> dict[str, Any]:
    name = NAMES[split]
    with np.load(path, allow_pickle=False) as stored:
        lengths = stored[f"{name}_lengths"]
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or not len(lengths) or lengths.min() < 0:
        raise UserError(f"--data: {path}: {name}_lengths must be whole numbers of at least 0")
    shape, blocks = open_array(path, name)
    if lengths.sum() != shape[0]:
        raise UserError(f"--data: {path}: {name}_lengths add up to {lengths.sum()}, not {shape[0]} frames")
    for block in blocks:
        writer.extend("frames", _check(block))
    writer.extend("frames.ends", np.cumsum(lengths, dtype="int64"))
    return {"count": len(lengths), "width": shape[1]}


def _check(frames: np.ndarray) -> np.ndarray:
    """Returns frames as bytes. Raises `ValueError` for other values than zeros and ones."""
    is_numeric = frames.ndim == 2 and frames.shape[1] and frames.dtype.kind in "fiub"
    if not is_numeric or not ((frames == 0) | (frames == 1)).all():
        raise ValueError(ZEROS_AND_ONES)
    return frames.astype("uint8")


class RollReader:
    """The pieces of a file as examples: each frame, and the frame after it.

    Args:
        arrays: the arrays that `read_rolls` or `write_rolls` wrote.

    Attributes:
        index: the numbers of the pieces of more than one frame.
        lengths: the number of frames of each of these but the last.
    """

    def __init__(self, arrays: ArrayFolder):
        self._frames = arrays.sequences("frames")
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
            ends = np.cumsum(lengths[lengths > 0])
            yield np.delete(frames, ends - 1, 0), np.delete(frames, np.append(0, ends[:-1]), 0)
