"""Tiny Shakespeare: an LSTM with the training time of a small transformer.

A character-level language model of Shakespeare's plays, 1.1 million characters, the last 10 % for the test. Published
(README of nanoGPT): a transformer of 4 layers and 128 units, trained "about 3 minutes" on the CPU of a laptop, has 1.88
nats per character. Here: an LSTM of one layer, trained with this package for the number of steps that take about three
minutes on two cores; 5 % of the training text is held out. The text is not part of this package:
RNNZOO_SHAKESPEARE=input.txt names it (from github.com/karpathy/char-rnn, data/tinyshakespeare). Without it, and with
--quick, the experiment is skipped.

Measured: 1.673 nats, 1,700 steps in 182 s with no other programs running, seed 0; published: 1.88.
`RNNZOO_SHAKESPEARE=input.txt python -m experiments.shakespeare`.
"""

import os
import tempfile
import time
from pathlib import Path

import tensorflow as tf

import rnnzoo
from experiments.common import Result, create_trainer, main

UNITS, STEPS, LEARNING_RATE = 256, 1700, 4e-3


def run(quick: bool) -> Result:
    """Measures nats per character of the test text, and generates a sample."""
    header = ("model", "weights", "steps", "seconds of training", "nats a character", "bits")
    name = os.environ.get("RNNZOO_SHAKESPEARE", "")
    if quick or not name:
        return Result(
            header, [], {}, "Skipped: RNNZOO_SHAKESPEARE names no file." if not name else "Skipped with --quick."
        )
    text = Path(name).read_text(encoding="utf-8")
    cut = round(0.9 * len(text))
    with tempfile.TemporaryDirectory() as folder:
        train_file = Path(folder, "train.txt")
        train_file.write_text(text[:cut], encoding="utf-8")
        task = rnnzoo.create_task(
            "char_lm", data=str(train_file), validation_fraction=0.025, test_fraction=0.025, min_count=1
        )
        trainer = create_trainer("lstm", task, STEPS, LEARNING_RATE, options={"units": UNITS})
        started = time.monotonic()
        for _ in trainer.run():
            pass
        seconds = time.monotonic() - started
        path = rnnzoo.export_saved_model(trainer.model, Path(folder, "export"))
        signatures = tf.saved_model.load(str(path)).signatures
        scores = signatures["serving_default"](text=tf.constant([text[cut:]]))
        nats = -float(scores["log_probability"][0]) / (len(text) - cut)
        arguments = {
            "length": tf.constant([400]),
            "temperature": tf.constant([0.7]),
            "top_k": tf.constant([0]),
            "seed": tf.constant([1]),
        }
        sample = signatures["generate"](prompt=tf.constant(["ROMEO:\n"]), **arguments)["text"].numpy()[0].decode()
    row = ("lstm", trainer.model.count_params(), STEPS, round(seconds), nats, nats / 0.6931471805599453)
    quoted = "\n".join("    " + line for line in sample.splitlines())
    return Result(header, [row], {}, f"Published: 1.88. Sample of 'ROMEO:' at temperature 0.7:\n\n{quoted}\n\n")


if __name__ == "__main__":
    main("shakespeare", run)
