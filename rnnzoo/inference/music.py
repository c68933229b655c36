"""Composition with an exported model of music, and MIDI files of the result."""

import importlib.util
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.errors import UserError

LOWEST = 21  # MIDI number of the first of 88 notes, the lowest key of a piano
TICKS = 480  # of a MIDI file per frame, a quarter note
VELOCITY = 72
TEMPO = 96  # frames a minute


def parse_chord(text: str, notes: int) -> list[int]:
    """Parses MIDI numbers separated by commas. Raises `UserError` for other text, or notes that the model lacks."""
    try:
        chord = sorted({int(part) for part in text.split(",") if part.strip()})
    except ValueError:
        raise UserError(f"--prompt={text}: expected the MIDI numbers of a chord, such as 48,55,60,64") from None
    if not chord or chord[0] < LOWEST or chord[-1] >= LOWEST + notes:
        raise UserError(f"--prompt={text}: expected MIDI numbers from {LOWEST} to {LOWEST + notes - 1}")
    return chord


def compose(signatures: Any, chord: Sequence[int], length: int, temperature: float, seed: int) -> np.ndarray:
    """Composes a piece: each note of the next frame is sampled from its probability.

    Args:
        signatures: the signatures of an export of the task `music`.
        chord: MIDI numbers of the first frame.
        length: the number of frames after it.
        temperature: divisor of the logits; 0: each note that is more probable than not.
        seed: the random seed.

    Returns:
        A piano roll `[1 + length, notes]` of zeros and ones.
    """
    state = dict(signatures["initial_state"](rows=tf.constant([0])))
    notes = signatures["step"].structured_input_signature[1]["inputs"].shape[1]
    frame = np.zeros(notes, "float32")
    frame[np.asarray(chord) - LOWEST] = 1
    rng, frames = np.random.default_rng(seed), [frame]
    for _ in range(length):
        result = dict(signatures["step"](inputs=tf.constant(frame[None]), **state))
        logits = result.pop("outputs").numpy()[0].astype("float64")
        if temperature > 0:
            probabilities = 0.5 * (1 + np.tanh(0.5 * logits / temperature))
            frame = (rng.random(notes) < probabilities).astype("float32")
        else:
            frame = (logits > 0).astype("float32")
        frames.append(frame)
        state = result
    return np.stack(frames)


def describe_roll(roll: np.ndarray) -> str:
    """Returns a line for each frame, with the MIDI numbers of its notes."""
    return "\n".join(",".join(str(LOWEST + i) for i in np.flatnonzero(frame)) or "-" for frame in roll)


def write_midi(roll: np.ndarray, path: Path) -> None:
    """Writes a piano roll to a MIDI file; a note in several frames in a row is held.

    Raises:
        UserError: mido is not installed, or the name of the file has another suffix.
    """
    check_midi(path)
    import mido

    file, track = mido.MidiFile(ticks_per_beat=TICKS), mido.MidiTrack()
    file.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(TEMPO)))
    padded = np.concatenate([np.zeros_like(roll[:1]), roll, np.zeros_like(roll[:1])])
    silent = 0  # ticks since the last message
    for before, now in itertools.pairwise(padded):
        for kind, changed in (("note_off", before > now), ("note_on", now > before)):
            for i in np.flatnonzero(changed):
                track.append(mido.Message(kind, note=int(LOWEST + i), velocity=VELOCITY, time=silent))
                silent = 0
        silent += TICKS
    file.save(str(path))


def check_midi(path: Path) -> None:
    """Raises `UserError` unless a MIDI file can be written."""
    if path.suffix.lower() not in (".mid", ".midi"):
        raise UserError(f"--out={path}: the name of a MIDI file ends with .mid")
    if not path.parent.is_dir():
        raise UserError(f"--out={path}: there is no folder {path.parent}")
    if importlib.util.find_spec("mido") is None:
        raise UserError("--out needs mido: pip install 'rnnzoo[music]'")
