"""Matrix products for cells: with pre-transposed weights, and through embedding lookups."""

import contextlib
import contextvars
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow.python.ops import control_flow_util

_TRANSPOSED: contextvars.ContextVar[Mapping[int, tf.Tensor]] = contextvars.ContextVar("transposed")


@contextlib.contextmanager
def pretransposed(weights: Mapping[int, tf.Tensor]) -> Iterator[None]:
    """Context in which the gradient of `dot(x, w)` uses `weights[id(w)]`, the transpose of `w`.

    The backward loop runs in it, so that a weight is transposed once before the loop and not at every time step.
    """
    token = _TRANSPOSED.set(weights)
    try:
        yield
    finally:
        _TRANSPOSED.reset(token)


def dot(x: Any, w: Any, start: int = 0, end: int | None = None, bias: tf.Tensor | None = None) -> tf.Tensor:
    """Computes `x w + bias`, the only product by which cells use their weights.

    `x` is `[..., n]`, `w` a weight `[n, m]`, of which the columns `start` to `end` are used; the result is `[..., m]`
    in the dtype of x.

    Raises:
        TypeError: x is not floating point.
    """
    x = tf.convert_to_tensor(x)
    lookup = get_lookup(x)
    if lookup is not None and lookup.is_cheaper():
        return tf.gather(dot(lookup.table, w, start, end, bias), lookup.ids)
    if not x.dtype.is_floating:
        raise TypeError(f"dot(x, w) needs a floating-point x, got {x.dtype.name}; cast x to compute_dtype")
    transposed = _TRANSPOSED.get({}).get(id(w))
    if transposed is None:
        w = weight(w, x.dtype)
        w = w[:, start:end] if start or end else w
        n, m = w.shape
    else:
        transposed = tf.cast(transposed, x.dtype)
        transposed = transposed[start:end] if start or end else transposed
        m, n = transposed.shape
    rows = x if x.shape.rank == 2 else tf.reshape(x, [-1, n])
    # the gradient of a product by a transposed matrix multiplies by that matrix as it is stored
    y = tf.matmul(rows, w) if transposed is None else tf.matmul(rows, transposed, transpose_b=True)
    if bias is not None:
        y = tf.nn.bias_add(y, bias)  # here, so that the plain graph can fuse it with the product
    if x.shape.rank == 2:
        return y
    known = x.shape[:-1].as_list()
    shape = tf.unstack(tf.shape(x)[:-1]) if known.count(None) > 1 else [-1 if n is None else n for n in known]
    return tf.reshape(y, [*shape, m])


class EmbeddingLookup(NamedTuple):
    """The origin of an embedded tensor `[..., n]`: a table `[symbols, n]` and the ids `[...]`."""

    table: tf.Tensor
    ids: tf.Tensor

    def is_cheaper(self) -> bool:
        """Whether to multiply the table instead of the vectors: it has at most half as many rows.

        False in half precision, where the gradient of a row of the table would sum over too many vectors.
        """
        vectors = self.ids.shape.num_elements()
        return vectors is not None and 2 * self.table.shape[0] <= vectors and self.table.dtype.size >= 4


def as_lookup(x: tf.Tensor, lookup: EmbeddingLookup | None) -> tf.Tensor:
    """Marks the tensor `x = table[ids]` with its lookup, so that `dot(x, w)` can be computed as `(table w)[ids]`."""
    if lookup is not None:
        x._rnnzoo_lookup = lookup  # as Keras marks a tensor with its mask
    return x


def get_lookup(x: tf.Tensor) -> EmbeddingLookup | None:
    """Returns the lookup that a tensor was marked with, or None."""
    return getattr(x, "_rnnzoo_lookup", None)


def rearrange(x: tf.Tensor, function: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Computes `function(x)`, which moves the vectors of x but does not change them, and keeps the lookup."""
    lookup = get_lookup(x)
    return as_lookup(function(x), None if lookup is None else EmbeddingLookup(lookup.table, function(lookup.ids)))


def transpose_copy(w: tf.Tensor) -> tf.Tensor:
    """Transposes a matrix in a form that the graph optimizer does not fold into a following product."""
    n, m = w.shape
    block = math.gcd(m, 16)
    return tf.reshape(tf.transpose(tf.reshape(w, [n, m // block, block]), [1, 2, 0]), [m, n])


def weight(w: Any, dtype: Any) -> tf.Tensor:
    """Returns a weight as a tensor in the dtype of the computation."""
    return tf.cast(tf.convert_to_tensor(w), dtype)


def in_xla() -> bool:
    """Whether the graph being traced is compiled by XLA (`jit_compile=True`)."""
    if tf.executing_eagerly():
        return False
    return bool(control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))
