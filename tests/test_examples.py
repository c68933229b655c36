"""The examples that run a converted model without TensorFlow, against `generate` of the SavedModel."""

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import keras
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo.conversion import convert_export
from tests.browser import open_browser, severe_messages
from tests.export.kinds import SYMBOLS
from tests.test_convert import needed

pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
BEGINNING, LENGTH = "bad", 40


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """An export, and the most probable text that its SavedModel writes after the beginning."""
    n = len(SYMBOLS)
    spec = rnnzoo.TaskSpec("tokens", "token", True, n, n, "cross_entropy", ("bits_per_char",), SYMBOLS)
    keras.utils.set_random_seed(5)  # other weights may write the same letter for ever
    model = rnnzoo.create_model("stacked", spec, cell="gru", layers=2, units=16, embedding=8)
    for variable in model.trainable_variables:  # so that the text depends on all of its beginning
        variable.assign(variable * 4)
    path = rnnzoo.export_saved_model(model, tmp_path_factory.mktemp("export") / "characters")
    options = {"length": [LENGTH], "top_k": [0], "seed": [0]}
    given = {name: tf.constant(value) for name, value in options.items()}
    generate = tf.saved_model.load(str(path)).signatures["generate"]
    text = generate(prompt=tf.constant([BEGINNING]), temperature=tf.constant([0.0]), **given)["text"]
    text = text.numpy()[0].decode()
    assert len(text) == len(BEGINNING) + LENGTH and len(set(text)) > 3
    return path, text


@pytest.mark.parametrize(("name", "folder"), [("onnx", "onnxruntime"), ("litert", "litert")])
def test_write_text(name, folder, written, tmp_path):
    needed(name)
    path, text = written
    convert_export(path, name, tmp_path / "converted", signatures=["step"])
    program = EXAMPLES / folder / "write_text.py"
    refuse = "import sys; sys.modules['tensorflow'] = None; import runpy; sys.argv = sys.argv[1:]; "
    command = [sys.executable, "-c", refuse + "runpy.run_path(sys.argv[0], run_name='__main__')", program]
    command += [tmp_path / "converted", f"--beginning={BEGINNING}", f"--length={LENGTH}"]
    runs = [
        subprocess.run([*map(str, command), f"--temperature={t}"], capture_output=True, text=True, check=True).stdout
        for t in (0, 1, 1)
    ]
    assert runs[0].startswith(text + "\n") and runs[0].rstrip().endswith("ms a character")
    sampled = [run.split("\n\n")[0] for run in runs[1:]]
    assert sampled[0] == sampled[1] != text and set(sampled[0]) <= set("".join(SYMBOLS[3:]))


def test_page(written, tmp_path):
    needed("onnx")
    if not os.environ.get("CI") and not shutil.which("npm"):
        pytest.skip("npm is not installed")
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    path, text = written
    page = shutil.copytree(EXAMPLES / "browser", tmp_path / "page", ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run(["npm", "install", "--no-audit", "--no-fund"], cwd=page, check=True, capture_output=True)
    convert_export(path, "onnx", page / "model", signatures=["step"])
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(page))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with server, open_browser() as driver:
        driver.get(f"http://127.0.0.1:{server.server_port}/")
        status = driver.find_element(By.ID, "status")
        WebDriverWait(driver, 60).until(lambda _: status.text == "Ready.")
        for name, value in {"beginning": BEGINNING, "length": LENGTH, "temperature": 0}.items():
            field = driver.find_element(By.ID, name)
            field.clear()
            field.send_keys(str(value))
        driver.find_element(By.ID, "write").click()
        WebDriverWait(driver, 60).until(lambda _: "ms a character" in status.text)
        assert driver.find_element(By.ID, "text").text == text
        assert not severe_messages(driver)
        server.shutdown()
