"""Hochreiter & Schmidhuber (1997): the embedded Reber grammar, Elman's network against the LSTM.

Predict all symbols that may come next in strings that begin and end with the same one of two symbols. A trial is won
when at every step of 256 test strings the legal symbols have the largest outputs.

Published (table 1; batch 1, gradient descent, no forget gate): LSTM of 264 to 276 weights 97 to 100 % of the trials in
39,740, 21,730, 14,060, 9,500 and 8,440 sequences (means, by size and learning rate); Elman's network, one-step
truncated gradient, 0 % after 200,000; RTRL some fraction in 25,000 to 173,000.

Their conditions here: batch 1, plain gradient descent, 256 strings to learn from for each trial, blocks of cells that
share their gates, squashing functions from -2 to 2 and from -1 to 1, logistic outputs, squared error, weights from
[-0.2, 0.2], output gates biased by -1, -2, -3; 60 trials side by side, each with strings, weights and updates of its
own, capped at 40,000 sequences, tested every 250. Where they differ: the whole gradient instead of one cut where it
leaves the cells (a row has theirs), biases of outputs, input gates that begin open (bias 1), gates that do not feed
back. Sizes, rates and biases were tried out on 30 trials of seeds 0 to 2; the table is of 60 of seed 1. Modern
conditions: `--task=reber` of this package, batches of 32, Adam with learning rate 0.005, seeds 0 to 4.

Measured: LSTM without forget gate 56 of 60 in 6,857 sequences, with it 59 of 60 in 3,758; the gradient cut where it
leaves the cells 44 of 60; Elman, one-step gradient, none, whole gradient 5 of 60 in 25,850. Modern: LSTM 5 of 5 in
30,720 (without) and 31,360, Elman none of 5. 810 s beside other work: `python -m experiments.reber`.
"""

import itertools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import rnnzoo
from experiments.common import Found, main, trainer, until
from rnnzoo.tasks.reber import sample_string

SYMBOLS, LONGEST = "BTPSXVE", 30
TRIALS, CAP, EVERY, LEARNED, TESTED, SEED = 60, 40_000, 250, 256, 256, 1


