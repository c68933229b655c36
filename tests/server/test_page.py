"""The page in a real browser: what it shows is what the models compute; keyboard, names, colours, hostile text."""

import signal

import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo.spec import EOS
from rnnzoo.walkthrough import walk
from tests.browser import open_browser, severe_messages
from tests.export import kinds
from tests.helpers import randomise
from tests.server.test_serve import Client, start

pytestmark = pytest.mark.slow
MODELS = {"text": "characters", "pairs": "pairs with attention", "tree": "tree", "series": "class of a series"}
MINUS = "\N{MINUS SIGN}"
LINES = {"text": "abc de", "pairs": "abc d", "tree": "((a b) (c d))", "series": "1,2,3:0,1,0"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("page"), {}
    for name, kind in MODELS.items():
        made[name] = kinds.make(kind)
        randomise(made[name], scale=0.7)
        if name == "pairs":  # so that it writes some tokens before it ends
            made[name].head.bias.assign(-6.0 * tf.one_hot(EOS, made[name].head.units))
        rnnzoo.export_saved_model(made[name], folder / name)
    foreign = tf.Module()
    foreign.double = tf.function(lambda x: {"y": 2 * x}, input_signature=[tf.TensorSpec([None], name="x")])
    tf.saved_model.save(foreign, str(folder / "foreign"), signatures={"serving_default": foreign.double})
    return folder, made


@pytest.fixture(scope="module")
def client(models):
    process = start(models[0], *MODELS, "foreign", "--trust", "--port=0", "--max_steps=20")
    yield Client(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0, process.stderr.read()


@pytest.fixture(scope="module")
def browser(client):
    with open_browser() as driver:
        yield driver


def wait(driver, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, 60).until(condition)


def find(driver, css):
    return driver.find_elements("css selector", css)


def visit(driver, client, name, line=None):
    """Opens the page of a model and walks through a line."""
    driver.get("about:blank")
    driver.get(f"http://{client.address}/#{name}")
    wait(driver, lambda d: find(d, "#line"))
    wait(driver, lambda d: not find(d, "[aria-busy=true]"))  # the walk through the first example
    field, line = find(driver, "#line")[0], LINES[name] if line is None else line
    field.clear()
    field.send_keys(line)
    find(driver, "#walk")[0].click()
    wait(driver, lambda d: shown_line(d) == line or find(d, "[role=alert]"))


def shown_line(driver):
    return find(driver, "#result")[0].get_attribute("data-line")


def texts(driver, css):
    return [element.text for element in find(driver, css)]


def percents(values):
    return [float(value.split()[0]) for value in values]


def test_a_walk_through_a_text(browser, client, models):
    visit(browser, client, "text")
    expected = walk(models[1]["text"], LINES["text"])
    assert texts(browser, ".strip button") == ["start", "a", "b", "c", "␣", "d"]
    layer, unit = expected["layers"][0], 0
    for step in range(3):
        choices = expected["expected"]["choices"][step]
        np.testing.assert_allclose(percents(texts(browser, ".bars .value")), [100 * p for _, p in choices], atol=0.6)
        gates = [values[step][unit] for values in layer["gates"].values()]
        shown = [text.splitlines()[-1].replace(MINUS, "-").rstrip(" %") for text in texts(browser, ".gauge figcaption")]
        for name, value, text in zip(layer["gates"], gates, shown, strict=True):
            assert float(text) == pytest.approx(value if name == "candidate" else 100 * value, abs=0.6)
        rows = texts(browser, ".equations tr")
        assert [row.split()[0] for row in rows] == ["it", "ft", "gt", "ct", "ot", "ht"]
        for row, equation in zip(rows, layer["equations"], strict=True):
            value = float(row.rsplit("= ", 1)[1].replace(MINUS, "-"))
            assert value == pytest.approx(equation["values"][step][unit][-1], abs=0.006)
        if step == 0:
            find(browser, ".strip button")[0].click()
        browser.switch_to.active_element.send_keys("\ue014")  # the right arrow key
        wait(browser, lambda d, step=step: f"at step {step + 2}" in d.page_source)
    assert len(find(browser, "svg.belt .frame")) and len(find(browser, "svg.squares")) == 6
    assert not severe_messages(browser)


def test_another_unit_is_asked_for(browser, client):
    visit(browser, client, "text")
    find(browser, "input[name=unit]")[0].send_keys("5")
    find(browser, "form.inline button")[0].click()
    wait(browser, lambda d: "Unit 5 at step 1" in texts(d, "h3"))


def test_an_encoder_decoder(browser, client, models):
    visit(browser, client, "pairs")
    expected = walk(models[1]["pairs"], LINES["pairs"], beams=4)
    assert find(browser, "svg.squares")
    rows = texts(browser, "table.beams tr")
    assert len(rows) == 1 + len(expected["beams"][0])
    output = find(browser, ".strip")[1].find_elements("tag name", "button")
    assert len(output) == len(expected["outputs"])

    def attention_rows():
        label = find(browser, "svg.squares")[0].get_attribute("aria-label")
        return int(label.split(": ")[-1].split()[0])

    assert attention_rows() == 1
    output[3].click()
    wait(browser, lambda d: attention_rows() == 4)
    best = texts(browser, "table.beams td")[0].split()
    assert len(best) <= 4
    assert not severe_messages(browser)


def test_a_tree(browser, client, models):
    visit(browser, client, "tree")
    expected = walk(models[1]["tree"], LINES["tree"])["nodes"]
    nodes = find(browser, "g.node")
    assert len(nodes) == len(expected) == 7
    nodes[2].send_keys("\ue007")  # Enter
    wait(browser, lambda d: find(d, "g.node")[2].get_attribute("aria-pressed") == "true")
    shown = percents(texts(browser, ".bars .value"))
    np.testing.assert_allclose(shown, [100 * p for _, p in expected[2]["choices"]], atol=0.6)


def test_a_series_read_in_both_directions(browser, client):
    visit(browser, client, "series")
    select = find(browser, "section select")[0]
    select.find_elements("tag name", "option")[1].click()
    wait(browser, lambda d: "reads from the end" in d.page_source)
    assert not severe_messages(browser)


def test_generation_is_that_of_the_rest_interface(browser, client):
    visit(browser, client, "text")
    find(browser, "#generation button")[0].click()
    wait(browser, lambda d: find(d, "#generated"))
    inputs = {"prompt": [LINES["text"]], "length": [200], "temperature": [0.7], "top_k": [0], "seed": [1]}
    answer = client.predict("text", {"signature_name": "generate", "inputs": inputs})[1]["outputs"][0]
    assert find(browser, "#generated")[0].get_property("textContent") == answer


def test_errors_and_models_of_others_are_one_line(browser, client):
    visit(browser, client, "text", "a" * 30)
    assert texts(browser, "[role=alert]") == ["the input has 30 steps, and at most 20 are shown"]
    browser.get("about:blank")
    browser.get(f"http://{client.address}/#foreign")
    wait(browser, lambda d: find(d, "[role=alert]"))
    assert "can only be asked over REST" in texts(browser, "[role=alert]")[0]


def test_text_is_shown_as_text(browser, client):
    line = "<img src=x onerror=alert(1)>"[:18]
    visit(browser, client, "text", line)
    assert not find(browser, ".strip img") and len(texts(browser, ".strip button")) == len(line)
    assert not find(browser, "#app img")


@pytest.mark.parametrize("name", MODELS)
def test_everything_has_a_name_and_nothing_comes_from_elsewhere(browser, client, name):
    visit(browser, client, name)
    for element in find(browser, "button, input, select, textarea, [role=img], [role=button], [role=toolbar]"):
        assert element.accessible_name.strip(), element.get_attribute("outerHTML")[:200]
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert loaded and all(address.startswith(f"http://{client.address}/") for address in loaded)
    assert browser.execute_script("return document.documentElement.lang") == "en"


CONTRAST = """
const light = (color) => {
  const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((v) => {
    v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = (element) => {
  for (; element; element = element.parentElement) {
    const color = getComputedStyle(element).backgroundColor;
    if (!/, 0\\)$/.test(color)) return color; }
  return 'rgb(255, 255, 255)'; };
const all = 'p, label, button:enabled, h2, h3, td, figcaption, a, .bars .name, .bars .value';
return [...document.querySelectorAll(all)].map((element) => {
  const pair = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => b - a);
  return [(pair[0] + 0.05) / (pair[1] + 0.05), element.outerHTML.slice(0, 100)]; });
"""


@pytest.mark.parametrize("dark", [False, True])
def test_contrast_in_light_and_dark(client, dark):
    with open_browser(dark=dark) as driver:
        visit(driver, client, "text")
        background = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(255, 255, 255)") != dark
        ratios = driver.execute_script(CONTRAST)
        assert ratios and min(ratios)[0] >= 4.5, min(ratios)


def test_a_small_window_has_no_second_axis(client):
    with open_browser(width=500) as driver:
        visit(driver, client, "text")
        sizes = driver.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
        assert sizes[0] <= sizes[1]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "expected a JSON object with a 'line'"),
        (b"[]", "expected a JSON object with a 'line'"),
        (b"{}", "expected a JSON object with a 'line'"),
        ({"line": 3}, "'line' must be a string"),
        ({"line": "a", "units": [True]}, "must be whole numbers"),
        ({"line": "a", "units": [0] * 99}, "'units' a list of at most 32"),
        ({"line": "a", "beams": 99}, "'beams' must be from 1 to 32"),
        ({"line": "a", "beams": 1e3}, "must be whole numbers"),
        (b'{"line": "\\ud800"}', "an unpaired surrogate"),
        ({"line": "a" * 20_001}, "the limit is 20,000"),
        ({"line": "a" * 21}, "at most 20 are shown"),
    ],
)
def test_requests_of_the_page_that_cannot_be_answered(client, body, message):
    status, answer = client.ask("POST", "/page/models/text/walk", body)
    assert status == 400 and message in answer["error"]


@pytest.mark.parametrize("path", ["/page/../setup.py", "/page/%2e%2e/app.py", "/page/models/none", "/page/nothing.js"])
def test_nothing_else_is_served(client, path):
    assert client.ask("GET", path)[0] == 404


def test_many_walks_do_not_fill_the_memory(client):
    for i in range(5):
        client.ask("POST", "/page/models/text/walk", {"line": "abc" * (1 + i % 5)})
    before = client.memory()
    for i in range(60):
        status, _ = client.ask("POST", "/page/models/text/walk", {"line": "abcd"[: 1 + i % 4] * (1 + i % 5)})
        assert status == 200
    assert client.memory() < before + 60
