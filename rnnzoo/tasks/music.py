"""The task `music`: polyphonic music modelling."""

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from rnnzoo.config import option
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.bucketing import Example
from rnnzoo.data.files import check_file
from rnnzoo.data.splits import check_not_empty
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base import BucketedTask

NOTES = 88
EXPECTED = {
    ".mat": "expected cells traindata, validdata, testdata of [time, notes], zeros and ones",
    ".npz": "expected train, valid, test [frames, notes], zeros and ones, and train_lengths, valid_lengths, "
    "test_lengths",
}
KEYS = {"train": "traindata", "validation": "validdata", "test": "testdata"}  # of a .mat file
PROGRESSIONS = ((0, 5, 7, 0), (0, 9, 5, 7), (0, 7, 9, 5), (9, 5, 0, 7), (2, 7, 0, 0), (0, 2, 7, 0))
MINOR = (2, 4, 9)  # degrees in semitones with a minor triad
SIZES = {"train": 200, "validation": 50, "test": 50}


@dataclasses.dataclass(frozen=True)
class MusicOptions:
    """Options of the task `music`."""

    data: str | None = option(None, "piano rolls, .mat or .npz file; default: generated chord progressions")
    batch_size: int = option(16, "pieces in a batch", minimum=1, size="batch")


@TASKS.register("music")
class Music(BucketedTask):
    """Polyphonic music: predict which of 88 notes sound in the next frame.

    `nll` is the negative log-likelihood of a frame in nats, summed over its notes, over all frames from the second on
    (Boulanger-Lewandowski et al. 2012). A `.mat` file holds the cells `traindata`, `validdata`, `testdata` of piano
    rolls `[time, 88]`. An `.npz` file holds `train`, `valid`, `test`, the concatenated piano rolls `[frames,
    notes]`, and `train_lengths`, ... with the frames of each. The default data are progressions of triads in four
    voices, in any key, sampled by seed 0.
    """

    training_defaults = {"steps": 1500, "learning_rate": 2e-3}

    def __init__(self, options: MusicOptions):
        self.origin = options.data or "chord progressions"
        rolls = _generate() if options.data is None else _read(check_file(options.data))
        examples = {s: [Example(r[:-1], r[1:]) for r in rolls[s] if len(r) > 1] for s in SPLITS}
        check_not_empty(examples, self.origin)
        notes, *others = {e.inputs.shape[1] for s in SPLITS for e in examples[s]}
        if others:
            raise UserError(f"--data: rolls have different numbers of notes: {sorted([notes, *others])}")
        spec = TaskSpec(
            inputs="features",
            outputs="vector",
            per_step=True,
            input_size=notes,
            output_size=notes,
            loss="binary_cross_entropy",
            metrics=("nll",),
            next_input=True,
        )
        super().__init__(options, examples, spec)

    def baselines(self) -> dict[str, dict[str, float]]:
        train = np.concatenate([e.targets for e in self.examples["train"]])
        test = np.concatenate([e.targets for e in self.examples["test"]])
        last = np.concatenate([e.inputs for e in self.examples["test"]])
        before = np.concatenate([e.inputs for e in self.examples["train"]])
        frequencies = (train.sum(0) + 0.5) / (len(train) + 1)
        on, off = (((train * played).sum() + 0.5) / (played.sum() + 1) for played in (before, 1 - before))
        return {
            "note frequencies": _metrics(_nll(test, frequencies)),
            "previous frame": _metrics(_nll(test, np.where(last > 0, on, off))),
        }

    def summary(self) -> str:
        pieces = ", ".join(f"{split} {len(self.examples[split])}" for split in SPLITS)
        return f"{self.origin}: pieces {pieces}; up to {self.max_length} frames of {self.spec.input_size} notes"


def _metrics(nll: float) -> dict[str, float]:
    return {"loss": nll, "nll": nll}


def _nll(frames: np.ndarray, p: np.ndarray) -> float:
    return float(-(frames * np.log(p) + (1 - frames) * np.log(1 - p)).sum(1).mean())


def _read(path: Path) -> dict[str, list[np.ndarray]]:
    if path.suffix not in (".mat", ".npz"):
        raise UserError(f"--data: {path} is neither a .mat nor an .npz file of piano rolls")
    try:
        return (_read_mat if path.suffix == ".mat" else _read_npz)(path)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"--data: {path} holds no piano rolls: {EXPECTED[path.suffix]} ({str(error)[:200]})") from None


def _read_mat(path: Path) -> dict[str, list[np.ndarray]]:
    if importlib.util.find_spec("scipy") is None:
        raise UserError(f"--data: {path} is a .mat file, which needs scipy: pip install 'rnnzoo[music]'")
    from scipy.io import loadmat

    stored = loadmat(str(path))
    return {split: [_to_roll(roll) for roll in stored[key].ravel()] for split, key in KEYS.items()}


def _read_npz(path: Path) -> dict[str, list[np.ndarray]]:
    rolls = {}
    with np.load(path, allow_pickle=False) as stored:
        for split in SPLITS:
            name = "valid" if split == "validation" else split
            lengths = stored[f"{name}_lengths"]
            if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or not len(lengths) or lengths.min() < 0:
                raise UserError(f"--data: {path}: {name}_lengths must be whole numbers of at least 0")
            ends = np.cumsum(lengths)
            if ends[-1] != len(stored[name]):
                raise UserError(f"--data: {path}: {name}_lengths add up to {ends[-1]}, not {len(stored[name])} frames")
            rolls[split] = [_to_roll(roll) for roll in np.split(stored[name], ends[:-1])]
    return rolls


def _to_roll(values: Any) -> np.ndarray:
    if np.asarray(values).dtype.kind not in "fiub":
        raise ValueError("a roll is [time, notes] of zeros and ones")
    roll = np.asarray(values, "float32")
    if roll.ndim != 2 or not roll.shape[1] or not np.isin(roll, (0, 1)).all():
        raise ValueError("a roll is [time, notes] of zeros and ones")
    return roll


def _generate() -> dict[str, list[np.ndarray]]:
    rng = np.random.default_rng(0)
    return {split: [_sample_piece(rng) for _ in range(count)] for split, count in SIZES.items()}


def _sample_piece(rng: np.random.Generator) -> np.ndarray:
    """Samples a repeated chord progression in one key; each chord is held for some frames, or played as an arpeggio."""
    key = 39 + rng.integers(-6, 6)
    chords = PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
    chord_length, is_arpeggio = rng.integers(2, 5), rng.integers(4) == 0
    frames = []
    for degree in chords * int(rng.integers(2, 5)):
        root = key + (degree if degree < 7 else degree - 12)
        third = root + (3 if degree in MINOR else 4)
        chord = [root - 12, root, third, root + 7]
        for t in range(chord_length):
            frame = np.zeros(NOTES, "float32")
            frame[[chord[0], chord[1 + t % 3]] if is_arpeggio else chord] = 1
            if rng.integers(8) == 0:
                frame[root + 12] = 1  # the root doubled an octave above, at random
            frames.append(frame)
    return np.stack(frames)
