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
    got, wanted = (a.astype("float64") for a in (got, wanted))
    if got.shape != wanted.shape or not np.isfinite(got).all():
        return f"shape {got.shape}, finite {np.isfinite(got).all()}; wanted shape {wanted.shape}"
    worst = float(np.max(np.abs(got - wanted) / (1 + np.abs(wanted)), initial=0))
    return None if worst <= TOLERANCE else f"differs by {worst:.2g}"


def python_loader(path):
    """Answers by `tf.saved_model.load`: `answer(signature, inputs)`."""
    signatures = tf.saved_model.load(path).signatures

    def answer(signature, inputs):
        specs = signatures[signature].structured_input_signature[1]
        cast = {name: tf.cast(value, specs[name].dtype) for name, value in inputs.items()}
        return {name: value.numpy() for name, value in signatures[signature](**cast).items()}

    return answer


def session_loader(path):
    """Answers by a session, the way of TF Serving and of the C API: `answer(signature, inputs)`."""
    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        signatures = tf.compat.v1.saved_model.load(session, ["serve"], path).signature_def

    def answer(signature, inputs):
        found = signatures[signature]
        feed = {}
        for name, value in inputs.items():
            tensor = session.graph.get_tensor_by_name(found.inputs[name].name)
            feed[tensor] = value if value.dtype == object else value.astype(tensor.dtype.as_numpy_dtype)
        return session.run({name: info.name for name, info in found.outputs.items()}, feed)

    return answer


def main(saved_model, path):
    for loader in (python_loader, session_loader):
        answer = loader(saved_model)
        for (signature, _), probe in probes(path).items():
            results = answer(signature, probe["in"])
            for name, wanted in probe["out"].items():
                got = results[name].astype("float32") if results[name].dtype.kind == "V" else results[name]
                if wrong := difference(got, wanted):
                    print(f"{signature}, {name}, by the {loader.__name__}: {wrong}", file=sys.stderr)
                    sys.exit(DIFFERENT)


if __name__ == "__main__":
    sys.meta_path.insert(0, Refuse())
    main(*sys.argv[1:])
