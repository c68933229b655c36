"""Generation of text, of outputs for a source, and of music."""

import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo.generate import generate, main
from rnnzoo.inference import music
from tests.export import kinds

pytestmark = pytest.mark.slow
NOTES = 88


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A language model, a decoder of labels, a model of music and one that does not generate."""
    folder = tmp_path_factory.mktemp("models")
    spec = rnnzoo.TaskSpec("features", "vector", True, NOTES, NOTES, "binary_cross_entropy", ("nll",), next_input=True)
    composer = rnnzoo.create_model("elman", spec, units=5)
    composer.head.bias.assign(np.where(np.arange(NOTES) == 30, 30.0, -30.0))  # always this note alone
    made = {"text": kinds.make("characters"), "label": kinds.make("label to text"), "music": composer}
    made["class"] = kinds.make("class of text")
    return {name: rnnzoo.export_saved_model(model, folder / name) for name, model in made.items()}


def test_text_and_samples(models):
    model = rnnzoo.load(models["text"])
    one, several = (generate(model, prompt="ab", length=9, seed=3, samples=n) for n in (1, 3))
    assert one.startswith("ab") and len(one) == 11
    assert several.split("\n")[0] == one and len(several.split("\n")) == 3


def test_outputs_of_an_encoder_decoder_are_sampled(models):
    model = rnnzoo.load(models["label"])
    greedy = model.signatures["serving_default"](text=tf.constant(["a"]))["text"].numpy()[0].decode()
    assert generate(model, prompt="a", temperature=0.0) == greedy
    several = generate(model, prompt="a", temperature=1.0, samples=20).split("\n")
    assert len(several) == 20 and len(set(several)) > 5
    assert several[4] == generate(model, prompt="a", temperature=1.0, seed=4)


def test_sampling_follows_the_probabilities_of_the_model():
    model = kinds.make("label to text")
    model.head.bias.assign(np.where(np.arange(12) == 5, 2.0, np.where(np.arange(12) == 2, 1.5, -30.0)))
    model.head.kernel.assign(0 * model.head.kernel)  # "c" or the end
    served = rnnzoo.export.Seq2SeqServing(model).functions["sample"]
    n = 2000
    values = {"temperature": tf.constant([1.0]), "top_k": tf.constant([0]), "seed": tf.range(n)}
    outputs = served(tf.constant(["a"] * n), *values.values())
    p = 1 / (1 + np.exp(-0.5))  # of another "c"
    lengths = np.array([len(text) for text in outputs["text"].numpy()])
    assert abs((lengths > 0).mean() - p) < 0.04 and abs((lengths > 1).mean() - p**2) < 0.04
    short = lengths < model.spec.output_length
    expected = lengths * np.log(p) + np.log(1 - p)
    np.testing.assert_allclose(outputs["score"].numpy()[short], expected[short], atol=1e-4)
    only_best = served(tf.constant(["a"] * 5), tf.constant([1.0]), tf.constant([1]), tf.constant([0]))["text"].numpy()
    assert set(only_best) == {b"c" * model.spec.output_length}


def test_music(models, tmp_path):
    model = rnnzoo.load(models["music"])
    lines = generate(model, prompt="60,64", length=3).split("\n")
    assert lines == ["60,64", "51", "51", "51"]
    mido = pytest.importorskip("mido")
    path = tmp_path / "piece.mid"
    assert str(path) in generate(model, prompt="60,64", length=3, out=str(path))
    messages = [m for m in mido.MidiFile(path) if m.type.startswith("note")]
    events = [(m.type, m.note, round(m.time / (60 / music.TEMPO))) for m in messages]
    # two notes for a frame, then one that is held for three
    assert events == [
        ("note_on", 60, 0),
        ("note_on", 64, 0),
        ("note_off", 60, 1),
        ("note_off", 64, 0),
        ("note_on", 51, 0),
        ("note_off", 51, 3),
    ]


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("class", [], "this model does not generate text or music"),
        ("music", ["--prompt=C4"], "expected the MIDI numbers of a chord"),
        ("music", ["--prompt=200"], "expected MIDI numbers from 21 to 108"),
        ("music", ["--samples=2"], "do not apply to music"),
        ("music", ["--out=piece.wav"], "ends with .mid"),
        ("music", ["--out=/no/such/folder/piece.mid"], "there is no folder"),
        ("text", ["--out=x.mid"], "--out is for music"),
    ],
)
def test_bad_input(models, capsys, name, arguments, message):
    assert main(["generate", str(models[name]), *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.count("\n") == 1
