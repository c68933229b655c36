"""The operations in exports of every kind and model, by TensorFlow version.

`python -m tests.inference.operations` adds those of the installed version to `operations.json`.
"""

import dataclasses
import json
import tempfile
from pathlib import Path

import tensorflow as tf

import rnnzoo
from rnnzoo.export import saved_model
from rnnzoo.inference.safety import saved_model_check
from rnnzoo.inference.safety.saved_model_graph import SavedGraph
from tests.export import kinds

FILE = Path(__file__).with_name("operations.json")
ACTIVATIONS = ("relu", "sigmoid", "softplus", "elu", "gelu", "selu", "softsign", "swish", "mish", "hard_sigmoid")
ACTIVATIONS += ("leaky_relu", "log_softmax", "softmax", "linear", "squareplus", "sparsemax", "exponential")


def models():
    """A small model of each kind of export, model, cell, composition, score, merge mode and activation."""
    yield from (kinds.make(kind) for kind in kinds.KINDS)
    text, series, pair = kinds._text, kinds._series, kinds._pair
    tree = dataclasses.replace(kinds._tree, arity=2)
    expected = [(name, spec, {}) for name in rnnzoo.list_models() for spec in (text, series, pair, tree)]
    expected += [("stacked", text, {"cell": cell, "layers": 2, "residual": True}) for cell in rnnzoo.list_cells()]
    expected += [("bidirectional", kinds._steps, {"cell": cell}) for cell in rnnzoo.list_cells()]
    expected += [("seq2seq", pair, {"cell": cell, "attention": "none"}) for cell in rnnzoo.list_cells()]
    expected += [("bidirectional", series, {"merge_mode": mode}) for mode in ("sum", "ave", "mul")]
    expected += [("seq2seq", pair, {"attention": score}) for score in ("dot", "general", "additive")]
    expected += [("recursive", tree, {"composition": name}) for name in rnnzoo.COMPOSITIONS]
    expected += [("elman", text, {"activation": activation}) for activation in ACTIVATIONS]
    for name, spec, options in expected:
        try:
            yield rnnzoo.create_model(name, spec, units=3, **options)
        except rnnzoo.UserError:
            continue  # a model that has no such data, or no such option


def of_exports(every=1):
    """`{place: operations}` of all models, or of each kind and one in `every` others."""
    actual: dict[str, set[str]] = {"the graph": set()}
    verify, saved_model._verify = saved_model._verify, lambda *_: None  # what they answer is tested elsewhere
    try:
        for number, model in enumerate(models()):
            if number >= len(kinds.KINDS) and number % every:
                continue
            with tempfile.TemporaryDirectory() as folder:
                graph = SavedGraph(rnnzoo.export_saved_model(model, Path(folder) / "export"))
            actual["the graph"] |= {node.op for node in graph.nodes.values()}
            for function, (_, place) in saved_model_check._places(graph, frozenset()):
                actual.setdefault(place, set()).update(node.op for node in graph.functions[function].node_def)
    finally:
        saved_model._verify = verify
    return {place: sorted(operations) for place, operations in sorted(actual.items())}


if __name__ == "__main__":
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    known[tf.__version__] = of_exports()
    FILE.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
