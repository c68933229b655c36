"""Encoder-decoders: options, decoding against brute force, Keras as oracle, files and exports."""

import itertools
import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo.cells.ops import EmbeddingLookup
from rnnzoo.models import decoding, sampling
from rnnzoo.spec import BOS, PAD, SPECIAL_TOKENS, UNKNOWN
from rnnzoo.training import Trainer, TrainingOptions, checkpoint
from tests.helpers import assert_close, fresh_python, normal, often, randomise

SYMBOLS = (*SPECIAL_TOKENS, *"abcde")
SPEC = rnnzoo.TaskSpec(
    inputs="pair",
    outputs="token",
    per_step=True,
    input_size=8,
    output_size=8,
    loss="cross_entropy",
    metrics=("error_rate",),
    vocabulary=SYMBOLS,
    source="tokens",
    source_vocabulary=SYMBOLS,
    output_length=6,
)
SOURCE = np.array([[3, 4, 5, 6, 7], [4, 3, 0, 0, 0], [5, 5, 6, 0, 0], [0, 0, 0, 0, 0]], "int32")
PREVIOUS = np.array([[2, 3, 4, 7], [2, 6, 5, 4], [2, 3, 3, 3], [2, 7, 4, 6]], "int32")
OPTIONS = {
    "the defaults": {},
    "no attention": {"attention": "none"},
    "dot": {"attention": "dot"},
    "additive, both ways": {"attention": "additive", "bidirectional_encoder": True, "layers": 2},
    "input feeding": {"input_feeding": True, "layers": 2, "bidirectional_encoder": True, "residual": False},
    "input feeding, deep": {"input_feeding": True, "transition_depth": 2, "cell": "gru", "attention": "additive"},
    "from the end": {"reverse_source": True},
    "context at every step": {"feed_context": True, "attention": "none", "bidirectional_encoder": True},
    "tied": {"tied_embeddings": "all", "embedding": 5},
    "tied output": {"tied_embeddings": "output", "output_depth": 2, "hidden_units": 7},
    "another decoder": {"decoder_units": 5, "decoder_layers": 2, "residual": False},
    "bottlenecks": {"layers": 2, "residual": True, "input_depth": 2, "shortcut": True, "transition_depth": 2},
}

SLOW_OPTIONS = ("additive, both ways", "input feeding", "context at every step", "tied output", "bottlenecks")
COMPILED = ("additive, both ways", "input feeding")  # these by XLA too


def model_for(spec=SPEC, name="seq2seq", **options):
    keras.utils.set_random_seed(3)
    return rnnzoo.create_model(name, spec, **({"units": 6, "embedding": 4} | options))


@pytest.fixture(scope="module")
def peaked():
    """Returns a model with clear most probable tokens, whose outputs end."""
    model = model_for(attention="additive", bidirectional_encoder=True)
    randomise(model, scale=1.5)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("case", often("tied", of=SLOW_OPTIONS))
def test_options(case):
    check_all(model_for(**OPTIONS[case]), graph=case in COMPILED)


@pytest.mark.parametrize("cell", often("gru", "indrnn", of=rnnzoo.list_cells()))
def test_any_cell(cell):
    feeding = cell in ("gru", "lstm-peephole", "jordan")
    check_all(model_for(cell=cell, input_feeding=feeding, layers=2), graph=False)


def check_all(model, graph=True):
    """Finite outputs, gradients of all weights, masked padding, steps equal a pass, one beam equals greedy."""
    inputs = (tf.constant(SOURCE), tf.constant(PREVIOUS))
    y = model(inputs)
    assert y.shape == (4, 4, 8) and np.isfinite(y).all()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(inputs, training=True) ** 2)
    for variable, g in zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True):
        assert g is not None, variable.path
        g = tf.convert_to_tensor(g).numpy()
        assert np.isfinite(g).all() and g.any(), variable.path
    for row, length in ((1, 2), (2, 3)):
        assert_close(model((SOURCE[row : row + 1, :length], PREVIOUS[row : row + 1])), y[row : row + 1], 1e-5)
    state, fixed = model.encode(inputs[0])
    steps = []
    for t in range(4):
        logits, state = model.decode_step(inputs[1][:, t], state, fixed)
        steps.append(logits)
    assert_close(tf.stack(steps, 1), y, 1e-5)
    ids, scores = model.greedy(SOURCE)
    actual, totals = model.beam_search(SOURCE, 1)
    assert (actual[0].numpy() == ids.numpy()).all()
    assert_close(totals[0], scores, 1e-5)
    if model.decoder.attention is not None:
        attention_weights = model.attention_weights(*inputs).numpy()
        np.testing.assert_allclose(attention_weights.sum(-1), np.repeat([[1.0]] * 3 + [[0.0]], 4, 1), atol=1e-5)
        assert (attention_weights * (SOURCE == PAD)[:, None] == 0).all()
    if graph:
        assert_close(tf.function(lambda: model(inputs), jit_compile=True)(), y, 1e-5)


