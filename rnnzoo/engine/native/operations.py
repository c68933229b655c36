"""Layers run by the native kernels, with gradients of every order."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from rnnzoo.cells.base import Cell, NativeKernel
from rnnzoo.engine.cell_trace import bind_weights, cast_weights
from rnnzoo.engine.native.library import Library
from rnnzoo.engine.native.threads import run_in_new_thread

CELLS = {"lstm": 0, "lstm-1997": 1, "gru": 2, "gru-2014": 3, "elman": 4}
ACTIVATIONS = {"tanh": 0, "sigmoid": 1, "relu": 2}


@dataclasses.dataclass(frozen=True)
class NativeLayer:
    """A loop over time as one operation.

    The tensors on which gradients depend are passed in one sequence: the inputs, the states, the weights W, U and b.

    Attributes:
        library: the loaded kernels.
        kernel: the declaration of the cell.
        cell: the built cell.
        graph_loop: `graph_loop(inputs, states, drop, mask)` runs the same in the graph engine, for second gradients.
        drop: the mask of the recurrent dropout, `[batch, units]`, or None.
        mask: `[batch, time]`, or None.
        save: whether values are saved for the gradient.
        reverse: whether inputs and mask are read from the end; outputs are in the order of reading.
        return_sequences: whether the outputs of all steps are returned.
    """

    library: Library
    kernel: NativeKernel
    cell: Cell
    graph_loop: Callable[..., tuple[tf.Tensor, tuple]]
    drop: tf.Tensor | None
    mask: tf.Tensor | None
    save: bool
    reverse: bool
    return_sequences: bool

    def run(self, inputs: tf.Tensor, state: tuple) -> tuple[tf.Tensor, tuple]:
        """Runs the loop on `inputs [batch, time, features]`, which are zeros at masked steps.

        Returns:
            `(outputs, final_state)`, as of `rnnzoo.engine.scan`.
        """

        @tf.custom_gradient
        def run(*sources: tf.Tensor) -> tuple:
            y, final, tape = self._forward(sources, len(state), self.save, self.return_sequences)

            def gradient(*d: tf.Tensor) -> list:
                saved = tape if self.save else self._forward(sources, len(state), True, True)[2]
                return self._gradient(sources, len(state), saved, d)

            return ((y, *final) if self.return_sequences else tuple(final)), gradient

        results = run(inputs, *state, *cast_weights(self.cell))
        final = results[1:] if self.return_sequences else results
        return results[0], tuple(final)

    def _arguments(self, sources: Sequence[tf.Tensor], num_states: int) -> dict[str, Any]:
        """Returns the arguments that both operations share."""
        inputs, *rest = sources
        return {
            "x": inputs,
            "h0": rest[0],
            "c0": rest[1] if num_states > 1 else tf.zeros([0]),
            "w": rest[num_states],
            "u": rest[num_states + 1],
            "drop": tf.zeros([0]) if self.drop is None else self.drop,
            "mask": tf.zeros([0], tf.bool) if self.mask is None else self.mask,
            "cell": CELLS[self.kernel.name],
            "activation": ACTIVATIONS[self.kernel.activation],
            "reverse": self.reverse,
        }

    def _forward(self, sources: Sequence[tf.Tensor], num_states: int, save: bool, sequence: bool) -> tuple:
        """Returns the outputs, the final states, and the values for the gradient."""
        bias = sources[3 + num_states :]
        b = tf.reshape(bias[0], [-1]) if bias else tf.zeros([0])
        arguments = self._arguments(sources, num_states)
        y, *final, z, cells = self.library.forward(**arguments, b=b, save=save, sequence=sequence)
        batch, time, _ = sources[0].shape
        y.set_shape([batch, time if save or sequence else 0, sources[1].shape[-1]])
        final = final[:num_states]
        for new, old in zip(final, sources[1:], strict=False):
            new.set_shape(old.shape)
        return y, final, (y, z, cells)

    def _gradient(self, sources: Sequence[tf.Tensor], num_states: int, saved: tuple, d: Sequence[tf.Tensor]) -> list:
        """Returns the gradients of the sources for those of the results; its own gradient is the graph engine's."""
        constants = [c for c in (self.drop, self.mask) if c is not None]

        @tf.custom_gradient
        def compute(*values: tf.Tensor) -> tuple:
            # copies in this graph, which may be another one than that of `run`
            layer, sources, d, saved = self._unpack([tf.identity(value) for value in values], num_states)
            dy, dh, *dc = d if self.return_sequences else (tf.zeros([0]), *d)
            no_dc = tf.zeros([tf.shape(dh)[0], 0])
            values_of_tape = dict(zip(("y", "z", "cells"), saved, strict=True))
            results = self.library.backward(
                **layer._arguments(sources, num_states), **values_of_tape, dy=dy, dh=dh, dc=dc[0] if dc else no_dc
            )
            dx, dw, du, db, *d_states = results
            d_sources = [dx, *d_states[:num_states], dw, du]
            d_sources += [tf.reshape(db, b.shape) for b in sources[3 + num_states :]]
            for gradient, source in zip(d_sources, sources, strict=True):
                gradient.set_shape(source.shape)

            def second_order(*dd: tf.Tensor) -> list:
                gradients = layer._second_order(sources, num_states, d, dd)
                return gradients + [None] * (len(values) - len(gradients))

            return tuple(d_sources), second_order

        return list(compute(*sources, *d, *constants, *saved))

    def _unpack(self, values: list[tf.Tensor], num_states: int) -> tuple:
        """Returns the layer with its constants, the sources, the gradients of the results, and the saved values."""
        rest = values
        sources = [rest.pop(0) for _ in range(1 + num_states + len(self.cell.weights))]
        d = [rest.pop(0) for _ in range(num_states + self.return_sequences)]
        drop = None if self.drop is None else rest.pop(0)
        mask = None if self.mask is None else rest.pop(0)
        return dataclasses.replace(self, drop=drop, mask=mask), sources, d, rest

    def _second_order(self, sources: list, num_states: int, d: list, dd: Sequence[tf.Tensor]) -> list:
        """Returns the gradients of `_gradient` for `sources` and `d`, through the graph engine."""
        constants = [c for c in (self.drop, self.mask) if c is not None]

        @tf.function(autograph=False)
        def compute(*values: tf.Tensor) -> list:
            layer, sources, d, dd = self._unpack(list(values), num_states)
            with tf.GradientTape() as outer:
                outer.watch([*sources, *d])
                with tf.GradientTape() as inner:
                    inner.watch(sources)
                    with bind_weights(self.cell, sources[1 + num_states :]):
                        state = tuple(sources[1 : 1 + num_states])
                        y, final = self.graph_loop(sources[0], state, layer.drop, layer.mask)
                results = [y, *final] if self.return_sequences else [*final]
                first = inner.gradient(results, sources, d, unconnected_gradients="zero")
            return outer.gradient(first, [*sources, *d], dd, unconnected_gradients="zero")

        values = [*sources, *d, *constants, *dd]
        # in a thread where no tape is stopped, as it is while TensorFlow computes forward-mode gradients
        return list(run_in_new_thread(compute.get_concrete_function, *map(tf.TensorSpec.from_tensor, values))(*values))
