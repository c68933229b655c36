"""Size of exports, and the time to write, check and load them: `python benchmarks/exports.py`."""

import tempfile
import time
from pathlib import Path

import tensorflow as tf

import rnnzoo

PAIRS = "".join(f"the cat {i}\tle chat {i}\n" for i in range(300))
SERIES = "a,b\n" + "".join(f"{i % 24},{i % 7}\n" for i in range(600))


def create_models(folder):
    """Yields name and model of each kind of export, with 8 units."""
    files = {"pairs.tsv": PAIRS, "series.csv": SERIES}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    pairs, series = str(folder / "pairs.tsv"), str(folder / "series.csv")
    kinds = [
        ("lstm", "char_lm", {"data_size": 100_000}, {}),
        ("bidirectional", "forecast", {"data": series}, {}),
        ("seq2seq", "pairs", {"data": pairs}, {"bidirectional_encoder": True, "attention": "additive"}),
        ("bidirectional", "copy", {}, {}),
        ("recursive", "listops", {"train_size": 200, "eval_size": 20}, {}),
    ]
    for model, task, data, options in kinds:
        spec = rnnzoo.create_task(task, **data).spec
        yield f"{model}, {task}", rnnzoo.create_model(model, spec, units=8, **options)


def main() -> None:
    """Prints a table of sizes and times."""
    print("| model, task | saved_model.pb, KB | folder, KB | written and checked, s | loaded, s |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, model) in enumerate(create_models(Path(folder))):
            started = time.perf_counter()
            path = rnnzoo.export_saved_model(model, f"{folder}/{number}")
            export_time = time.perf_counter() - started
            load_times = []
            for _ in range(5):
                started = time.perf_counter()
                tf.saved_model.load(str(path))
                load_times.append(time.perf_counter() - started)
            size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1000
            graph = (path / "saved_model.pb").stat().st_size / 1000
            print(f"| {name} | {graph:.0f} | {size:.0f} | {export_time:.1f} | {min(load_times):.2f} |")


if __name__ == "__main__":
    main()