def log_probabilities(model, source, texts):
    """Computes the score of each text for `source`, by one teacher-forced pass."""
    longest = max(map(len, texts))
    ids = np.array([[*text, *[PAD] * (longest - len(text))] for text in texts], "int32")
    previous = np.concatenate([np.full((len(texts), 1), BOS, "int32"), ids[:, :-1]], 1)
    logs = tf.nn.log_softmax(model((np.repeat(source, len(texts), 0), previous)))
    return tf.reduce_sum(tf.gather(logs, ids, batch_dims=2) * tf.cast(ids != PAD, tf.float32), 1).numpy()


def all_texts(limit):
    """Returns every text of at most `limit` steps, complete or cut off."""
    letters = range(len(SPECIAL_TOKENS), len(SYMBOLS))
    for length in range(limit):
        yield from ((*letters_, BOS) for letters_ in itertools.product(letters, repeat=length))
    yield from itertools.product(letters, repeat=limit)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_beam_search_equals_brute_force(peaked, penalty):
    """A beam search that is wide enough ranks all texts by their log-probabilities."""
    source, limit = SOURCE[1:2, :2], 3
    texts = list(all_texts(limit))
    known = dict(zip(texts, log_probabilities(peaked, source, texts), strict=True))
    ranked = sorted(known, key=lambda text: known[text] / ((5 + len(text)) / 6) ** penalty, reverse=True)
    ids, scores = peaked.beam_search(source, 5**limit + 30, penalty, limit)
    for k in range(20):
        shown = [i for i in ids[k, 0].numpy() if i != PAD]
        assert shown == [i for i in ranked[k] if i != BOS], k
        assert float(scores[k, 0]) == pytest.approx(known[ranked[k]], abs=1e-4)


@pytest.mark.slow
def test_scores_order_and_early_end(peaked):
    ids, scores = peaked.beam_search(SOURCE, 3)
    assert (np.diff(scores.numpy(), axis=0) <= 0).all()
    greedy, alone = peaked.greedy(SOURCE)
    assert (scores[0].numpy() >= alone.numpy() - 1e-5).all()
    texts = [[i for i in row if i != PAD] for row in greedy.numpy()]
    for row in range(3):
        end = [BOS] if len(texts[row]) < SPEC.output_length else []
        source = SOURCE[row : row + 1]
        (expected,) = log_probabilities(peaked, source, [[*texts[row], *end]])
        assert float(alone[row]) == pytest.approx(expected, abs=1e-4)
    assert not np.isin(ids, [UNKNOWN, BOS]).any()
    extreme = peaked.beam_search(SOURCE, 3, 1000.0)[1].numpy()
    assert not np.isinf(extreme[0]).any()
    taken = []

    def step(ids, state):
        taken.append(1)
        return tf.one_hot(tf.fill(tf.shape(ids), BOS), 8) * 50.0, state

    decoding.beam_search(step, [tf.zeros([2, 1])], 2, 100, 1)
    decoding.decode_greedily(step, [tf.zeros([2, 1])], 2, 100)
    assert len(taken) == 2  # of each one step, eagerly


@pytest.mark.slow
def test_sampling(peaked):
    greedy = peaked.greedy(SOURCE)[0].numpy()
    assert (peaked.beam_search(SOURCE, tf.constant(1))[0][0].numpy() == greedy).all()
    for how in ({"temperature": 0.0}, {"top_k": 1}, {"top_p": 1e-6}):
        assert (peaked.sample(SOURCE, 5, **how)[0].numpy() == greedy).all(), how
    assert (peaked.sample(SOURCE, 5, temperature=tf.constant(0.0), top_k=-1)[0].numpy() == greedy).all()
    assert (peaked.beam_search(SOURCE, 0)[0][0].numpy() == greedy).all()
    drawn = [peaked.sample(SOURCE, seed)[0].numpy().tolist() for seed in (1, 1, 2, 3)]
    assert drawn[0] == drawn[1] and drawn[1:] != [drawn[1]] * 3


