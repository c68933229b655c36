"""Hochreiter & Schmidhuber (1997): the embedded Reber grammar, Elman's network against the LSTM.

Predict all symbols that may come next in strings that begin and end with the same one of two symbols. A trial is won
when at every step of 256 test strings the legal symbols have the largest outputs.

Published (table 1; batch 1, gradient descent, no forget gate): LSTM of 264 to 276 weights 97 to 100 % of the trials in
39,740, 21,730, 14,060, 9,500 and 8,440 sequences (means, by size and learning rate); Elman's network, one-step
truncated gradient, 0 % after 200,000; RTRL some fraction in 25,000 to 173,000.

Their conditions here: batch 1, plain gradient descent with learning rate 0.5 or 0.25, logistic outputs, squared error,
weights from [-0.2, 0.2], output gates biased by -1, -2, ...; 30 trials side by side, each with strings, weights and
updates of its own, capped at 40,000 sequences, tested every 250. Where they differ: an ordinary LSTM layer of 6 or 8
units with tanh instead of blocks with scaled logistic functions, the whole gradient instead of a truncated one, new
strings at every step. (Scaled functions as theirs: 25 of 30 in 12,330; the gradient cut where it leaves a cell, as
theirs: 9 of 30.) Modern conditions: `--task=reber` of this package, batches of 32, Adam with learning rate 0.005.

Measured, 1997: LSTM without forget gate 23 of 30 in 8,196 sequences, 25 of 30 in 16,410; with it 3 of 30; Elman none.
Modern: LSTM 5 of 5 in 30,720 (without) and 31,360, Elman none of 5. Some 950 s: `python -m experiments.reber`.
"""

import itertools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import rnnzoo
from experiments.common import Found, main, trainer, until
from rnnzoo.tasks.reber import embedded_string

SYMBOLS, LONGEST = "BTPSXVE", 30
TRIALS, CAP, EVERY, TESTED = 30, 40_000, 250, 256


