"""Training on several devices gives what it gives on one."""

import json

import numpy as np
import pytest
import tensorflow as tf
from keras import tree

from rnnzoo.cells import noise
from rnnzoo.errors import UserError
from rnnzoo.training.distribution import Distribution
from tests.helpers import fresh_python
from tests.training.distributed_runs import CASES, write_data

RUN = "from tests.training.distributed_runs import main; main()"


@pytest.fixture(scope="module")
def on_one_device(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distributed")
    write_data(folder)
    return folder, json.loads(fresh_python(RUN, 0, folder).splitlines()[-1])


@pytest.mark.slow
def test_every_kind_of_task_trains_as_on_one_device(on_one_device):
    """Losses, norms of gradients, metrics and weights, with dropout, states and batches that are not divisible."""
    folder, expected = on_one_device
    actual = json.loads(fresh_python(RUN, 2, folder).splitlines()[-1])
    assert expected.keys() == CASES.keys()
    for name in CASES:
        assert expected[name]["state"] == actual[name]["state"]
        flat = [np.array(tree.flatten({**results[name], "state": 0})) for results in (expected, actual)]
        np.testing.assert_allclose(*flat, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("axis", [0, -2])
def test_rows_keep_their_random_numbers(axis):
    shape = [7, 3] if axis == 0 else [4, 7, 3]

    def draw(size):
        return tf.random.stateless_uniform(size, [1, 2])

    whole, parts = draw(shape), []
    for first, end in ((0, 3), (3, 5), (5, 7)):
        own = list(shape)
        own[axis] = end - first
        with noise.rows_of_batch(first, 7):
            parts.append(noise.sample_rows(draw, own, axis))
    assert np.array_equal(np.concatenate(parts, axis), whole)
    assert np.array_equal(noise.sample_rows(draw, shape, axis), whole)


def test_dropout_is_that_of_keras_on_one_device():
    layers = [cls(0.4, seed=3) for cls in (noise.Dropout, noise.keras.layers.Dropout)]
    x = tf.ones([4, 5])
    ours, theirs = (layer(x, training=True) for layer in layers)
    assert np.array_equal(ours, theirs) and not np.array_equal(ours, x)
    assert np.array_equal(layers[0](x), x)
    with noise.rows_of_batch(2, 6):
        part = layers[0](x, training=True)
    assert set(np.unique(np.round(part, 4))) <= {0.0, np.float32(1.6667)}


def test_rows_are_divided_as_evenly_as_possible():
    distribution = Distribution()
    distribution.num_replicas = 3
    for total in (3, 7, 8, 9):
        bounds = [distribution._bounds(total, replica) for replica in range(3)]
        assert [list(range(*b)) for b in bounds] == [part.tolist() for part in np.array_split(range(total), 3)]
    with pytest.raises(UserError, match="a batch of 2 rows cannot be divided over 3 devices"):
        distribution._bounds(2, 0)
