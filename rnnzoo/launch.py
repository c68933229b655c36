"""Training in several processes of this machine: `python -m rnnzoo.launch --workers=2 train.py ...`."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any

from rnnzoo.errors import UserError
from rnnzoo.utils.command_line import FAILED, run_command

USAGE = """usage: python -m rnnzoo.launch --workers=N PROGRAM.py [ARGUMENT ...]

Starts a program N times on this machine, with the TF_CONFIG of each worker, such as

  python -m rnnzoo.launch --workers=2 train.py --task=char_lm --data=book.txt

It shows the output of the chief, worker 0, and the last lines of another worker that fails; then all are ended.
Each worker gets its part of the processor's cores. On several machines, start the program on each: docs/scaling.md."""
GRACE = 30  # seconds in which the other workers can end by themselves after one failed
LAST_LINES = 3
INTERVAL = 0.1  # seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the status of the first worker that failed, 1 if a signal killed it, or 0."""
    return run_command(lambda: _main(list(sys.argv if argv is None else argv)[1:]))


def _main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("--help", "-h"):
        print(USAGE)
        return 0 if arguments else 2
    option, _, value = arguments[0].partition("=")
    if option != "--workers" or not value.isdecimal() or not 1 <= int(value) <= 64 or len(arguments) < 2:
        raise UserError(f"{arguments[0]}: {USAGE.partition(chr(10))[0]}, with N from 1 to 64")
    if any(argument == "-" or argument.endswith("=-") for argument in arguments[2:]):
        raise UserError("-: only one process can read standard input; write the data to a file, and name that")
    return launch([sys.executable, *arguments[1:]], int(value))


def launch(command: Sequence[str], count: int) -> int:
    """Starts a command as several workers, waits for them, and returns the status of the first that failed, or 0."""
    addresses = [f"127.0.0.1:{port}" for port in _find_free_ports(count)]
    threads = str(max(1, (os.cpu_count() or 1) // count))
    with contextlib.ExitStack() as stack:
        logs = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(count)]
        processes: list[subprocess.Popen] = []
        stack.callback(_end, processes)
        stack.enter_context(_forward_signals(processes))
        for worker in range(count):
            task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": worker}}
            environment = {"TF_NUM_INTRAOP_THREADS": threads, **os.environ, "TF_CONFIG": json.dumps(task)}
            output: Any = logs[worker] if worker else None
            processes.append(
                subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
            )
        return _wait(processes, logs)


def _wait(processes: Sequence[subprocess.Popen], logs: Sequence[IO[bytes]]) -> int:
    """Waits for all workers, after a failure for a limited time, and describes it."""
    failed: int | None = None
    deadline = float("inf")
    while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
        if failed is None:
            failed = next((i for i, process in enumerate(processes) if process.returncode), None)
            deadline = deadline if failed is None else time.monotonic() + GRACE
        time.sleep(INTERVAL)
    if failed is None:
        failed = next((i for i, process in enumerate(processes) if process.returncode), None)
    if failed is None:
        return 0
    status = processes[failed].returncode
    if failed:
        logs[failed].seek(0)
        for line in logs[failed].read().decode(errors="replace").splitlines()[-LAST_LINES:]:
            print(f"worker {failed}: {line}", file=sys.stderr)
    if status < 0:
        print(f"error: worker {failed} was killed by {signal.Signals(-status).name}", file=sys.stderr)
    return status if status > 0 else FAILED


def _end(processes: Sequence[subprocess.Popen]) -> None:
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _forward_signals(processes: Sequence[subprocess.Popen]) -> Iterator[None]:
    """Context in which Ctrl-C and SIGTERM go to all workers, which then stop after the same step."""

    def forward(number: int, frame: Any) -> None:
        for process in processes:
            if process.poll() is None:
                process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _find_free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]


if __name__ == "__main__":
    sys.exit(main())
