"""The cells in NumPy, one tick at a time, written from the papers' equations."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def dampened(weights, x, state, dampening=0.5):
    W, b, *learned = weights
    (a,) = state
    a = sigmoid(x @ W + (learned[0] if learned else dampening) * a + b)
    return a, [a]


def elman(weights, x, state):
    W, U, b = weights
    (h,) = state
    h = np.tanh(x @ W + h @ U + b)
    return h, [h]


def jordan(weights, x, state):
    W, U, b, V, c = weights
    (y,) = state
    h = np.tanh(x @ W + y @ U + b)
    y = np.tanh(h @ V + c)
    return y, [y]


def lstm(weights, x, state):
    W, U, b = weights
    h, c = state
    n = h.shape[-1]
    zi, zf, zc, zo = (
        x @ W[:, k * n : (k + 1) * n] + h @ U[:, k * n : (k + 1) * n] + b[k * n : (k + 1) * n] for k in range(4)
    )
    c = sigmoid(zf) * c + sigmoid(zi) * np.tanh(zc)
    h = sigmoid(zo) * np.tanh(c)
    return h, [h, c]


def lstm_1997(weights, x, state):
    W, U, b = weights
    h, c = state
    n = h.shape[-1]
    zi, zc, zo = (
        x @ W[:, k * n : (k + 1) * n] + h @ U[:, k * n : (k + 1) * n] + b[k * n : (k + 1) * n] for k in range(3)
    )
    c = c + sigmoid(zi) * np.tanh(zc)
    h = sigmoid(zo) * np.tanh(c)
    return h, [h, c]


def feedforward(weights, x, state, window=8):
    """The window of inputs itself is kept here: `state[0]` is a list of the last inputs, the latest first."""
    W, b = weights
    seen = [x, *state[0]][:window]
    n = b.shape[0]
    y = np.tanh(sum(past @ W[:, k * n : (k + 1) * n] for k, past in enumerate(seen)) + b)
    return y, [seen]


def run(tick, weights, x, state, mask=None):
    """All ticks over `x [batch, time, features]`: outputs and final states, by the rule for masks."""
    batch, time = x.shape[:2]
    rows = []
    for b in range(batch):
        current = [s if isinstance(s, list) else s[b : b + 1] for s in state]
        last, outputs = None, []
        for t in range(time):
            if mask is None or mask[b, t]:
                last, current = tick(weights, x[b : b + 1, t], current)
            outputs.append(last)
        size = next((o.shape[-1] for o in outputs if o is not None), 0)
        outputs = [np.zeros((1, size)) if o is None else o for o in outputs]
        rows.append((np.stack(outputs, 1), current))
    return rows
