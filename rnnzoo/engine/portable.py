"""A forward loop over time made of operations that other runtimes can convert."""

import tensorflow as tf
from keras import tree

from rnnzoo.cells import Cell
from rnnzoo.engine.batch_slices import BatchSlice
from rnnzoo.engine.cell_trace import CellTrace, bind_weights
from rnnzoo.engine.forward_loop import recorded_output, run_step
from rnnzoo.engine.tape import LoopInputs, LoopTape


def run_forward_portable(cell: Cell, trace: CellTrace, inputs: LoopInputs, sequence: bool) -> tuple[tuple, LoopTape]:
    """Runs the forward loop by operations that LiteRT converts: `(final_state, tape of outputs)`.

    Outputs are scattered into a tensor, which TensorFlow copies each time. They are therefore first collected in blocks
    of about `sqrt(time)` steps, so that `time ** 1.5` rows are copied and not `time ** 2`.
    """
    x, state, consts, weights, mask = inputs
    time = tf.shape(tree.flatten(x)[0])[0]
    spec = trace.output if trace.output_state is None else state[trace.output_state]
    row_shape = [tf.shape(state[0])[0], *spec.shape[1:]]
    size = tf.maximum(tf.cast(tf.math.ceil(tf.sqrt(tf.cast(time, tf.float32))), tf.int32), 1)
    num_blocks = (time + size - 1) // size
    steps = time * tf.minimum(row_shape[0], 1)  # nothing can be scattered into a batch of no rows

    def scatter(tensor: tf.Tensor, index: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.tensor_scatter_nd_update(tensor, [[index]], value[None]), tensor.shape)

    def step(t: tf.Tensor, state: tuple, *block: tf.Tensor) -> tuple:
        output, new_state, *_ = run_step(cell, (x, mask), BatchSlice(), t, state, consts)
        output = recorded_output(trace, output, new_state)
        return t + 1, new_state, *(scatter(b, t % size, output) for b in block)

    def run_block(k: tf.Tensor, state: tuple, blocks: tf.Tensor) -> tuple:
        empty = tf.ensure_shape(tf.zeros([size, *row_shape], spec.dtype), [None, None, *spec.shape[1:]])
        end = tf.minimum((k + 1) * size, steps)
        _, state, block = tf.while_loop(lambda t, *_: t < end, step, (k * size, state, empty))
        return k + 1, state, scatter(blocks, k, block)

    with bind_weights(cell, weights):
        loop_vars = (tf.constant(0), tuple(state))
        if not sequence:
            _, final = tf.while_loop(lambda t, *_: t < steps, step, loop_vars)
            return final, LoopTape([], [], [], [])
        blocks = tf.zeros([num_blocks, size, *row_shape], spec.dtype)
        blocks = tf.ensure_shape(blocks, [None, None, None, *spec.shape[1:]])
        _, final, blocks = tf.while_loop(lambda k, *_: k * size < steps, run_block, (*loop_vars, blocks))
    outputs = tf.reshape(blocks, [num_blocks * size, *row_shape])[:time]
    return final, LoopTape([], [outputs], [], [])