class Trials(rnnzoo.cells.Cell):
    """Many small networks side by side: features and states are those of all trials, one after another."""

    def __init__(self, units: int, trials: int, kind: str, **kwargs: Any):
        super().__init__(**kwargs)
        self.units, self.trials, self.kind = units, trials, kind
        self.blocks = {"elman": 1, "lstm, no forget gate": 3, "lstm": 4}[kind]
        self.state_size = trials * units if kind == "elman" else [trials * units, trials * units]

    def build(self, input_shape: Any) -> None:
        small, width = keras.initializers.RandomUniform(-0.2, 0.2), self.blocks * self.units
        shape = (self.trials, input_shape[-1] // self.trials, width)
        self.kernel = self.add_weight(shape=shape, initializer=small, name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(self.trials, self.units, width), initializer=small, name="U")
        self.bias = self.add_weight(shape=(self.trials, width), initializer="zeros", name="bias")
        if self.kind != "elman":
            start = np.zeros([self.trials, width], "float32")
            start[:, -self.units :] = -np.arange(1, self.units + 1)  # the output gates
            self.bias.assign(start)

    def each(self, t: tf.Tensor, size: int) -> tf.Tensor:
        """`[..., trials size]` as `[..., trials, size]`."""
        return tf.reshape(t, tf.concat([tf.shape(t)[:-1], [self.trials, size]], 0))

    def together(self, t: tf.Tensor, size: int) -> tf.Tensor:
        """The inverse of `each`."""
        flat = tf.reshape(t, tf.concat([tf.shape(t)[:-2], [self.trials * size]], 0))
        return tf.ensure_shape(flat, [None] * (t.shape.rank - 2) + [self.trials * size])

    def project(self, inputs: tf.Tensor, training: Any = False) -> tf.Tensor:
        x = self.each(inputs, self.kernel.shape[1])
        x = tf.einsum("...nf,nfk->...nk", x, tf.convert_to_tensor(self.kernel)) + self.bias
        return self.together(x, self.blocks * self.units)

    def recurrent(self, state: tuple, consts: Any) -> tf.Tensor:
        h = self.each(state[0], self.units)
        r = tf.einsum("...nu,nuk->...nk", h, tf.convert_to_tensor(self.recurrent_kernel))
        return self.together(r, self.blocks * self.units)

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        if self.kind == "elman":
            h = tf.sigmoid(x + r)
            return h, (h,)
        parts = tf.split(self.each(x + r, self.blocks * self.units), self.blocks, -1)
        i, *f, g, o = (self.together(part, self.units) for part in parts)
        c = tf.sigmoid(i) * tf.tanh(g) + (tf.sigmoid(f[0]) * state[1] if f else state[1])
        h = tf.sigmoid(o) * tf.tanh(c)
        return h, (h, c)


class Networks:
    """Networks side by side, a trial each: the recurrent layer, logistic outputs, and gradient descent."""

    def __init__(self, kind: str, units: int, trials: int, truncate: int | None, rate: float = 0.5):
        keras.utils.set_random_seed(0)
        self.trials, self.units, self.rate = trials, units, rate
        self.layer = rnnzoo.layers.RNN(Trials(units, trials, kind), return_sequences=True, truncate=truncate)
        self.layer.build((1, LONGEST, trials * len(SYMBOLS)))
        rng = np.random.default_rng(0)
        self.V = tf.Variable(rng.uniform(-0.2, 0.2, (trials, units, len(SYMBOLS))).astype("float32"))
        self.c = tf.Variable(tf.zeros([trials, len(SYMBOLS)]))
        self.weights = sum(int(np.prod(v.shape[1:])) for v in (*self.layer.trainable_weights, self.V, self.c))

    def outputs(self, x: tf.Tensor) -> tf.Tensor:
        """Of strings `[trials, time, symbols]`, one for each trial, `[trials, time, symbols]`."""
        x = tf.reshape(tf.transpose(x, [1, 0, 2]), [1, LONGEST, self.trials * len(SYMBOLS)])
        h = tf.reshape(self.layer(x, training=True), [LONGEST, self.trials, self.units])
        return tf.sigmoid(tf.transpose(tf.einsum("tnu,nuk->tnk", h, self.V) + self.c, [1, 0, 2]))

    @tf.function(jit_compile=True)
    def learn(self, x: tf.Tensor, y: tf.Tensor, there: tf.Tensor, going: tf.Tensor) -> None:
        """One string for each trial, and one step of gradient descent for those still going."""
        variables = [*(v.value for v in self.layer.trainable_weights), self.V, self.c]
        with tf.GradientTape() as tape:
            loss = 0.5 * tf.reduce_sum(tf.math.squared_difference(self.outputs(x), y) * there[..., None])
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            rate = tf.reshape(self.rate * going, [-1] + [1] * (gradient.shape.rank - 1))
            variable.assign_sub(rate * gradient)

    @tf.function(jit_compile=True)
    def wrong(self, x: tf.Tensor, legal: tf.Tensor, there: tf.Tensor) -> tf.Tensor:
        """How many steps of one string `[time, ...]` each trial has wrong."""
        outputs = self.outputs(tf.repeat(x[None], self.trials, 0))
        least = tf.reduce_min(tf.where(legal, outputs, 2.0), -1)
        most = tf.reduce_max(tf.where(legal, -1.0, outputs), -1)
        return tf.reduce_sum(tf.cast(least <= most, tf.float32) * there, -1)


def strings(rng: np.random.Generator, count: int) -> tuple[np.ndarray, ...]:
    """Symbols, the symbols after them, what would be legal, and which steps are there."""
    x, y, legal = (np.zeros([count, LONGEST, len(SYMBOLS)], "float32") for _ in range(3))
    for row in range(count):
        steps = embedded_string(rng, LONGEST)
        for t, ((now, _), (then, others)) in enumerate(itertools.pairwise(steps)):
            x[row, t, SYMBOLS.index(now)] = y[row, t, SYMBOLS.index(then)] = 1
            legal[row, t, [SYMBOLS.index(symbol) for symbol in others]] = 1
    return x, y, legal > 0, x.any(-1).astype("float32")


def as_in_1997(kind: str, units: int, truncate: int | None, rate: float, trials: int, cap: int) -> tuple:
    """A row of the table."""
    nets, rng = Networks(kind, units, trials, truncate, rate), np.random.default_rng(1)
    x_test, _, legal, there_test = strings(np.random.default_rng(2), TESTED)
    needed = np.full(trials, np.inf)
    pool = strings(rng, trials * EVERY)
    for seen in range(1, cap + 1):
        if seen % EVERY == 1:  # new strings; made ahead, for speed
            pool = strings(rng, trials * EVERY)
        at = ((seen - 1) % EVERY) * trials
        x, y, _, there = (part[at : at + trials] for part in pool)
        nets.learn(x, y, there, np.isinf(needed).astype("float32"))
        if seen % EVERY == 0:
            tested = (nets.wrong(*string).numpy() for string in zip(x_test, legal, there_test, strict=True))
            won = (sum(tested) == 0) & np.isinf(needed)
            needed[won] = seen
            if np.isfinite(needed).all():
                break
    solved = np.isfinite(needed)
    back = "one step" if truncate else "all"
    mean = round(float(needed[solved].mean())) if solved.any() else None
    return (
        f"{kind}, {units} units",
        f"1997, learning rate {rate}",
        nets.weights,
        back,
        f"{solved.sum()} of {trials}",
        mean,
    )


def modern(model: str, name: str, units: int, quick: bool, **options: Any) -> tuple:
    """A row of the table: this package's task and training."""
    needed, weights, count = [], 0, 1 if quick else 5
    for seed in range(count):
        task = rnnzoo.create_task("reber", eval_size=256)
        made = trainer(model, task, 40 if quick else 2500, 0.005, seed=seed, options={"units": units, **options})
        weights = made.model.count_params()
        needed.append(until(made, lambda found: found["accuracy"] == 1.0, 25)[0])
    solved = [n for n in needed if n is not None]
    mean = round(float(np.mean(solved))) if solved else None
    return (
        f"{name}, {units} units",
        "modern",
        weights,
        "one step" if options.get("truncate") else "all",
        f"{len(solved)} of {count}",
        mean,
    )


def run(quick: bool) -> Found:
    """Trials won, and the sequences that took, as a mean over those."""
    trials, cap = (4, 500) if quick else (TRIALS, CAP)
    rows = [
        as_in_1997("elman", 12, 1, 0.5, trials, cap),
        as_in_1997("elman", 12, None, 0.5, trials, cap),
        as_in_1997("lstm, no forget gate", 6, None, 0.5, trials, cap),
        as_in_1997("lstm, no forget gate", 8, None, 0.25, trials, cap),
        as_in_1997("lstm", 6, None, 0.5, trials, cap),
        modern("elman", "elman", 12, quick, truncate=1),
        modern("elman", "elman", 12, quick),
        modern("lstm", "lstm, no forget gate", 12, quick, forget_gate=False),
        modern("lstm", "lstm", 12, quick),
    ]
    head = ("network", "conditions", "weights", "gradient goes back", "trials won", "sequences, mean of those won")
    says = "Published: LSTM 97 to 100 % in 8,440 to 39,740 sequences; Elman, one-step gradient, none in 200,000."
    return Found(head, rows, {}, says)


if __name__ == "__main__":
    main("reber", run)
