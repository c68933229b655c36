"""tiny Shakespeare: an LSTM in the time of a small transformer.

A character model of 1.1 million characters of Shakespeare's plays, the last 10 % held out. Published (nanoGPT's
README): a transformer of 4 layers, 128 wide, "about 3 minutes" on the CPU of a laptop: 1.88 nats a character on the
held-out part. Here: an LSTM of one layer, plain training of this package, as many steps as take about three minutes
on two cores; of the rest 5 % for validation. The file is not part of this package: RNNZOO_SHAKESPEARE=input.txt names
it (from github.com/karpathy/char-rnn, data/tinyshakespeare); without it, and with --quick, this is left out.

Measured: 1.673 nats, 1,700 steps in 182 s beside no other work, seed 0; published: 1.88.
`RNNZOO_SHAKESPEARE=input.txt python -m experiments.shakespeare`.
"""

import os
import tempfile
import time
from pathlib import Path

import tensorflow as tf

import rnnzoo
from experiments.common import Found, main, trainer

UNITS, STEPS, RATE = 256, 1700, 4e-3


def run(quick: bool) -> Found:
    """Nats a character on the held-out tenth, and a sample."""
    head = ("model", "weights", "steps", "seconds of training", "nats a character", "bits")
    name = os.environ.get("RNNZOO_SHAKESPEARE", "")
    if quick or not name:
        return Found(
            head, [], {}, "Left out: RNNZOO_SHAKESPEARE names no file." if not name else "Left out of --quick."
        )
    text = Path(name).read_text(encoding="utf-8")
    cut = round(0.9 * len(text))
    with tempfile.TemporaryDirectory() as folder:
        known = Path(folder, "known.txt")
        known.write_text(text[:cut], encoding="utf-8")
        task = rnnzoo.create_task(
            "char_lm", data=str(known), validation_fraction=0.025, test_fraction=0.025, min_count=1
        )
        made = trainer("lstm", task, STEPS, RATE, options={"units": UNITS})
        started = time.monotonic()
        for _ in made.run():
            pass
        seconds = time.monotonic() - started
        path = rnnzoo.export_saved_model(made.model, Path(folder, "export"))
        served = tf.saved_model.load(str(path)).signatures
        scores = served["serving_default"](text=tf.constant([text[cut:]]))
        nats = -float(scores["log_probability"][0]) / (len(text) - cut)
        numbers = {
            "length": tf.constant([400]),
            "temperature": tf.constant([0.7]),
            "top_k": tf.constant([0]),
            "seed": tf.constant([1]),
        }
        sample = served["generate"](prompt=tf.constant(["ROMEO:\n"]), **numbers)["text"].numpy()[0].decode()
    row = ("lstm", made.model.count_params(), STEPS, round(seconds), nats, nats / 0.6931471805599453)
    quoted = "\n".join("    " + line for line in sample.splitlines())
    return Found(head, [row], {}, f"Published: 1.88. What it writes after 'ROMEO:' at temperature 0.7:\n\n{quoted}\n\n")


if __name__ == "__main__":
    main("shakespeare", run)