def test_sampled_tokens_have_their_probability():
    logits = tf.constant([[9.0, 9.0, 1.0, 2.0, 0.0, 1.0]])
    p = np.exp([1.0, 2.0, 0.0, 1.0]) / np.exp([1.0, 2.0, 0.0, 1.0]).sum()
    batch = tf.repeat(logits, 20_000, 0)
    uniform = tf.random.stateless_uniform([20_000], [1, 2])
    sampled = sampling.Sampler(6, forbidden=sampling.NEVER_GENERATED)(batch, uniform).numpy()
    draw = np.bincount(sampled, minlength=6) / 20_000
    np.testing.assert_allclose(draw, [0, 0, *p], atol=0.02)
    chosen = sampling.Sampler(6, top_p=0.6, forbidden=sampling.NEVER_GENERATED)(batch, uniform).numpy()
    draw = np.bincount(chosen, minlength=6) / 20_000
    assert (draw[[2, 3]] > 0.1).all() and not draw[[4, 5]].any()  # 0.53, then the first of 0.19, which passes 0.6


def test_scheduled_sampling_uses_samples_of_the_model():
    """With certain outputs, probability 1 gives the greedy output as inputs, and 0.5 about half of it."""
    model = model_for(scheduled_sampling=1.0)
    randomise(model, scale=1.5)
    model.head.kernel.assign(model.head.kernel * 1000)
    long = np.full((4, 7), BOS, "int32")
    mixed = model._schedule_sampling(tf.constant(SOURCE), tf.constant(long)).numpy()
    for row, text in enumerate(model.greedy(SOURCE)[0].numpy()):
        length = int((text != PAD).sum())
        assert mixed[row, 1 : length + 1].tolist() == text[:length].tolist()
    assert (mixed[:, 0] == BOS).all()
    half = model_for(scheduled_sampling=0.5, scheduled_sampling_steps=4)
    source, previous = tf.repeat(SOURCE[:1], 500, 0), tf.fill([500, 9], PAD)  # which is never drawn
    kept = [
        float(tf.reduce_mean(tf.cast(half._schedule_sampling(source, previous)[:, 1:] == PAD, tf.float32)))
        for _ in range(5)
    ]
    np.testing.assert_allclose(kept, [1 - 0.5 * min(1, n / 4) for n in range(1, 6)], atol=0.05)


@pytest.mark.slow
def test_scheduled_sampling_trains_and_resumes(tmp_path):
    """The count of training steps is part of the checkpoint."""

    def trainer():
        keras.utils.set_random_seed(5)
        task = rnnzoo.create_task("reverse", batch_size=4, seq_length=4)
        options = {"scheduled_sampling": 0.8, "scheduled_sampling_steps": 6, "output_dropout": 0.1}
        model = rnnzoo.create_model("seq2seq", task.spec, units=6, **options)
        return Trainer(model, task, TrainingOptions(steps=6, jit_compile=False, label_smoothing=0.1))

    whole = trainer()
    for result in whole.run():
        if result.step == 3:
            checkpoint.save(tmp_path / "c.npz", whole.variables(), {"step": 3})
    again = trainer()
    again.restore(checkpoint.load(tmp_path / "c.npz")[0], 3)
    assert [result.step for result in again.run()] == [4, 5, 6]
    assert int(again.model.trained) == 6
    for ours, theirs in zip(again.model.weights, whole.model.weights, strict=True):
        assert_close(ours, theirs, 1e-6)


def test_equals_the_same_network_of_keras_layers():
    """Encoder, decoder from its states, dot attention: with keras.layers.LSTM and keras.layers.Attention."""
    model = model_for(attention="dot")
    randomise(model)
    ours = {w.path.split("/", 1)[1]: w.numpy() for w in model.weights}
    source, previous = SOURCE[:3], PREVIOUS[:3]
    read = keras.layers.Embedding(8, 4, mask_zero=True)
    read.build(None)
    read.set_weights([model.source_embedding.embeddings.numpy()])
    encoder = keras.layers.LSTM(6, return_sequences=True, return_state=True)
    decoder = keras.layers.LSTM(6, return_sequences=True)
    for layer, mine in ((encoder, model.encoder.layers[0]), (decoder, model.decoder.layer.layers[0])):
        layer.build((None, None, 4))
        layer.set_weights(mine.get_weights())
    embedded, mask = read(source), source != PAD
    memory, *state = encoder(embedded, mask=mask)
    entered = tf.gather(model.target_embedding.embeddings.numpy(), previous)
    h = decoder(entered, initial_state=state)
    c = keras.layers.Attention()([h, memory], mask=[None, mask])
    y = tf.tanh(tf.matmul(tf.concat([c, h], -1), model.decoder.attention.kernel.numpy()))
    expected = tf.matmul(y, model.head.kernel.numpy()) + model.head.bias.numpy()
    assert len(ours) == len(model.weights)
    assert_close(model((source, previous)), expected, 1e-5)


