"""The task `music`: polyphonic music modelling."""

import dataclasses
import functools

import numpy as np

from rnnzoo.config import option
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.cache import CACHE_HELP, encode_file, write_arrays
from rnnzoo.data.files import check_file
from rnnzoo.data.mapped import ArrayFolder
from rnnzoo.data.piano_rolls import RollReader, check_kind, read_rolls, write_rolls
from rnnzoo.data.splits import check_not_empty
from rnnzoo.data.stored import StoredExamples
from rnnzoo.registry import TASKS
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base import BucketedTask

NOTES = 88
PROGRESSIONS = ((0, 5, 7, 0), (0, 9, 5, 7), (0, 7, 9, 5), (9, 5, 0, 7), (2, 7, 0, 0), (0, 2, 7, 0))
MINOR = (2, 4, 9)  # degrees in semitones with a minor triad
SIZES = {"train": 200, "validation": 50, "test": 50}


@dataclasses.dataclass(frozen=True)
class MusicOptions:
    """Options of the task `music`."""

    data: str | None = option(None, "piano rolls, .mat or .npz file; default: generated chord progressions")
    cache_dir: str | None = option(None, CACHE_HELP)
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
        arrays = _read(options)
        self._readers = {split: RollReader(arrays, split) for split in SPLITS}
        examples = {s: StoredExamples(r.index, r.lengths, r) for s, r in self._readers.items()}
        check_not_empty(examples, self.origin)
        notes = arrays.facts["width"]
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
        train, test = _count(self._readers["train"]), _count(self._readers["test"])
        frames = test.sum((0, 1))[0]
        off, on = train.sum(0)
        by_note = _nll(test.sum(0), (on + 0.5) / (on + off + 1))
        by_last = sum(_nll(test[i].sum(-1), (train[i, 1].sum() + 0.5) / (train[i].sum() + 1)) for i in (0, 1))
        return {
            "note frequencies": _metrics(float(by_note / frames)),
            "previous frame": _metrics(float(by_last / frames)),
        }

    def summary(self) -> str:
        pieces = ", ".join(f"{split} {len(self.examples[split])}" for split in SPLITS)
        return f"{self.origin}: pieces {pieces}; up to {self.max_length} frames of {self.spec.input_size} notes"


def _metrics(nll: float) -> dict[str, float]:
    return {"loss": nll, "nll": nll}


def _nll(counts: np.ndarray, p: np.ndarray) -> float:
    """Returns the negative log-likelihood of notes, `counts [2, ...]`: how often each is silent, and sounds."""
    return float(-(counts[1] * np.log(p) + counts[0] * np.log(1 - p)).sum())


def _count(reader: RollReader) -> np.ndarray:
    """Counts by the note before, silent or not, and the note, silent or not: `[2, 2, notes]`."""
    counts = np.zeros((2, 2, 1), "int64")
    for before, after in reader.blocks():
        counts = counts + [[((before == i) & (after == j)).sum(0) for j in (0, 1)] for i in (0, 1)]
    return counts


def _read(options: MusicOptions) -> ArrayFolder:
    if options.data is None:
        return write_arrays(lambda writer: write_rolls(_generate(), writer))
    path = check_file(options.data)
    check_kind(path)
    return encode_file(path, ["music"], functools.partial(read_rolls, path), options.cache_dir)


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
