"""The cells in NumPy, one time step at a time, from the papers' equations."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def dampened(weights, x, state, dampening=0.5):
    W, *learned, b = weights
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
    n = c.shape[-1]
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


def lstm_projected(weights, x, state):
    W, U, b, P = weights
    m, [_, c] = lstm([W, U, b], x, [state[0], state[1]])
    return m @ P, [m @ P, c]


def lstm_zoneout(weights, x, state, rate, rate_cell):
    """The expectation, as when it is not trained."""
    _, (h, c) = lstm(weights, x, state)
    h, c = rate * state[0] + (1 - rate) * h, rate_cell * state[1] + (1 - rate_cell) * c
    return h, [h, c]


def lstm_peephole(weights, x, state):
    W, U, b, (p_i, p_f, p_o) = weights
    h, c = state
    zi, zf, zc, zo = np.split(x @ W + h @ U + b, 4, -1)
    i, f = sigmoid(zi + p_i * c), sigmoid(zf + p_f * c)
    c = f * c + i * np.tanh(zc)
    h = sigmoid(zo + p_o * c) * np.tanh(c)
    return h, [h, c]


def lstm_peephole_1997(weights, x, state):
    W, U, b, (p_i, p_o) = weights
    h, c = state
    zi, zc, zo = np.split(x @ W + h @ U + b, 3, -1)
    c = c + sigmoid(zi + p_i * c) * np.tanh(zc)
    h = sigmoid(zo + p_o * c) * np.tanh(c)
    return h, [h, c]


def layer_norm(a):
    return (a - a.mean(-1, keepdims=True)) / np.sqrt(a.var(-1, keepdims=True) + 1e-5)


def lstm_layernorm(weights, x, state):
    W, U, b, alpha_x, alpha_h, alpha_c, beta_c = weights
    h, c = state
    i, f, g, o = np.split(layer_norm(x @ W) * alpha_x + layer_norm(h @ U) * alpha_h + b, 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(layer_norm(c) * alpha_c + beta_c)
    return h, [h, c]


def gru(weights, x, state):
    W, U, (b, d) = weights
    (h,) = state
    (xz, xr, xh), (hz, hr, hh) = np.split(x @ W + b, 3, -1), np.split(h @ U + d, 3, -1)
    z, r = sigmoid(xz + hz), sigmoid(xr + hr)
    h = z * h + (1 - z) * np.tanh(xh + r * hh)
    return h, [h]


def gru_reset_before(weights, x, state):
    W, U, b = weights
    (h,) = state
    (xz, xr, xh), (Uz, Ur, Uh) = np.split(x @ W + b, 3, -1), np.split(U, 3, -1)
    z, r = sigmoid(xz + h @ Uz), sigmoid(xr + h @ Ur)
    h = z * h + (1 - z) * np.tanh(xh + (r * h) @ Uh)
    return h, [h]


def indrnn(weights, x, state):
    W, u, b = weights
    (h,) = state
    h = np.maximum(0, x @ W + u * h + b)
    return h, [h]


def deep_transition(weights, x, state, depth=3, shortcut=True):
    """Pascanu et al. 2013, section 3.3.2: `h_t = sigma(U_L sigma(... sigma(U_1 h_{t-1} + W x_t)))`."""
    W, U_1, b_1, *rest = weights
    (h,) = state
    z = np.tanh(h @ U_1 + x @ W + b_1)
    for k in range(depth - 1):
        U, b = rest[2 * k : 2 * k + 2]
        past = h @ rest[-1] if shortcut and k == depth - 2 else 0
        z = np.tanh(z @ U + past + b)
    return z, [z]


def feedforward(weights, x, state, window=8):
    """Keeps the window of inputs: `state[0]` is a list of the last inputs, the latest first."""
    W, b = weights
    seen = [x, *state[0]][:window]
    n = b.shape[0]
    y = np.tanh(sum(past @ W[:, k * n : (k + 1) * n] for k, past in enumerate(seen)) + b)
    return y, [seen]


def run(step_fn, weights, x, state, mask=None):
    """Runs all time steps of `x [batch, time, features]` with masks: outputs and final states."""
    batch, time = x.shape[:2]
    rows = []
    for b in range(batch):
        current = [s if isinstance(s, list) else s[b : b + 1] for s in state]
        last, outputs = None, []
        for t in range(time):
            if mask is None or mask[b, t]:
                last, current = step_fn(weights, x[b : b + 1, t], current)
            outputs.append(last)
        size = next((o.shape[-1] for o in outputs if o is not None), 0)
        outputs = [np.zeros((1, size)) if o is None else o for o in outputs]
        rows.append((np.stack(outputs, 1), current))
    return rows
