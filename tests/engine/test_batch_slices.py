"""In which layers the batch is split into halves that run side by side."""

import pytest
import tensorflow as tf

import rnnzoo
from tests.helpers import normal


def num_loops(layer, shape):
    """Returns the number of loops over time in the graph of a layer."""
    x = tf.constant(normal(*shape))
    layer(x)
    graph = tf.function(layer).get_concrete_function(x).graph
    return sum(op.type in ("While", "StatelessWhile") for op in graph.get_operations())


@pytest.mark.parametrize(
    ("layer", "shape", "loops"),
    [
        (rnnzoo.layers.LSTM(64), (32, 5, 8), 2),
        (rnnzoo.layers.ElmanRNN(128), (64, 5, 8), 2),
        (rnnzoo.layers.LayerNormLSTM(128), (32, 5, 8), 2),
        (rnnzoo.layers.LSTM(128), (1, 5, 8), 1),  # one row has no halves
        (rnnzoo.layers.ElmanRNN(64), (32, 5, 8), 1),  # too little work at a time step
        (rnnzoo.layers.IndRNN(512), (64, 5, 8), 1),  # no recurrent matrix
        (rnnzoo.layers.DampenedRNN(512), (64, 5, 8), 1),
    ],
)
def test_small_time_steps_run_in_one_piece(layer, shape, loops):
    assert num_loops(layer, shape) == loops
