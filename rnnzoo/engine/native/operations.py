"""Layers run by the native kernels, with gradients of every order."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from rnnzoo.cells.base import Cell, NativeKernel
from rnnzoo.engine.cell_trace import bind_weights, cast_weights
from rnnzoo.engine.native.library import Library

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
        graph_loop: `graph_loop(inputs, states)` runs the same in the graph engine, for gradients of gradients.
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
        num_states = len(state)

        @tf.custom_gradient
        def run(*sources: tf.Tensor) -> tuple:
            y, final, tape = self._forward(sources, num_states, self.save, self.return_sequences)

            def gradient(*d: tf.Tensor) -> list:
                saved = tape if self.save else self._forward(sources, num_states, True, True)[2]
                return self._gradient(sources, num_states, saved, d)

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
        return y, final, {"y": y, "z": z, "cells": cells}

    def _gradient(self, sources: tuple, num_states: int, saved: dict, d: tuple) -> list:
        """Returns the gradients of the sources for those of the results; its own gradient is the graph engine's."""

        @tf.custom_gradient
        def compute(*values: tf.Tensor) -> tuple:
            d = values[len(sources) :]
            dy, dh, *dc = d if self.return_sequences else (tf.zeros([0]), *d)
            no_dc = tf.zeros([tf.shape(dh)[0], 0])
            arguments = self._arguments(sources, num_states)
            results = self.library.backward(**arguments, **saved, dy=dy, dh=dh, dc=dc[0] if dc else no_dc)
            dx, dw, du, db, *d_states = results
            d_sources = [dx, *d_states[:num_states], dw, du]
            d_sources += [tf.reshape(db, b.shape) for b in sources[3 + num_states :]]
            for gradient, source in zip(d_sources, sources, strict=True):
                gradient.set_shape(source.shape)
            return tuple(d_sources), lambda *dd: self._second_order(sources, num_states, d, dd)

        return list(compute(*sources, *d))

    def _second_order(self, sources: tuple, num_states: int, d: tuple, dd: tuple) -> list:
        """Returns the gradients of `_gradient` for `sources` and `d`, through the graph engine."""
        with tf.GradientTape() as outer:
            outer.watch([*sources, *d])
            with tf.GradientTape() as inner:
                inner.watch(sources)
                with bind_weights(self.cell, list(sources[1 + num_states :])):
                    y, final = self.graph_loop(sources[0], sources[1 : 1 + num_states])
            results = [y, *final] if self.return_sequences else [*final]
            first = inner.gradient(results, sources, list(d), unconnected_gradients="zero")
        return outer.gradient(first, [*sources, *d], list(dd), unconnected_gradients="zero")
