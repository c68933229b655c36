"""Runs in several processes, and on several devices of one process."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo.run import cli

ROOT = Path(rnnzoo.__file__).parent.parent
OPTIONS = ["--task=adding", "--seq_length=10", "--units=5", "--recurrent_dropout=0.2", "--batch_size=7"]
OPTIONS += [
    "--worker_timeout=100",
    "--eval_size=20",
    "--eval_every=20",
    "--checkpoint_every=5",
    "--deterministic",
    "--jit_compile=false",
]
STEPS = 60


def environment(**values):
    known = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
    return {**known, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **values}


started: list[subprocess.Popen] = []


@pytest.fixture(autouse=True)
def no_leftovers():
    """Ends the processes of a test that failed."""
    yield
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()
    started.clear()


def start(folder, *arguments, **values):
    folder.mkdir(exist_ok=True)
    command = [sys.executable, str(ROOT / "train.py"), *OPTIONS, "--run_dir=run", "--export_dir=export"]
    process = subprocess.Popen(
        [*command, f"--steps={STEPS}", *arguments],
        cwd=folder,
        env=environment(**values),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    started.append(process)
    return process


def finish(process, status=0):
    out, err = process.communicate(timeout=240)
    assert process.returncode == status, (process.returncode, out[-1000:], err[-1500:])
    return out, err


def result(folder):
    return json.loads((folder / "run/result.json").read_text())


def free_addresses(count):
    sockets = [socket.socket() for _ in range(count)]
    for free in sockets:
        free.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{free.getsockname()[1]}" for free in sockets]
    for free in sockets:
        free.close()
    return addresses


def cluster(folder, *arguments, count=2):
    """Starts workers, each in a folder of its own, as on machines without a common file system."""
    addresses = free_addresses(count)
    folder.mkdir(exist_ok=True)
    return [
        start(
            folder / f"worker-{i}",
            *arguments,
            TF_CONFIG=json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": i}}),
        )
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The results of a run in two processes."""
    folder = tmp_path_factory.mktemp("workers")
    chief, other = cluster(folder)
    out, _ = finish(chief)
    assert "training in 2 processes, of which this is worker 0" in out
    assert finish(other)[0] == "" and not list((folder / "worker-1").iterdir())
    return folder / "worker-0"


def reached(folder):
    return max((int(path.stem.rpartition("-")[2]) for path in folder.glob("run/checkpoints/step-*.npz")), default=0)


def wait_until(reach, *processes):
    while not reach():
        assert all(process.poll() is None for process in processes), [p.communicate() for p in processes]
        time.sleep(0.01)


@pytest.mark.slow
def test_two_processes_train_as_one(undisturbed, tmp_path):
    finish(start(tmp_path / "one"))
    one, two = result(tmp_path / "one"), result(undisturbed)
    for split in one["metrics"]:
        assert two["metrics"][split] == pytest.approx(one["metrics"][split], rel=1e-5)
    model = rnnzoo.load(undisturbed / "export")
    assert model.signatures["serving_default"]