@pytest.mark.parametrize("tied", ["none", "output"])
def test_mixed_precision(tied):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = model_for(tied_embeddings=tied, input_feeding=True, feed_context=True)
    finally:
        keras.config.set_dtype_policy("float32")
    y = model((SOURCE, PREVIOUS))
    assert y.dtype == tf.float32 and np.isfinite(y).all()
    assert {w.dtype for w in model.trainable_weights} == {"float32"}
    assert model.beam_search(SOURCE, 2)[0].shape == (2, 4, 6)


def test_reverse_source_equals_a_reversed_source():
    model = model_for(reverse_source=True)
    forward = model_for()
    forward.set_weights(model.get_weights())
    row, reversed_model = SOURCE[1:2, :2], SOURCE[1:2, 1::-1]
    assert_close(model((row, PREVIOUS[1:2])), forward((reversed_model, PREVIOUS[1:2])), 1e-6)
    assert_close(
        model.attention_weights(row, PREVIOUS[1:2]),
        forward.attention_weights(reversed_model, PREVIOUS[1:2])[..., ::-1],
        1e-6,
    )


def test_bridge():
    bridge = rnnzoo.layers.Bridge([[3, 2], [4]])
    states = [[normal(2, 5), normal(2, 1, seed=1)], [normal(2, 6, seed=2)]]
    actual = bridge(states)
    w = bridge.get_weights()
    first = np.concatenate(states[0], 1)
    assert_close(actual, [first @ w[0] + w[1], first @ w[2] + w[3], states[1][0] @ w[4] + w[5]], 1e-6)
    same = [[normal(2, 3), normal(2, 2)], [normal(2, 4)]]
    assert_close(rnnzoo.layers.Bridge([[3, 2], [4]])(same), [*same[0], *same[1]], 0)
    assert [s.shape for s in rnnzoo.layers.Bridge([[3]])(same)] == [(2, 3)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: model_for(rnnzoo.create_task("adding").spec), "needs a seq2seq task"),
        (lambda: model_for(name="lstm"), "use --model=seq2seq"),
        (lambda: model_for(name="decoder"), "--source_level=line"),
        (lambda: model_for(input_feeding=True, attention="none"), "give --attention too"),
        (lambda: model_for(bidirectional_encoder=True, reverse_source=True), "reads the source from its end already"),
        (lambda: model_for(attention="dot", bidirectional_encoder=True), "use --attention=general"),
        (lambda: model_for(input_feeding=True, dropout=0.1), "use dropout between the layers"),
        (lambda: model_for(input_feeding=True, output_depth=2), "does not support --input_depth and --output_depth"),
        (lambda: model_for(input_feeding=True, dropout=0.1, transition_depth=2), "use dropout between the layers"),
        (
            lambda: model_for(rnnzoo.create_task("waveform").spec, "decoder", scheduled_sampling=0.5),
            "generates vectors",
        ),
        (lambda: model_for(rnnzoo.create_task("waveform").spec, tied_embeddings="output"), "generates vectors"),
        (lambda: model_for(rnnzoo.create_task("dates").spec, tied_embeddings="all"), "needs one vocabulary"),
        (lambda: model_for(cell="elman", zoneout=0.1), "cell 'elman' has no option 'zoneout'"),
        (lambda: rnnzoo.layers.Decoder(rnnzoo.layers.LSTM(3, go_backwards=True)), "causal recurrent layer"),
        (
            lambda: rnnzoo.layers.Decoder(rnnzoo.layers.LSTM(3), rnnzoo.layers.Attention(3))(tf.ones([1, 2, 3])),
            "memory",
        ),
    ],
)
def test_errors(make, message):
    with pytest.raises((rnnzoo.UserError, ValueError), match=message):
        make()


