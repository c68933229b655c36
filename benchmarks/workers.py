"""Time and traffic of a training step in one process and in two, by the size of the model.

    python benchmarks/workers.py [--rounds 3]

A language model of one LSTM layer, 64 rows of 100 characters. Each of two processes has one core, and a single process
once one and once all of them. Traffic is counted on the loopback interface: what both processes send.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

UNITS = (128, 256, 512)
STEPS = 12  # measured, after as many that are not
TRAIN = """
import json, sys, time
from pathlib import Path
from rnnzoo.config import create_options
from rnnzoo.run.devices import create_distribution
from rnnzoo.run.settings import make_settings
distribution, _ = create_distribution(make_settings({"deterministic": False}), lambda: False)
import rnnzoo
from rnnzoo.training import Trainer, TrainingOptions
def traffic():
    lines = Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.strip().startswith("lo:"))
steps = int(sys.argv[2])
task = rnnzoo.create_task("char_lm", data_size=1_000_000)
options = TrainingOptions(steps=3 * steps, eval_every=3 * steps, jit_compile=False)
with distribution.scope():
    model = rnnzoo.create_model("lstm", task.spec, units=int(sys.argv[1]))
    trainer = Trainer(model, task, options, distribution)
marks = {}
for number, _ in enumerate(trainer.run(), 1):
    if number in (steps, 2 * steps):
        marks[number] = time.perf_counter(), traffic()
(began, before), (ended, after) = marks.values()
print(json.dumps([(ended - began) / steps, (after - before) / steps, model.count_params()]))
"""


def run(units, cores, launch=()):
    """Seconds and bytes of a step, and the number of weights, of a process or of those that are started."""
    environment = {
        **os.environ,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_NUM_INTRAOP_THREADS": str(cores),
    }
    script = Path(__file__).with_suffix(".tmp.py")
    script.write_text(TRAIN)
    try:
        command = [sys.executable, *launch, str(script), str(units), str(STEPS)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    finally:
        script.unlink()
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print("| units | weights | one process, one core | all cores | two processes, a core each | bytes a step |")
    print("|---|---|---|---|---|---|")
    cases = {"one": (1, ()), "all": (os.cpu_count(), ()), "two": (1, ("-m", "rnnzoo.launch", "--workers=2"))}
    for units in UNITS:
        results = [{name: run(units, *case) for name, case in cases.items()} for _ in range(rounds)]
        best = {name: min(result[name][0] for result in results) for name in cases}
        _, sent, weights = results[0]["two"]
        times = " | ".join(f"{1e3 * best[name]:.0f} ms" for name in cases)
        print(f"| {units} | {weights:,} | {times} | {sent:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