@pytest.mark.slow
def test_a_killed_worker_ends_all_and_they_resume_exactly(undisturbed, tmp_path):
    """Killed twice: first the worker that is not the chief, then the chief."""
    workers = cluster(tmp_path)
    for victim, step in ((1, 10), (0, 30)):
        wait_until(lambda step=step: reached(tmp_path / "worker-0") >= step, *workers)
        workers[victim].kill()
        began = time.monotonic()
        _, err = finish(workers[1 - victim], 1)
        assert time.monotonic() - began < 60
        lines = [line for line in err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1 and f"worker {victim} ended" in lines[0] and "--resume" in lines[0]
        workers[victim].communicate()
        workers = cluster(tmp_path, "--resume")
    for worker in workers:
        finish(worker)
    assert result(tmp_path / "worker-0")["weights_sha256"] == result(undisturbed)["weights_sha256"]
    assert result(tmp_path / "worker-0")["metrics"] == result(undisturbed)["metrics"]


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_devices(tmp_path):
    """From two devices to three; tests/training/test_distribution.py compares the weights."""
    finish(start(tmp_path / "run", "--devices=2", "--steps=20"))
    out, _ = finish(start(tmp_path / "run", "--resume", "--devices=3", "--steps=30"))
    assert "training on 3 devices: cpu:0, cpu:1, cpu:2" in out and result(tmp_path / "run")["steps"] == 30


@pytest.mark.slow
def test_a_signal_to_one_worker_stops_all_after_the_same_step(tmp_path):
    workers = cluster(tmp_path, "--steps=100000")
    wait_until(lambda: reached(tmp_path / "worker-0") >= 10, *workers)
    workers[1].send_signal(signal.SIGTERM)
    errors = [finish(worker, status)[1] for worker, status in zip(workers, (128, 143), strict=True)]
    steps = {error.partition("stopped after step ")[2].partition(";")[0] for error in errors}
    assert len(steps) == 1 and reached(tmp_path / "worker-0") == int(steps.pop())


@pytest.mark.slow
def test_a_worker_that_waits_in_vain_says_for_whom(tmp_path):
    addresses = free_addresses(2)
    config = json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": 0}})
    _, err = finish(start(tmp_path, "--worker_timeout=5", TF_CONFIG=config), 1)
    assert f"error: waited 5 s (--worker_timeout) for worker 1 at {addresses[1]}" in err


@pytest.mark.slow
def test_workers_with_different_options_are_refused(tmp_path):
    addresses = free_addresses(2)
    workers = []
    for i, seed in enumerate((1, 2)):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": i}}
        workers.append(start(tmp_path / str(i), f"--seed={seed}", TF_CONFIG=json.dumps(config)))
    for worker in workers:
        assert "the workers differ in options or data" in finish(worker, 2)[1]


@pytest.mark.slow
def test_launch(undisturbed, tmp_path):
    command = [sys.executable, "-m", "rnnzoo.launch", "--workers=2", str(ROOT / "train.py"), *OPTIONS]
    arguments = {"cwd": tmp_path, "env": environment(), "capture_output": True, "text": True, "timeout": 240}
    folders = ["--run_dir=run", "--export_dir=export"]
    done = subprocess.run([*command, f"--steps={STEPS}", *folders], **arguments)
    assert done.returncode == 0, done.stderr
    assert result(tmp_path)["weights_sha256"] == result(undisturbed)["weights_sha256"]


@pytest.mark.parametrize(
    ("arguments", "config", "message"),
    [
        (["--distribute=mirrored"], None, "there is no GPU; to try it on virtual CPU devices, give --devices=2"),
        (["--distribute=none", "--devices=2"], None, "--devices applies to --distribute=mirrored"),
        (["--devices=2", "--jit_compile=true"], None, "--distribute=mirrored and --jit_compile=true exclude"),
        (["--distribute=multi_worker"], None, "needs the environment variable TF_CONFIG"),
        ([], "{", "TF_CONFIG does not describe a cluster"),
        ([], '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 2}}', "no task 2 of type"),
        ([], '{"cluster": {"worker": ["a:1", "b:2"], "ps": ["c:3"]}}', "tasks of type ps"),
        ([], '{"cluster": [1]}', "TF_CONFIG does not describe a cluster"),
        (["--devices=2"], None, "--distribute needs a process of its own"),
    ],
)
def test_what_cannot_be_distributed_is_refused(arguments, config, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config)
    tf.constant(0)  # so that TensorFlow has begun
    assert cli.main(["train.py", "--task=adding", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


SLURM = {"SLURM_STEP_NUM_TASKS": "3", "SLURM_STEP_NODELIST": "n[1-2]", "SLURM_STEP_TASKS_PER_NODE": "2,1"}


def test_the_addresses_are_those_of_slurm(monkeypatch):
    from rnnzoo.run import devices

    monkeypatch.delenv("TF_CONFIG", raising=False)
    for name, value in {**SLURM, "SLURM_PROCID": "2"}.items():
        monkeypatch.setenv(name, value)
    assert devices._read_cluster("multi_worker") == (["n1:8888", "n1:8889", "n2:8888"], 2)
    assert devices._read_cluster("auto") == devices._read_cluster("mirrored") == ([], 0)
    monkeypatch.setenv("SLURM_STEP_TASKS_PER_NODE", "1,1")
    with pytest.raises(rnnzoo.UserError, match="Slurm's environment does not describe a cluster: Requested 3 tasks"):
        devices._read_cluster("multi_worker")


@pytest.mark.slow
def test_two_processes_of_slurm(undisturbed, tmp_path):
    slurm = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NODELIST": "localhost", "SLURM_STEP_TASKS_PER_NODE": "2"}
    flag = "--distribute=multi_worker"
    workers = [start(tmp_path / str(i), flag, **slurm, SLURM_PROCID=str(i)) for i in range(2)]
    for worker in workers:
        finish(worker)
    assert result(tmp_path / "0")["weights_sha256"] == result(undisturbed)["weights_sha256"]


def test_a_cluster_of_one_is_not_distributed(tmp_path, monkeypatch):
    from rnnzoo.run import devices
    from rnnzoo.run.settings import make_settings

    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}')
    distribution, line = devices.create_distribution(make_settings({"task": "adding"}), lambda: False)
    assert distribution.strategy is None and line == ""
