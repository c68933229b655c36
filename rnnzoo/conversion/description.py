"""The JSON file beside converted files: all that a program needs to use them without this package."""

from typing import Any

import numpy as np

from rnnzoo.conversion.numeric import NEXT, NumericSignature
from rnnzoo.export.seq2seq_serving import Seq2SeqServing
from rnnzoo.export.signatures import ServedModel
from rnnzoo.spec import BOS, PAD, UNKNOWN

SPEC_FIELDS = (  # what the ids of inputs and outputs mean
    "inputs", "outputs", "level", "vocabulary", "merges", "source_level", "source_vocabulary", "source_merges",
    "lowercase", "labels", "feature_names", "feature_vocabularies", "char_vocabulary", "word_length", "output_length",
    "quantiles", "window", "syntax",
)  # fmt: skip


def describe_model(serving: ServedModel, config: dict[str, Any]) -> dict[str, Any]:
    """Returns the model's vocabularies, labels and special ids."""
    spec = serving.spec.to_json()
    described = {name: spec[name] for name in SPEC_FIELDS if spec[name] not in ("", [], 0, False)}
    needed = {"level": spec["vocabulary"], "source_level": spec["source"], "syntax": spec["inputs"] == "tree"}
    for name in (name for name, value in needed.items() if not value):
        described.pop(name, None)
    names: dict[str, Any] = {name: config[name] for name in ("model", "task") if name in config}
    return {**names, "special_ids": {"pad": PAD, "unknown": UNKNOWN, "begin_and_end": BOS}, **described}


def describe_signature(signature: NumericSignature, serving: Any) -> dict[str, Any]:
    """Returns the inputs of a signature, and its states: how they begin and which result replaces which input."""
    inputs = [
        {"name": spec.name, "dtype": spec.dtype.name, "shape": ["?" if n is None else n for n in spec.shape]}
        for spec in signature.specs
    ]
    described: dict[str, Any] = {"inputs": inputs}
    names = [spec.name for spec in signature.specs if spec.name.startswith("state_")]
    if names:
        described["states"] = [{"input": name, "output": f"{NEXT}{name}"} for name in names]
    if names and not isinstance(serving, Seq2SeqServing):  # an encoder begins the states of a decoder
        for state, value in zip(described["states"], serving.model.initial_state(1), strict=True):
            row = np.asarray(value, "float32")[0]
            state["initial"] = row.ravel()[0].item() if row.size and (row == row.ravel()[0]).all() else row.tolist()
    return described
