"""The operation that a cell's speed hangs on: the matrix product."""

import contextlib
import contextvars
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow.python.ops import control_flow_util

_TRANSPOSED: contextvars.ContextVar[Mapping[int, tf.Tensor]] = contextvars.ContextVar("transposed")


@contextlib.contextmanager
def transposed_once(weights: Mapping[int, tf.Tensor]) -> Iterator[None]:
    """Inside, `dot(x, w)` has a gradient that uses `weights[id(w)]`, the transpose of `w`.

    The loop that runs backwards enters this, so that a weight is transposed before the loop and
    not at every step of it.
    """
    token = _TRANSPOSED.set(weights)
    try:
        yield
    finally:
        _TRANSPOSED.reset(token)


def dot(x: Any, w: Any, first: int = 0, last: int | None = None, bias: tf.Tensor | None = None) -> tf.Tensor:
    """`x w + bias`, for `x [..., n]` and a weight `w [n, m]`, or its columns `first` to `last`; in x's dtype."""
    x = tf.convert_to_tensor(x)
    lookup = lookup_of(x)
    if lookup is not None and lookup.pays():
        return tf.gather(dot(lookup.table, w, first, last, bias), lookup.ids)
    if not x.dtype.is_floating:
        raise TypeError(f"dot(x, w) multiplies floating numbers, not {x.dtype.name}: cast x to compute_dtype")
    transposed = _TRANSPOSED.get({}).get(id(w))
    if transposed is None:
        w = weight(w, x.dtype)
        w = w[:, first:last] if first or last else w
        n, m = w.shape
    else:
        transposed = tf.cast(transposed, x.dtype)
        transposed = transposed[first:last] if first or last else transposed
        m, n = transposed.shape
    rows = x if x.shape.rank == 2 else tf.reshape(x, [-1, n])
    # the gradient of a product by a transposed matrix multiplies by that matrix as it stands
    y = tf.matmul(rows, w) if transposed is None else tf.matmul(rows, transposed, transpose_b=True)
    if bias is not None:
        y = tf.nn.bias_add(y, bias)  # here, so that the plain graph can fuse it with the product
    if x.shape.rank == 2:
        return y
    known = x.shape[:-1].as_list()
    shape = tf.unstack(tf.shape(x)[:-1]) if known.count(None) > 1 else [-1 if n is None else n for n in known]
    return tf.reshape(y, [*shape, m])


class Lookup(NamedTuple):
    """What a tensor `[..., n]` was looked up from: a table `[symbols, n]`, at `ids [...]`."""

    table: tf.Tensor
    ids: tf.Tensor

    def pays(self) -> bool:
        """Whether to multiply the table instead: it is known to have at most half as many rows as were looked up.

        Not in half precision: the gradient of a row of the table sums over all that was looked up there.
        """
        vectors = self.ids.shape.num_elements()
        return vectors is not None and 2 * self.table.shape[0] <= vectors and self.table.dtype.size >= 4


def looked_up(x: tf.Tensor, lookup: Lookup | None) -> tf.Tensor:
    """The tensor `x = table[ids]`, which tells `dot` so: `x w` is then looked up in `table w`, if that is less."""
    if lookup is not None:
        x._rnnzoo_lookup = lookup  # as Keras marks a tensor with its mask
    return x


def lookup_of(x: tf.Tensor) -> Lookup | None:
    """What `looked_up` said of a tensor, or None."""
    return getattr(x, "_rnnzoo_lookup", None)


def rearranged(x: tf.Tensor, order: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """`order(x)`, which moves vectors `x[...]` about but leaves each as it is."""
    lookup = lookup_of(x)
    return looked_up(order(x), None if lookup is None else Lookup(lookup.table, order(lookup.ids)))


def turned(w: tf.Tensor) -> tf.Tensor:
    """The transpose of a matrix, written so that the graph's optimizer does not fold it into the product it enters."""
    n, m = w.shape
    block = math.gcd(m, 16)
    return tf.reshape(tf.transpose(tf.reshape(w, [n, m // block, block]), [1, 2, 0]), [m, n])


def weight(w: Any, dtype: Any) -> tf.Tensor:
    """A weight as a tensor of the precision that is computed in."""
    return tf.cast(tf.convert_to_tensor(w), dtype)


def in_xla() -> bool:
    """Whether the graph being traced is compiled by XLA at the user's own request (`jit_compile=True`)."""
    if tf.executing_eagerly():
        return False
    return bool(control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))
