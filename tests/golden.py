"""Names and shapes of the weights of every registered model: `python -m tests.golden` rewrites them."""

import dataclasses
import json
from pathlib import Path

import rnnzoo

WRITERS = ("decoder", "seq2seq")
FILE = Path(__file__).with_name("golden_weights.json")


def weights():
    """Returns `{model: [[name, shape], ...]}`; a name has the position of the layer and the name of the weight."""
    spec = rnnzoo.TaskSpec(
        "tokens", "token", True, 9, 9, "cross_entropy", vocabulary=("<pad>", "<unk>", "<s>", *"abcdef")
    )
    actual = {}
    reading = dataclasses.replace(spec, outputs="class")
    one = {"inputs": "pair", "source": "tokens", "source_vocabulary": spec.vocabulary, "source_length": 1}
    pair = dataclasses.replace(spec, output_length=5, **one)
    tree = dataclasses.replace(reading, inputs="tree", per_step=False, arity=2)
    for name in rnnzoo.list_models():
        if name == "recursive":
            for composition in rnnzoo.COMPOSITIONS:
                model = rnnzoo.create_model(name, tree, units=8, composition=composition)
                actual[composition] = [[w.name, list(w.shape)] for w in model.weights]
            continue
        model = rnnzoo.create_model(name, pair if name in WRITERS else reading, units=8, embedding=4, layers=2)
        actual[name] = [[w.name, list(w.shape)] for w in model.weights]
    return actual


if __name__ == "__main__":
    FILE.write_text(json.dumps(weights(), indent=1) + "\n", encoding="utf-8")
