"""Run in a fresh process, with plain TensorFlow: does an exported model answer as it did in memory?

    python check.py SAVED_MODEL PROBES.npz

PROBES.npz holds arrays `signature/i/in/argument` and `signature/i/out/result`. This file imports nothing of
the package that wrote the model, and says what differs in one line.
"""

import sys
from collections import defaultdict

import numpy as np
import tensorflow as tf

TOLERANCE = 1e-5
DIFFERENT = 3  # exit status
END = "\n"  # stands behind every text


class Refuse:
    """Makes an import of the package that wrote the model fail."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "rnnzoo":
            raise ImportError("loading the model imports rnnzoo")


def probes(path):
    """`{(signature, i): {"in": {name: array}, "out": {name: array}}}`."""
    found: dict = defaultdict(lambda: {"in": {}, "out": {}})
    with np.load(path, allow_pickle=False) as stored:
        for key in stored.files:
            signature, number, side, name = key.split("/")
            value = stored[key]
            if value.dtype.kind == "U":
                value = np.array([text.removesuffix(END).encode() for text in value.ravel()], object).reshape(
                    value.shape
                )
            found[signature, number][side][name] = value
    return found


def difference(got, wanted):
    """None where they agree, else what is wrong."""
    if wanted.dtype == object:
        return None if np.array_equal(got, wanted) else f"{got!r} is not {wanted!r}"
    got, wanted = (a.astype("float64") if a.dtype.kind == "b" else a for a in (got, wanted))
    finite = np.isfinite(wanted) | (wanted == -np.inf)  # the score of a beam that found nothing
    if got.shape != wanted.shape or not finite.all() or not np.array_equal(np.isfinite(got), np.isfinite(wanted)):
        return f"shape {got.shape}, finite {np.isfinite(got).all()}; wanted shape {wanted.shape}"
    got, wanted = got[np.isfinite(wanted)], wanted[np.isfinite(wanted)]
    worst = float(np.max(np.abs(got - wanted) / (1 + np.abs(wanted)), initial=0))
    return None if worst <= TOLERANCE else f"differs by {worst:.2g}"


def main(saved_model, path):
    loaded = tf.saved_model.load(saved_model)
    for (signature, _), probe in probes(path).items():
        called = loaded.signatures[signature]
        specs = called.structured_input_signature[1]
        results = called(**{name: tf.cast(value, specs[name].dtype) for name, value in probe["in"].items()})
        for name, wanted in probe["out"].items():
            got = results[name].numpy()
            got = got.astype("float32") if got.dtype.kind == "V" else got
            if wrong := difference(got, wanted):
                print(f"{signature}, {name}: {wrong}", file=sys.stderr)
                sys.exit(DIFFERENT)


if __name__ == "__main__":
    sys.meta_path.insert(0, Refuse())
    main(*sys.argv[1:])
