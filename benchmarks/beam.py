"""Error rates of an exported model on the test data of its task, by greedy decoding and by beam search.

    python benchmarks/beam.py EXPORT [--beams 1 4 8] [--length_penalty 0]

The task, with its options, is read from the export's config.json.
"""

import argparse
import json
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

import rnnzoo
from rnnzoo.training import generation_metrics


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", type=pathlib.Path)
    parser.add_argument("--beams", nargs="+", type=int, default=[1, 4, 8])
    parser.add_argument("--length_penalty", type=float, default=0.0)
    options = parser.parse_args()
    config = json.loads((options.export / "assets.extra" / "config.json").read_text(encoding="utf-8"))
    task = rnnzoo.create_task(config["task"], **config["task_options"])
    translate = rnnzoo.load(options.export).signatures["translate"]
    separator = "" if task.spec.source_level == "char" else " "
    for beams in options.beams:
        totals, started = {"sequences": 0, "exact": 0, "edits": 0, "tokens": 0}, time.monotonic()
        for first in range(0, len(task.pairs["test"]), 256):
            pairs = task.pairs["test"][first : first + 256]
            text = tf.constant([separator.join(pair.source) for pair in pairs])
            sizes = {"beam_size": tf.constant([beams]), "length_penalty": tf.constant([options.length_penalty])}
            for pair, decoded in zip(pairs, translate(text=text, **sizes)["text"].numpy()[:, 0], strict=True):
                output = list(decoded.decode()) if task.spec.level == "char" else decoded.decode().split()
                distances = [
                    (generation_metrics.edit_distance(output, reference), len(reference))
                    for reference in (pair.target, *pair.alternatives)
                ]
                nearest, length = min(distances, key=lambda d: d[0] / max(1, d[1]))
                for name, value in zip(totals, (1, nearest == 0, nearest, length), strict=True):
                    totals[name] += value
        metrics = generation_metrics.compute_metrics(totals)
        seconds = time.monotonic() - started
        wrong, edits = 1 - metrics["exact_match"], metrics["error_rate"]
        print(f"beams {beams}: wrong {wrong:.4f}  edits {edits:.4f}  {seconds:.1f} s")


if __name__ == "__main__":
    main()
