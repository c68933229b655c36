"""Writes a text character by character with LiteRT and NumPy alone.

python -m rnnzoo.convert saved_models/lstm-char_lm --to=litert --signature=step --out=converted
python examples/litert/write_text.py converted --beginning='def ' --length=200 --temperature=0.6
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter


class CharacterModel:
    """The signature `step` of a converted language model of characters, with its state."""

    def __init__(self, folder):
        model = json.loads((Path(folder) / "model.json").read_text(encoding="utf-8"))
        step = model["signatures"]["step"]
        self.vocabulary = model["vocabulary"]
        self.ids = {token: i for i, token in enumerate(self.vocabulary)}
        self.unknown, self.begin = model["special_ids"]["unknown"], model["special_ids"]["begin_and_end"]
        self.state_names = [(state["input"], state["output"]) for state in step["states"]]
        sizes = {entry["name"]: entry["shape"][1:] for entry in step["inputs"]}
        initial = {state["input"]: np.array(state["initial"], "float32") for state in step["states"]}
        self.state = {name: np.broadcast_to(value, (1, *sizes[name])).copy() for name, value in initial.items()}
        self.run = Interpreter(str(Path(folder) / step["file"])).get_signature_runner("step")

    def read(self, token):
        """Reads one token; returns the logits of the next one."""
        results = self.run(inputs=np.array([token], "int32"), **self.state)
        self.state = {name: results[next_name] for name, next_name in self.state_names}
        return results["outputs"][0]


def write(model, beginning, length, temperature, seed):
    """Yields the characters that the model writes after a beginning; the most probable ones at temperature 0."""
    rng = np.random.default_rng(seed)
    logits = model.read(model.begin)
    for character in beginning:
        logits = model.read(model.ids.get(character, model.unknown))
    for _ in range(length):
        logits[:3] = -np.inf  # the special tokens
        if temperature:
            logits = logits / temperature + rng.gumbel(size=logits.shape)  # the largest one is a sample
        token = int(logits.argmax())
        yield model.vocabulary[token]
        logits = model.read(token)


def main():
    parser = argparse.ArgumentParser(description="Writes a text character by character with LiteRT.")
    parser.add_argument("folder", help="folder of python -m rnnzoo.convert --to=litert")
    parser.add_argument("--beginning", default="", help="text that is continued")
    parser.add_argument("--length", type=int, default=200, help="characters to write")
    parser.add_argument("--temperature", type=float, default=0.6, help="0: always the most probable character")
    parser.add_argument("--seed", type=int, default=0, help="of the random choices")
    options = parser.parse_args()
    model = CharacterModel(options.folder)
    started = time.perf_counter()
    print(options.beginning, end="")
    for character in write(model, options.beginning, options.length, options.temperature, options.seed):
        print(character, end="", flush=True)
    per_character = (time.perf_counter() - started) / max(1, options.length + len(options.beginning))
    print(f"\n\n{per_character * 1000:.3f} ms a character")


if __name__ == "__main__":
    main()
