"""The server as a process, asked over HTTP as TensorFlow Serving would be."""

import concurrent.futures
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from tests.export import kinds

pytestmark = pytest.mark.slow
LIMITS = ["--max_body=100000", "--max_batch=64", "--max_length=2000", "--max_generated=100", "--timeout=20"]


def start(folder, *arguments):
    pytest.importorskip("starlette")
    command = [sys.executable, "-m", "rnnzoo.serve", *arguments]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


class Client:
    """Asks a server; `process` is its process."""

    def __init__(self, process):
        self.process = process
        line = process.stdout.readline()
        if not line:
            pytest.fail(process.stderr.read()[-2000:])
        self.address = line.split("/")[2]

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            connection.request(method, path, data, headers or {})
            answer = connection.getresponse()
            text = answer.read()
            is_json = answer.headers.get_content_type() == "application/json"
            return answer.status, json.loads(text) if is_json else text.decode()
        finally:
            connection.close()

    def predict(self, name, body):
        return self.ask("POST", f"/v1/models/{name}:predict", body)

    def memory(self):
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    for name, kind in {"text": "characters", "series": "forecast", "pairs": "pairs with attention"}.items():
        rnnzoo.export_saved_model(kinds.make(kind), folder / name)
    return folder


@pytest.fixture(scope="module")
def client(exports):
    process = start(exports, "text", "series", "pairs", "--port=0", *LIMITS)
    yield Client(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0, process.stderr.read()


def test_answers_are_those_of_the_saved_model(client, exports):
    functions = tf.saved_model.load(str(exports / "text")).signatures
    texts = ["to be", "", "or not to be"]
    expected = functions["serving_default"](text=tf.constant(texts))
    status, answer = client.predict("text", {"instances": texts})
    assert status == 200
    for name, values in expected.items():
        np.testing.assert_allclose([row[name] for row in answer["predictions"]], values, rtol=1e-5)
    columns = client.predict("text", {"inputs": {"text": texts}})[1]["outputs"]
    assert columns.keys() == expected.keys()
    inputs = {"prompt": ["ab"], "length": [9], "temperature": [0.5], "top_k": [0], "seed": [4]}
    status, answer = client.predict("text", {"signature_name": "generate", "inputs": inputs})
    generated = functions["generate"](
        **{
            name: tf.constant(value, functions["generate"].structured_input_signature[1][name].dtype)
            for name, value in inputs.items()
        }
    )
    assert answer == {"outputs": [generated["text"].numpy()[0].decode()]}
    features = np.random.default_rng(0).normal(size=[3, 9, 2]).round(3)
    series = tf.saved_model.load(str(exports / "series")).signatures["serving_default"]
    width = series.structured_input_signature[1]["features"].shape[-1]
    features = np.resize(features, [3, 9, width])
    actual = client.predict("series", {"instances": features.tolist()})[1]["predictions"]
    np.testing.assert_allclose(
        actual, series(features=tf.constant(features, tf.float32))["predictions"], rtol=1e-4, atol=1e-5
    )


def test_status_and_metadata(client):
    state = client.ask("GET", "/v1/models/text")[1]["model_version_status"]
    assert state == [{"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}]
    assert client.ask("GET", "/v1/models/text/versions/1")[0] == 200
    metadata = client.ask("GET", "/v1/models/series/metadata")[1]
    assert metadata["model_spec"] == {"name": "series", "signature_name": "", "version": "1"}
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    features = signature["inputs"]["features"]
    assert features["dtype"] == "DT_FLOAT" and features["tensor_shape"]["dim"][0] == {"size": "-1", "name": ""}
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert client.ask("GET", "/healthz")[1] == {"status": "ok", "models": ["text", "series", "pairs"]}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("GET", "/v1/models/other", None, 404, "Servable not found for request: Latest(other)"),
        ("GET", "/v1/models/text/versions/2", None, 404, "Servable not found for request: Specific(text, 2)"),
        ("GET", "/v1/models/text:predict", None, 400, "Malformed request: GET /v1/models/text:predict"),
        ("POST", "/v1/models/text:classify", {}, 400, "Malformed request: POST"),
        ("POST", "/v2/health", {}, 404, "Malformed request: POST /v2/health"),
        ("DELETE", "/v1/models/text", None, 400, "Malformed request"),
        ("POST", "/v1/models/text:predict", b"", 400, "JSON Parse error"),
        ("POST", "/v1/models/text:predict", b"\xff\xfe{", 400, "JSON Parse error"),
        ("POST", "/v1/models/text:predict", b"[" * 50_000, 400, "JSON Parse error"),
        ("POST", "/v1/models/text:predict", b'{"instances": [' + b"9" * 20_000 + b"]}", 400, "JSON"),
        ("POST", "/v1/models/text:predict", {"signature_name": 5, "instances": ["a"]}, 400, "must be a string"),
        ("POST", "/v1/models/text:predict", {"signature_name": "x", "instances": ["a"]}, 400, 'name: "x" not found'),
        ("POST", "/v1/models/text:predict", {"instances": ["a"] * 65}, 400, "has 65 rows, and the limit is 64"),
        ("POST", "/v1/models/text:predict", {"instances": ["a" * 2001]}, 400, "a length of 2,001"),
        ("POST", "/v1/models/text:predict", b" " * 100_001, 413, "more than 100,000 bytes"),
        ("POST", "/v1/models/series:predict", {"instances": [[]]}, 400, "is expected"),
    ],
)
def test_errors_are_one_line(client, method, path, body, status, message):
    actual, answer = client.ask(method, path, body)
    assert actual == status and list(answer) == ["error"] and message in answer["error"]
    assert "\n" not in answer["error"] and "/site-packages/" not in answer["error"]


def test_small_requests_are_joined(client):
    texts = [f"text number {i}" for i in range(200)]
    alone = [client.predict("text", {"instances": [text]})[1]["predictions"][0] for text in texts[:20]]

    def calls():
        metrics = client.ask("GET", "/metrics")[1]
        return float(next(line for line in metrics.splitlines() if line.startswith("rnnzoo_calls ")).split()[1])

    before = calls()
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda text: client.predict("text", {"instances": [text]}), texts))
    assert {status for status, _ in answers} == {200}
    assert calls() - before < len(texts)
    for (_, answer), expected in zip(answers, alone, strict=False):
        (row,) = answer["predictions"]
        assert row == pytest.approx(expected, rel=1e-4)