class Trials(rnnzoo.cells.Cell):
    """Many small networks side by side: features and states are those of all trials, one after another.

    `block` cells of an LSTM share their gates. With `cut` no gradient goes back from a tick to the outputs of the
    tick before, only through the cells.
    """

    def __init__(self, kind: str, units: int, trials: int, block: int = 1, cut: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.kind, self.units, self.trials, self.block, self.cut = kind, units, trials, block, cut
        self.gates = {"elman": 0, "lstm, no forget gate": 2, "lstm": 3}[kind]
        self.width = units + self.gates * (units // block)
        self.state_size = [trials * units] * (2 if self.gates else 1)
        self.output_size = trials * units

    def build(self, input_shape: Any) -> None:
        small = keras.initializers.RandomUniform(-0.2, 0.2)
        shape = (self.trials, input_shape[-1] // self.trials, self.width)
        self.kernel = self.add_weight(shape=shape, initializer=small, name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(self.trials, self.units, self.width), initializer=small)
        biased = self.width - self.units if self.gates else self.width  # cells have none, as theirs
        self.bias = self.add_weight(shape=(self.trials, biased), initializer="zeros", name="bias")
        if self.gates:
            apart = np.arange(1.0, self.units // self.block + 1)  # so that the blocks come into use one by one
            parts = [np.ones_like(apart), -apart, apart][: self.gates]
            self.bias.assign(np.tile(np.concatenate(parts), [self.trials, 1]))

    def each(self, t: tf.Tensor, size: int) -> tf.Tensor:
        """`[..., trials size]` as `[..., trials, size]`."""
        return tf.reshape(t, tf.concat([tf.shape(t)[:-1], [self.trials, size]], 0))

    def together(self, t: tf.Tensor, size: int) -> tf.Tensor:
        """The inverse of `each`."""
        flat = tf.reshape(t, tf.concat([tf.shape(t)[:-2], [self.trials * size]], 0))
        return tf.ensure_shape(flat, [None] * (t.shape.rank - 2) + [self.trials * size])

    def project(self, inputs: tf.Tensor, training: Any = False) -> tf.Tensor:
        x = self.each(inputs, self.kernel.shape[1])
        b = tf.pad(tf.convert_to_tensor(self.bias), [[0, 0], [0, self.width - self.bias.shape[1]]])
        x = tf.einsum("...nf,nfk->...nk", x, tf.convert_to_tensor(self.kernel)) + b
        return self.together(x, self.width)

    def recurrent(self, state: tuple, consts: Any) -> tf.Tensor:
        h = self.each(tf.stop_gradient(state[0]) if self.cut else state[0], self.units)
        r = tf.einsum("...nu,nuk->...nk", h, tf.convert_to_tensor(self.recurrent_kernel))
        return self.together(r, self.width)

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        if self.kind == "elman":
            h = tf.sigmoid(x + r)
            return h, (h,)
        *gates, z = tf.split(self.each(x + r, self.width), [self.units // self.block] * self.gates + [self.units], -1)
        i, o, *f = (self.together(tf.repeat(tf.sigmoid(g), self.block, -1), self.units) for g in gates)
        c = i * 2 * tf.tanh(0.5 * self.together(z, self.units)) + (f[0] * state[1] if f else state[1])
        h = o * tf.tanh(0.5 * c)
        return h, (h, c)


class Networks:
    """Networks side by side, a trial each: the recurrent layer, logistic outputs, and gradient descent."""

    def __init__(self, cell: Trials, rate: float, truncate: int | None = None, seed: int = SEED):
        keras.utils.set_random_seed(seed)
        self.trials, self.units, self.rate = cell.trials, cell.units, rate
        self.layer = rnnzoo.layers.RNN(cell, return_sequences=True, truncate=truncate)
        self.layer.build((1, LONGEST, self.trials * len(SYMBOLS)))
        rng = np.random.default_rng(seed)
        self.V = tf.Variable(rng.uniform(-0.2, 0.2, (self.trials, self.units, len(SYMBOLS))).astype("float32"))
        self.c = tf.Variable(tf.zeros([self.trials, len(SYMBOLS)]))

    @property
    def weights(self) -> int:
        """Weights of one trial."""
        return sum(int(np.prod(v.shape[1:])) for v in (*self.layer.weights, self.V, self.c))

    def outputs(self, x: tf.Tensor) -> tf.Tensor:
        """Of strings `[strings, time, trials, symbols]`, one of each for every trial."""
        count = x.shape[0]
        h = self.layer(tf.reshape(x, [count, LONGEST, self.trials * len(SYMBOLS)]), training=True)
        h = tf.reshape(h, [count, LONGEST, self.trials, self.units])
        return tf.sigmoid(tf.einsum("btnu,nuk->btnk", h, tf.convert_to_tensor(self.V)) + self.c)

    @tf.function(jit_compile=True)
    def learn(self, x: tf.Tensor, y: tf.Tensor, there: tf.Tensor, going: tf.Tensor) -> None:
        """One string for each trial `[trials, time, ...]`, and one step of gradient descent for those still going."""
        variables = [*(v.value for v in self.layer.trainable_weights), self.V, self.c]
        with tf.GradientTape() as tape:
            outputs = tf.transpose(self.outputs(tf.transpose(x, [1, 0, 2])[None])[0], [1, 0, 2])
            loss = 0.5 * tf.reduce_sum(tf.math.squared_difference(outputs, y) * there[..., None])
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            rate = tf.reshape(self.rate * going, [-1] + [1] * (gradient.shape.rank - 1))
            variable.assign_sub(rate * gradient)

    @tf.function(jit_compile=True)
    def wrong(self, x: tf.Tensor, allowed: tf.Tensor, there: tf.Tensor) -> tf.Tensor:
        """How many steps of all strings `[strings, time, ...]` each trial has wrong."""
        outputs = self.outputs(tf.repeat(x[:, :, None], self.trials, 2))
        least = tf.reduce_min(tf.where(allowed[:, :, None], outputs, 2.0), -1)
        most = tf.reduce_max(tf.where(allowed[:, :, None], -1.0, outputs), -1)
        return tf.reduce_sum(tf.cast(least <= most, tf.float32) * there[..., None], [0, 1])


def strings(rng: np.random.Generator, count: int) -> tuple[np.ndarray, ...]:
    """Symbols, the symbols after them, what would be legal, and which steps are there."""
    x, y, allowed = (np.zeros([count, LONGEST, len(SYMBOLS)], "float32") for _ in range(3))
    for row in range(count):
        steps = sample_string(rng, LONGEST)
        for t, ((now, _), (then, others)) in enumerate(itertools.pairwise(steps)):
            x[row, t, SYMBOLS.index(now)] = y[row, t, SYMBOLS.index(then)] = 1
            allowed[row, t, [SYMBOLS.index(symbol) for symbol in others]] = 1
    return x, y, allowed > 0, x.any(-1).astype("float32")


def as_in_1997(cell: Trials, rate: float, cap: int, truncate: int | None = None) -> tuple:
    """A row of the table."""
    nets, trials, rng = Networks(cell, rate, truncate), cell.trials, np.random.default_rng(SEED)
    pool = [np.split(part, trials) for part in strings(rng, trials * LEARNED)]  # those of each trial
    x_test, _, allowed, there_test = map(tf.constant, strings(np.random.default_rng(SEED + 1), TESTED))
    needed = np.full(trials, np.inf)
    for seen in range(1, cap + 1):
        draws = rng.integers(LEARNED, size=trials)
        x, y, _, there = (np.stack([of[k] for of, k in zip(part, draws, strict=True)]) for part in pool)
        nets.learn(x, y, there, np.isinf(needed).astype("float32"))
        if seen % EVERY == 0:
            needed[(nets.wrong(x_test, allowed, there_test).numpy() == 0) & np.isinf(needed)] = seen
            if np.isfinite(needed).all():
                break
    solved = np.isfinite(needed)
    back = "one step" if truncate else "in the cells" if cell.cut else "all"
    size = f"{cell.units // cell.block} blocks of {cell.block}" if cell.gates else f"{cell.units} units"
    mean = round(float(needed[solved].mean())) if solved.any() else None
    won = f"{solved.sum()} of {trials}"
    return f"{cell.kind}, {size}", f"1997, learning rate {rate}", nets.weights, back, won, mean


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
    free = "lstm, no forget gate"
    rows = [
        as_in_1997(Trials("elman", 12, trials), 0.5, cap, truncate=1),
        as_in_1997(Trials("elman", 12, trials), 0.5, cap),
        as_in_1997(Trials(free, 9, trials, 3), 0.3, cap),
        as_in_1997(Trials(free, 9, trials, 3), 0.2, cap),
        as_in_1997(Trials(free, 9, trials, 3, cut=True), 0.3, cap),
        as_in_1997(Trials("lstm", 9, trials, 3), 0.3, cap),
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
