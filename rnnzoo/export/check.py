"""Checks in a fresh process, with plain TensorFlow, that an exported model gives the same answers as in memory.

    python check.py SAVED_MODEL PROBES.npz

PROBES.npz holds arrays `signature/i/in/argument` and `signature/i/out/result`. This file imports nothing of the package
that wrote the model, and reports a difference in one line.
"""

import sys
from collections import defaultdict

import numpy as np
import tensorflow as tf

TOLERANCE = 1e-5
DIFFERENT = 3  # exit status
END = "\n"  # appended to every text


class ImportGuard:
    """Import hook that refuses imports of the package that wrote the model."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "rnnzoo":
            raise ImportError("loading the model imports rnnzoo")


def read_probes(path):
    """Reads the probes: `{(signature, i): {"in": {name: array}, "out": {name: array}}}`."""
    probes: dict = defaultdict(lambda: {"in": {}, "out": {}})
    with np.load(path, allow_pickle=False) as stored:
        for key in stored.files:
            signature, number, side, name = key.split("/")
            value = stored[key]
            if value.dtype.kind == "U":
                value = np.array([text.removesuffix(END).encode() for text in value.ravel()], object).reshape(
                    value.shape
                )
            probes[signature, number][side][name] = value
    return probes


def difference(got, expected):
    """Describes the difference between two arrays; None if they agree."""
    if expected.dtype == object:
        return None if np.array_equal(got, expected) else f"{got!r} is not {expected!r}"
    got, expected = (a.astype("float64") for a in (got, expected))
    if got.shape != expected.shape or not np.isfinite(got).all():
        return f"shape {got.shape}, finite {np.isfinite(got).all()}; expected shape {expected.shape}"
    worst = float(np.max(np.abs(got - expected) / (1 + np.abs(expected)), initial=0))
    return None if worst <= TOLERANCE else f"differs by {worst:.2g}"


def python_loader(path):
    """Loads the model by `tf.saved_model.load`; returns `answer(signature, inputs)`."""
    signatures = tf.saved_model.load(path).signatures

    def answer(signature, inputs):
        specs = signatures[signature].structured_input_signature[1]
        cast = {name: tf.cast(value, specs[name].dtype) for name, value in inputs.items()}
        return {name: value.numpy() for name, value in signatures[signature](**cast).items()}

    return answer


def session_loader(path):
    """Loads the model in a session, as TF Serving and the C API do; returns `answer(signature, inputs)`."""
    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        signatures = tf.compat.v1.saved_model.load(session, ["serve"], path).signature_def

    def answer(signature, inputs):
        signature_def = signatures[signature]
        feed = {}
        for name, value in inputs.items():
            tensor = session.graph.get_tensor_by_name(signature_def.inputs[name].name)
            feed[tensor] = value if value.dtype == object else value.astype(tensor.dtype.as_numpy_dtype)
        return session.run({name: info.name for name, info in signature_def.outputs.items()}, feed)

    return answer


def main(saved_model, path):
    for loader in (python_loader, session_loader):
        answer = loader(saved_model)
        for (signature, _), probe in read_probes(path).items():
            results = answer(signature, probe["in"])
            for name, expected in probe["out"].items():
                got = results[name].astype("float32") if results[name].dtype.kind == "V" else results[name]
                if problem := difference(got, expected):
                    print(f"{signature}, {name}, by the {loader.__name__}: {problem}", file=sys.stderr)
                    sys.exit(DIFFERENT)


if __name__ == "__main__":
    sys.meta_path.insert(0, ImportGuard())
    main(*sys.argv[1:])