def test_what_strangers_send_ends_nothing(client):
    """Clients that break off, garbage, and thousands of bad requests."""
    host, port = client.address.split(":")
    client.predict("text", {"instances": ["a"]})
    before = client.memory()
    for data in (
        b"",
        b"POST /v1/models/text:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{",
        b"\0\xff" * 500,
    ):
        for _ in range(20):
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(data)
    bodies = [b"{", b"null", b'{"instances": [{"b64": 3}]}', b'{"inputs": 1e999}', os.urandom(300)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda i: client.predict("text", bodies[i % len(bodies)])[0], range(2000)))
    assert set(statuses) == {400}
    assert client.predict("text", {"instances": ["a"]})[0] == 200
    assert client.memory() < before + 60


def test_a_page_of_another_site_is_refused(client):
    assert client.ask("GET", "/healthz", headers={"Host": "evil.example"})[0] == 400
    assert client.ask("GET", "/healthz", headers={"Host": "localhost:1234"})[0] == 200


def test_long_calls_do_not_stop_short_ones(client):
    body = {
        "prompt": ["a"] * 60,
        "length": [100] * 60,
        "temperature": [1.0] * 60,
        "top_k": [0] * 60,
        "seed": list(range(60)),
    }
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(client.predict, "text", {"signature_name": "generate", "inputs": body})
        began = time.monotonic()
        assert client.predict("series", {"instances": []})[0] == 400
        assert client.ask("GET", "/healthz")[0] == 200
        assert time.monotonic() - began < 10
        assert slow.result()[0] == 200
    body["length"] = [101] * 60
    status, answer = client.predict("text", {"signature_name": "generate", "inputs": body})
    assert status == 400 and "input 'length' is 101, and the limit is 100" in answer["error"]


def test_a_request_that_takes_too_long_and_too_many_requests(exports):
    process = start(exports, "text", "--port=0", "--timeout=0.1", "--max_waiting=1", "--threads=1")
    try:
        impatient = Client(process)
        body = {"prompt": ["a"], "length": [2000], "temperature": [1.0], "top_k": [0], "seed": [1]}
        generate = {"signature_name": "generate", "inputs": {k: v * 64 for k, v in body.items()}}
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(lambda _: impatient.predict("text", generate)[0], range(8)))
        assert set(statuses) <= {503, 504} and 504 in statuses
        assert impatient.ask("GET", "/healthz")[0] == 200
    finally:
        process.kill()
        process.wait()


def test_what_cannot_be_served_is_one_line(exports, client, tmp_path):
    (tmp_path / "text").mkdir()
    cases = {
        ("nothing-here",): "no pretrained model of that name",
        ("text", str(exports / "text")): "two models have the name text",
        (str(tmp_path / "text"),): "is not a SavedModel",
        ("text", f"--port={client.address.split(':')[1]}"): "cannot listen on 127.0.0.1, port",
        ("text", "--port=99999"): "--port",
    }
    for arguments, message in cases.items():
        process = start(exports, *arguments)
        _, error = process.communicate(timeout=120)
        lines = [line for line in error.splitlines() if line.startswith("error:")]
        assert process.returncode == 2 and len(lines) == 1 and message in lines[0]


def test_answers_are_sent_without_delay():
    """Packets wait for no acknowledgement of those before."""
    pytest.importorskip("uvicorn")
    from rnnzoo.server.limits import ServeOptions
    from rnnzoo.server.running import _listen

    with _listen(ServeOptions(port=0)) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