@pytest.mark.slow
def test_trains_and_beats_chance():
    task = rnnzoo.create_task("reverse", seq_length=3, batch_size=32, eval_size=100)
    trainer = Trainer(model_for(task.spec, units=32), task, TrainingOptions(steps=250, learning_rate=1e-2))
    list(trainer.run())
    actual = trainer.evaluate("validation")
    assert actual["exact_match"] > 0.8 and actual["error_rate"] < 0.1 and actual["token_accuracy"] > 0.9


LOAD = """
import sys, json, keras, numpy as np, rnnzoo
model = keras.models.load_model(sys.argv[1])
source = np.array(json.loads(sys.argv[2]), "int32")
print(json.dumps([model.greedy(source)[0].numpy().tolist(), model.beam_search(source, 3)[0].numpy().tolist()]))
"""
SERVE = """
import sys, json, tensorflow as tf
assert "rnnzoo" not in sys.modules
signatures = tf.saved_model.load(sys.argv[1]).signatures
text = tf.constant(json.loads(sys.argv[2]))
sizes = {"beam_size": tf.constant([3]), "length_penalty": tf.constant([0.5])}
found = [signatures["serving_default"](text=text)["text"], signatures["translate"](text=text, **sizes)["text"]]
print(json.dumps([[t.decode() for t in f.numpy().ravel()] for f in found]))
"""


@pytest.mark.slow
def test_fresh_process_generates_the_same_text(peaked, tmp_path):
    """From a `.keras` file with this package, and from the export without it."""
    peaked.save(tmp_path / "m.keras")
    expected = [peaked.greedy(SOURCE)[0].numpy().tolist(), peaked.beam_search(SOURCE, 3)[0].numpy().tolist()]
    assert json.loads(fresh_python(LOAD, tmp_path / "m.keras", json.dumps(SOURCE.tolist()))) == expected

    path = rnnzoo.export_saved_model(peaked, tmp_path / "export")
    texts = ["".join(SYMBOLS[i] for i in row if i != PAD) for row in SOURCE]
    greedy = ["".join(SYMBOLS[i] for i in row if i != PAD) for row in expected[0]]
    beams = np.transpose(peaked.beam_search(SOURCE, 3, 0.5)[0].numpy(), [1, 0, 2])
    best = ["".join(SYMBOLS[i] for i in row if i != PAD) for rows in beams for row in rows]
    assert json.loads(fresh_python(SERVE, path, json.dumps(texts))) == [greedy, best]
    assert any(greedy)

    signatures = tf.saved_model.load(str(path)).signatures
    start = signatures["encode"](text=tf.constant(texts))
    fixed = {name: value for name, value in start.items() if not name.startswith("state")}
    state = {name: value for name, value in start.items() if name.startswith("state")}
    last, written = tf.fill([4], BOS), []
    for _ in range(SPEC.output_length):
        actual = signatures["decode_step"](inputs=last, **state, **fixed)
        state = {name: value for name, value in actual.items() if name.startswith("state")}
        never = tf.constant([-math.inf, -math.inf] + [0.0] * 6)
        last = tf.argmax(actual["log_probabilities"] + never, -1, tf.int32)
        written.append(last.numpy())
    for row, text in enumerate(np.transpose(written)):
        ended = [*text, BOS].index(BOS)
        assert "".join(SYMBOLS[i] for i in text[:ended]) == greedy[row]
    actual = signatures["align"](text=tf.constant(texts))
    assert actual["source"].numpy()[1].tolist() == [b"b", b"a", b"", b"", b""]
    assert "".join(t.decode() for t in actual["target"].numpy()[0]) == greedy[0]
    assert actual["attention"].shape == (4, max(map(len, greedy)) + 1, 5)


@pytest.mark.slow
def test_decoder_generates_from_vectors_and_labels(tmp_path):
    task = rnnzoo.create_task("waveform", samples=12)
    model = model_for(task.spec, "decoder")
    source = task.batch(0, 0).inputs[0]
    path = rnnzoo.export_saved_model(model, tmp_path / "waves")
    served = tf.saved_model.load(str(path)).signatures["serving_default"]
    assert_close(served(features=tf.constant(source[:, 0]))["predictions"], model.generate_vectors(source), 1e-5)
    assert model.generate_vectors(source).shape == (64, 12, 1)
    data = tmp_path / "names.tsv"
    data.write_text("".join(f"{sex}\t{name}\n" for sex, name in [("f", "anna"), ("m", "otto"), ("f", "eve")] * 20))
    task = rnnzoo.create_task("pairs", data=str(data), level="char", source_level="line")
    model = model_for(task.spec, "decoder")
    assert task.spec.source_length == 1 and model(task.batch(0, 0).inputs).shape[-1] == task.spec.output_size
    drawn = model.sample(tf.constant([[3]] * 20), 0)[0].numpy()
    assert len({tuple(row) for row in drawn}) > 5


