"""Load test of the server on the loopback: requests a second, time to answer, memory.

    python benchmarks/serve.py [NAME] [--seconds 10]      # prints a Markdown table

Clients ask for the probability of one line of text each, without pause, over connections that they keep. Then they send
10,000 bad requests, and the memory is read again. Clients and server share the processor.
"""

import argparse
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

CLIENTS = (1, 8, 64)
BAD = (b"{", b"null", b'{"instances": [7]}', b'{"inputs": {"text": ["a"]}, "signature_name": "none"}', b"\xff" * 200)


def ask(connection, path, body):
    connection.request("POST", path, body)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def run_clients(address, path, count, seconds, texts):
    """Times of all answers, in seconds."""
    times = [[] for _ in range(count)]
    end = time.perf_counter() + seconds

    def work(number):
        connection = http.client.HTTPConnection(address, timeout=60)
        rng = random.Random(number)
        while (began := time.perf_counter()) < end:
            body = json.dumps({"instances": [rng.choice(texts)]}).encode()
            if ask(connection, path, body) != 200:
                raise SystemExit("a request failed")
            times[number].append(time.perf_counter() - began)

    threads = [threading.Thread(target=work, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(t for part in times for t in part)


def memory(process):
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", default="lstm-char_lm-shakespeare")
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "rnnzoo.serve", arguments.name, "--port=0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    address, path = process.stdout.readline().strip().split("/", 3)[2:]
    path = f"/{path}:predict"
    texts = [f"And so the line of number {i} goes on, {'la ' * (i % 9)}and ends." for i in range(200)]
    run_clients(address, path, 8, 3, texts)  # warm up
    print(f"memory: {memory(process):.0f} MiB")
    print("| clients | requests a second | median | 99 % within | memory |")
    print("|---|---|---|---|---|")
    for count in CLIENTS:
        times = run_clients(address, path, count, arguments.seconds, texts)
        median, late = (1e3 * times[int(q * len(times))] for q in (0.5, 0.99))
        rate = len(times) / arguments.seconds
        print(f"| {count} | {rate:.0f} | {median:.1f} ms | {late:.1f} ms | {memory(process):.0f} MiB |", flush=True)
    connection = http.client.HTTPConnection(address, timeout=60)
    began = time.perf_counter()
    statuses = {ask(connection, path, BAD[i % len(BAD)]) for i in range(10_000)}
    seconds = time.perf_counter() - began
    print(f"10,000 bad requests: {seconds:.0f} s, answers {statuses}, memory {memory(process):.0f} MiB")
    process.send_signal(signal.SIGTERM)
    print(f"ended with status {process.wait(30)}")


if __name__ == "__main__":
    main()
