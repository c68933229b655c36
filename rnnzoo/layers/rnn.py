"""The sequence layer: `RNN(cell)`."""

from typing import Any

import keras
import tensorflow as tf
from keras import tree

from rnnzoo.cells import Cell, StackedCells
from rnnzoo.cells.inputs import CheckedInputs, check_states, flat_states, prepare_mask, sequence_spec
from rnnzoo.cells.ops import in_xla
from rnnzoo.layers import scan as loop
from rnnzoo.layers.tick import IN_PLAIN_LOOP, bound, cast_weights
from rnnzoo.serialization import SignatureConfig


class RNN(CheckedInputs, SignatureConfig, keras.layers.RNN):
    """Runs any cell of `rnnzoo.cells` over a sequence, in place of `keras.layers.RNN`.

    Call it with `(sequences, initial_state=None, mask=None, training=False)`: `sequences` is
    `[batch, time, features]`, `mask` is `[batch, time]` with False where a step is to be passed
    over (right, left, interior or all), `initial_state` a list of tensors `[batch, size]`, `memory` (for a
    cell that reads one) a nest of tensors `[batch, ...]`. It
    returns the last output `[batch, size]`, or all of them `[batch, time, size]`, and with
    `return_state` the final states behind it. A masked step leaves the states as they were and
    repeats the previous output (zeros before the first valid step), as Keras does.

    Args:
        cell: a `rnnzoo.cells.Cell`, or a list of them, one on top of another (`rnnzoo.cells.StackedCells`; a
            `Stack` of layers is faster).
        return_sequences: all outputs instead of the last.
        return_state: the final states too.
        go_backwards: reads the sequence from its end; outputs come in the order of reading.
        stateful: the final states of one batch are the initial states of the next.
        unroll: for Keras's sake. The loop is never unrolled, which changes no number; but the graph of an
            inference is one that LiteRT converts, as that of Keras's layers with this option.
        zero_output_for_mask: with `return_sequences`, a masked step gives zeros instead of the previous output.
        truncate: the gradient of each step's loss goes back through so many steps, its own being the first, and
            is cut there; 1 is the learning rule of Elman (1990). None: through all. More than 1 costs as many times
            as much on the way back.

    Raises:
        ValueError: `cell` is not a `rnnzoo.cells.Cell`, or `truncate` is below 1; in a call, inputs that are not
            dense `[batch, time, features]`, or a mask or states of another shape.

    >>> import tensorflow as tf, rnnzoo
    >>> layer = RNN(rnnzoo.cells.ElmanCell(4), return_sequences=True, return_state=True)
    >>> outputs, h = layer(tf.zeros([2, 7, 3]))
    >>> outputs.shape, h.shape
    (TensorShape([2, 7, 4]), TensorShape([2, 4]))
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        truncate: int | None = None,
        **kwargs,
    ):
        if truncate is not None and truncate < 1:
            raise ValueError(f"truncate must be at least 1, or None, not {truncate!r}")
        kwargs.setdefault("autocast", False)  # a state of higher precision must not be cast on its way in
        super().__init__(
            _one_cell(cell),
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            zero_output_for_mask,
            **kwargs,
        )
        self.input_spec = sequence_spec()
        self.truncate = truncate

    def build(self, sequences_shape: Any, initial_state_shape: Any = None, **others: Any) -> None:
        super().build(sequences_shape, initial_state_shape)
        self.input_spec = sequence_spec(sequences_shape)

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = False, memory: Any = None
    ) -> Any:
        sequences = self._cast(sequences)
        mask = prepare_mask(self.name, sequences, mask)
        self._check_batch(sequences)
        state = self._initial_state(sequences, initial_state)
        output, final = loop.scan(
            self.cell,
            sequences,
            state,
            mask,
            training=training,
            go_backwards=self.go_backwards,
            return_sequences=self.return_sequences,
            zero_output_for_mask=self.zero_output_for_mask,
            memory=memory,
            truncate=self.truncate,
            unroll=self.unroll,
        )
        output = tf.cast(output, self.compute_dtype) if output.dtype.is_floating else output
        if self.stateful:
            for variable, value in zip(flat_states(self.states), final, strict=True):
                variable.assign(tf.cast(value, variable.dtype))
        if not self.return_state:
            return output
        return output, *tree.pack_sequence_as(_as_list(self.state_size), list(final))

    def reset_state(self) -> None:
        """Sets the states that a stateful layer carries from batch to batch back to zero."""
        for state in flat_states(self.states or []):
            state.assign(tf.zeros_like(state))

    reset_states = reset_state

    @property
    def causal(self) -> bool:
        """Whether an output depends on no later input, so that it can be had step by step."""
        return self.cell.causal and not self.go_backwards

    def step(self, inputs: Any, states: Any, memory: Any = None) -> tuple[Any, list]:
        """One step of a stream: `inputs [batch, features]` and states in, output and states out."""
        with bound(self.cell, cast_weights(self.cell)):  # not cell(...), which would cast the states
            return self.cell.call(self._cast(inputs), list(states), training=False, memory=memory)

    def get_config(self) -> dict[str, Any]:
        live = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll", "zero_output_for_mask")
        return {**super().get_config(), **{name: getattr(self, name) for name in live}}

    def _cast(self, inputs: Any) -> tf.Tensor:
        inputs = tf.convert_to_tensor(inputs)
        return tf.cast(inputs, self.cell.compute_dtype) if inputs.dtype.is_floating else inputs

    def _check_batch(self, sequences: Any) -> None:
        expected, got = self._expected_batch_size, sequences.shape[0]
        if not self.stateful or expected is None:
            return
        has = f"{self.name} is stateful: its batch size is fixed, and it has states for a batch of {int(expected)}"
        remedy = "every batch must be of that size, so drop or pad a smaller last one"
        if got is None and not in_xla():
            message = f"{has}, but was given another size: {remedy}"
            tf.debugging.assert_equal(tf.shape(sequences)[0], int(expected), message=message)
        if got is not None and int(expected) != got:
            raise ValueError(f"{has}, but was given {got}: {remedy}")

    def gates(
        self, inputs: Any, mask: Any = None, initial_state: Any = None, memory: Any = None
    ) -> dict[str, tf.Tensor]:
        """The value of every gate at every step: `{name: [batch, time, units]}`.

        Raises:
            ValueError: the cell has no gates.
        """
        if not hasattr(self.cell, "gates"):
            raise ValueError(f"{type(self.cell).__name__} has no gates")
        inputs = self._cast(inputs)
        if not self.built:
            self.build(inputs.shape)
        state = self._initial_state(inputs, initial_state)
        return loop.gates(self.cell, inputs, state, mask, self.go_backwards, memory)

    def _initial_state(self, sequences: Any, given: Any) -> list[tf.Tensor]:
        zeros = tree.flatten(self.get_initial_state(batch_size=tf.shape(sequences)[0]))
        if given is None and not self.stateful:
            return zeros
        given = [tf.convert_to_tensor(g) for g in flat_states(self.states if given is None else given)]
        check_states(self.name, given, zeros)
        if not (self.stateful or IN_PLAIN_LOOP.get() or in_xla()):  # XLA only warns that it ignores an assertion
            for state in given:
                tf.debugging.assert_equal(
                    tf.shape(state)[0], tf.shape(sequences)[0], f"{self.name}: initial_state has another batch size"
                )
        return [tf.cast(g, z.dtype) for g, z in zip(given, zeros, strict=True)]


def _as_list(state_size: Any) -> list:
    return list(state_size) if isinstance(state_size, (list, tuple)) else [state_size]


def _one_cell(cell: Any) -> Cell:
    """A cell, or several as one. Raises `ValueError` for what is no cell of this package."""
    cells = cell.cells if isinstance(cell, keras.layers.StackedRNNCells) else cell
    if isinstance(cells, (list, tuple)) and cells and all(isinstance(c, Cell) for c in cells):
        return StackedCells(list(cells))
    if isinstance(cell, Cell):
        return cell
    hint = "for another cell use keras.layers.RNN"
    if isinstance(cell, keras.layers.RNN):
        hint = f"that is a layer, which has its loop already: use it as it is, or its cell, {cell.name}.cell"
    if isinstance(cells, (list, tuple)):
        hint = "a list must hold cells alone; layers one on top of another are a rnnzoo.layers.Stack"
    raise ValueError(f"rnnzoo.layers.RNN runs cells of rnnzoo.cells, not {cell!r:.200}; {hint}")
