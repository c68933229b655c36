"""The loop over time forward, by operations that other runtimes convert."""

import tensorflow as tf
from keras import tree

from rnnzoo.cells import Cell
from rnnzoo.layers.loops import Given, Trace, run_step, step_output
from rnnzoo.layers.rows import Rows
from rnnzoo.layers.tick import Tick, bound


def portable_forward(cell: Cell, tick: Tick, given: Given, sequence: bool) -> tuple[tuple, Trace]:
    """`forward` by operations that LiteRT converts at any batch size and length; the trace has the outputs alone.

    Outputs are scattered into a tensor, which TensorFlow copies each time. So they are gathered in blocks of about
    `sqrt(time)` steps first: `time ** 1.5` rows are copied and not `time ** 2`.
    """
    x, state, consts, weights, mask = given
    time = tf.shape(tree.flatten(x)[0])[0]
    like = tick.output if tick.output_state is None else state[tick.output_state]
    rows = [tf.shape(state[0])[0], *like.shape[1:]]
    size = tf.maximum(tf.cast(tf.math.ceil(tf.sqrt(tf.cast(time, tf.float32))), tf.int32), 1)
    blocks = (time + size - 1) // size
    steps = time * tf.minimum(rows[0], 1)  # nothing can be scattered into a batch of no rows

    def place(tensor: tf.Tensor, index: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.tensor_scatter_nd_update(tensor, [[index]], value[None]), tensor.shape)

    def step(t: tf.Tensor, state: tuple, *block: tf.Tensor) -> tuple:
        output, new, *_ = run_step(cell, (x, mask), Rows(), t, state, consts)
        return t + 1, new, *(place(b, t % size, step_output(tick, output, new)) for b in block)

    def block(k: tf.Tensor, state: tuple, whole: tf.Tensor) -> tuple:
        empty = tf.ensure_shape(tf.zeros([size, *rows], like.dtype), [None, None, *like.shape[1:]])
        end = tf.minimum((k + 1) * size, steps)
        _, state, outputs = tf.while_loop(lambda t, *_: t < end, step, (k * size, state, empty))
        return k + 1, state, place(whole, k, outputs)

    with bound(cell, weights):
        if not sequence:
            _, final = tf.while_loop(lambda t, *_: t < steps, step, (tf.constant(0), tuple(state)))
            return final, Trace([], [], [], [])
        whole = tf.ensure_shape(tf.zeros([blocks, size, *rows], like.dtype), [None, None, None, *like.shape[1:]])
        _, final, whole = tf.while_loop(lambda k, *_: k * size < steps, block, (tf.constant(0), tuple(state), whole))
    outputs = tf.reshape(whole, [blocks * size, *rows])[:time]
    return final, Trace([], [outputs], [], [])
