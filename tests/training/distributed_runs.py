"""Trains and evaluates small models of all kinds of task on some devices, and prints what comes out as JSON.

python -m tests.training.distributed_runs DEVICES FOLDER
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

DROPOUT = {"dropout": 0.2, "recurrent_dropout": 0.2, "output_dropout": 0.2}
FEEDING = {"input_feeding": True, "output_dropout": 0.2, "recurrent_dropout": 0.2}
CASES = {  # name: model, its options, task, its options, options of the training
    "text": ("lstm", {**DROPOUT, "layers": 2, "zoneout": 0.1}, "char_lm", {"data": "book.txt", "seq_length": 8}, {}),
    "numbers": ("gru", {"output_dropout": 0.2}, "adding", {"seq_length": 12}, {}),
    "legal symbols": ("elman", {"recurrent_dropout": 0.2}, "reber", {}, {}),
    "classes": ("bidirectional", DROPOUT, "temporal_order", {"seq_length": 30}, {}),
    "labels together": ("bidirectional", {"crf": True}, "tag", {"data": "tags.txt", "char_embedding": True}, {}),
    "weights of classes": ("lstm-peephole", {}, "classify", {"data": "rows.csv"}, {"class_weights": "balanced"}),
    "forecast": ("stacked", {"cell": "indrnn", "layers": 2}, "forecast", {"quantiles": "0.1,0.5,0.9"}, {}),
    "pairs": ("seq2seq", {"dropout": 0.2, "scheduled_sampling": 0.5}, "reverse", {}, {"label_smoothing": 0.1}),
    "pairs with input feeding": (
        "seq2seq",
        {"output_dropout": 0.2, "recurrent_dropout": 0.2, "input_feeding": True, "layers": 2},
        "dates",
        {},
        {},
    ),
    "from a vector": ("decoder", {"dropout": 0.2}, "waveform", {}, {}),
    "trees": ("recursive", {"dropout": 0.2, "output_dropout": 0.2}, "listops", {"train_size": 40}, {}),
}
STEPS, BATCH_SIZE = 3, 7  # rows that no number of devices divides


def write_data(folder):
    """Writes the files that the cases read."""
    words = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and", "runs"]
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.choice(words, rng.integers(3, 9))) for _ in range(80)]
    (folder / "book.txt").write_text("\n".join(lines))
    tagged = ("\n".join(f"{word} {'B-X' if word < 'j' else 'O'}" for word in line.split()) for line in lines)
    (folder / "tags.txt").write_text("\n\n".join(tagged) + "\n")
    rows = (f"{line},{'long' if len(line) > 30 else 'short'}" for line in lines)
    (folder / "rows.csv").write_text("\n".join(["text,label", *rows]) + "\n")


def run(name, distribution, folder):
    """Trains and evaluates one case: losses, norms of the gradient, metrics, sums of the weights."""
    import rnnzoo
    from rnnzoo.training import Trainer, TrainingOptions

    model, model_options, task, task_options, training = CASES[name]
    if "data" in task_options:
        task_options = {**task_options, "data": str(folder / task_options["data"])}
    keras.utils.set_random_seed(3)
    task = rnnzoo.create_task(task, batch_size=BATCH_SIZE, **task_options)
    options = TrainingOptions(steps=STEPS, optimizer="sgd", learning_rate=0.1, jit_compile=False, **training)
    with distribution.scope():
        network = rnnzoo.create_model(model, task.spec, units=6, **model_options)
        trainer = Trainer(network, task, options, distribution)
    results = list(trainer.run())
    metrics = trainer.evaluate("validation")
    state = [np.asarray(values).shape for values in trainer.variables()["state"]]
    weights = [float(np.abs(np.asarray(weight, "float64")).sum()) for weight in network.trainable_variables]
    return {"steps": results, "metrics": metrics, "state": state, "weights": weights}


def main():
    devices, folder = int(sys.argv[1]), Path(sys.argv[2])
    strategy = None
    if devices:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
        names = [f"/cpu:{i}" for i in range(devices)]
        strategy = tf.distribute.MirroredStrategy(names, cross_device_ops=tf.distribute.ReductionToOneDevice())
    from rnnzoo.training.distribution import Distribution

    distribution = Distribution(strategy)
    print(json.dumps({name: run(name, distribution, folder) for name in CASES}))


if __name__ == "__main__":
    main()