@pytest.mark.parametrize(
    ("case", "jit"),
    [
        ("tied", False),
        pytest.param("tied", True, marks=pytest.mark.slow),
        pytest.param("additive, both ways", False, marks=pytest.mark.slow),
    ],
)
def test_small_embedding_tables_are_multiplied_once(case, jit, monkeypatch):
    """If the vocabulary is smaller than a batch, the table is multiplied instead of the vectors."""
    monkeypatch.setenv("RNNZOO_NATIVE", "0")
    model = model_for(**OPTIONS[case])
    inputs = (tf.constant(SOURCE), tf.constant(PREVIOUS))

    def gradients(few):
        asked = []
        monkeypatch.setattr(EmbeddingLookup, "is_cheaper", lambda lookup: asked.append(lookup) or few)

        @tf.function(jit_compile=jit)
        def step():
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(model(inputs, training=True) ** 2)
            actual = tape.gradient(loss, model.trainable_variables)
            return [loss, *map(tf.convert_to_tensor, actual)]

        return step(), asked

    (once, asked), (each, _) = gradients(True), gradients(False)
    assert {tuple(lookup.ids.shape) for lookup in asked} >= {
        (5, 4),
        (4, 4),
    }  # time first: of sources, of what is written
    for a, b in zip(once, each, strict=True):
        assert_close(a, b, 1e-4)


def test_lookup_is_cheaper_only_for_small_tables():
    table = tf.zeros([8, 3])
    assert EmbeddingLookup(table, tf.zeros([4, 4], tf.int32)).is_cheaper()
    assert not EmbeddingLookup(table, tf.zeros([3, 5], tf.int32)).is_cheaper()
    assert not EmbeddingLookup(tf.cast(table, tf.bfloat16), tf.zeros([4, 4], tf.int32)).is_cheaper()
    seen = []
    trace = tf.function(lambda ids: seen.append(EmbeddingLookup(table, ids).is_cheaper()) or ids)
    trace.get_concrete_function(tf.TensorSpec([None, 64], tf.int32))
    assert seen == [False]


@pytest.mark.parametrize("jit", [False, True])
def test_lookups_accept_negative_ids_as_embeddings_do(jit):
    keras.utils.set_random_seed(0)
    task = rnnzoo.create_task("reber")
    model = rnnzoo.create_model("lstm", task.spec, units=4)
    ids = np.random.default_rng(0).integers(-task.spec.input_size, task.spec.input_size, (16, 6))
    expected = np.concatenate([model(ids[i : i + 1].astype("int32")) for i in range(16)])
    call = tf.function(model, jit_compile=jit)
    for dtype in ("int32", "int64", "float32"):
        assert_close(call(tf.constant(ids, dtype)), expected, 1e-5)
    assert_close(call(tf.constant(ids % task.spec.input_size, "uint8")), expected, 1e-5)


def test_no_lookup_for_quantized_and_other_embeddings():
    keras.utils.set_random_seed(0)
    model = rnnzoo.create_model("lstm", rnnzoo.create_task("reber").spec, units=4)
    ids = np.random.default_rng(0).integers(0, 8, (16, 6)).astype("int32")
    model.embedding.quantize("int8")
    expected = np.concatenate([model(ids[i : i + 1]) for i in range(16)])
    assert_close(tf.function(model)(ids), expected, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("batch", often(3, of=[1, 2, 3, 4]))
def test_batch_slices_are_concatenated_in_order(peaked, batch):
    """Each text is the same in any slices of the batch."""
    greedy = tf.function(peaked.greedy, input_signature=[tf.TensorSpec([None, None], tf.int32)])
    beams = tf.function(lambda source: peaked.beam_search(source, 3))
    (ids, scores), (actual, totals) = greedy(SOURCE[:batch]), beams(SOURCE[:batch])
    for row in range(batch):
        alone, score = peaked.greedy(SOURCE[row : row + 1])
        assert (ids[row] == alone[0]).numpy().all() and float(scores[row]) == pytest.approx(float(score[0]), rel=1e-4)
        alone, total = peaked.beam_search(SOURCE[row : row + 1], 3)
        assert (actual[:, row] == alone[:, 0]).numpy().all()
        assert_close(totals[:, row], total[:, 0], 1e-4)
