"""The recurrent layer `RNN(cell)`."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import tree

from rnnzoo.cells.input_checks import CheckedInputs, check_states, flatten_states, prepare_mask, sequence_input_spec
from rnnzoo.cells.ops import in_xla
from rnnzoo.cells.stacked import as_single_cell
from rnnzoo.engine import cudnn
from rnnzoo.engine.cell_trace import bind_weights, cast_weights
from rnnzoo.engine.modes import in_export_mode
from rnnzoo.engine.scan import compute_gates, scan
from rnnzoo.serialization import SignatureConfig


class RNN(CheckedInputs, SignatureConfig, keras.layers.RNN):
    """Recurrent layer: runs any cell of `rnnzoo.cells` over a sequence; replaces `keras.layers.RNN`.

    Call it with `(sequences, initial_state=None, mask=None, training=False)`: `sequences` is `[batch, time, features]`;
    `mask` is `[batch, time]`, False at steps to skip (on the right, on the left, in between or all); `initial_state`
    is a list of tensors `[batch, size]`; `memory`, for a cell with attention, is a nest of tensors `[batch, ...]`.
    It returns the last output `[batch, size]`, or all outputs `[batch, time, size]`, and with `return_state` also
    the final states. As in Keras, a masked step keeps the states and repeats the previous output (zeros before the
    first valid step).

    Args:
        cell: a `rnnzoo.cells.Cell`, or a list of cells, which are stacked (`rnnzoo.cells.StackedCells`; a `Stack` of
            layers is faster).
        return_sequences: whether all outputs are returned, or the last one.
        return_state: whether the final states are returned too.
        go_backwards: whether the sequence is read from its end; outputs are in the order of reading.
        stateful: whether the final states of a batch are the initial states of the next.
        unroll: accepted for compatibility; the loop is not unrolled, and results do not change. With this option, as
            with Keras's own layers, LiteRT can convert the inference graph.
        zero_output_for_mask: with `return_sequences`, whether masked steps return zeros instead of the previous output.
        truncate: how many time steps the gradient of each step's loss goes back, the step itself included (truncated
            back-propagation through time); 1 is the learning rule of Elman (1990). None: no truncation. The cost of the
            backward pass is proportional to it.

    Raises:
        ValueError: `cell` is not a `rnnzoo.cells.Cell`, or `truncate` is below 1; in a call, inputs that are not dense
            `[batch, time, features]`, or a mask or states of another shape.

    >>> import tensorflow as tf, rnnzoo
    >>> layer = RNN(rnnzoo.cells.ElmanCell(4), return_sequences=True, return_state=True)
    >>> outputs, h = layer(tf.zeros([2, 7, 3]))
    >>> outputs.shape, h.shape
    (TensorShape([2, 7, 4]), TensorShape([2, 4]))
    """

    use_cudnn: Any = "auto"  # whether cuDNN runs the layer on a GPU: "auto", True (or an error) or False

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
            raise ValueError(f"truncate must be at least 1 or None, got {truncate!r}")
        kwargs.setdefault("autocast", False)  # states of higher precision must not be cast
        super().__init__(
            as_single_cell(cell),
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            zero_output_for_mask,
            **kwargs,
        )
        self.input_spec = sequence_input_spec()
        self.truncate = truncate

    def build(self, sequences_shape: Any, initial_state_shape: Any = None, **others: Any) -> None:
        super().build(sequences_shape, initial_state_shape)
        self.input_spec = sequence_input_spec(sequences_shape)
        if self.use_cudnn and not cudnn.find_problem(self.cell, True, self.truncate, self.unroll):
            self.supports_jit = False  # so that Keras does not choose XLA, which has no cuDNN

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = False, memory: Any = None
    ) -> Any:
        sequences = self._cast(sequences)
        mask = prepare_mask(self.name, sequences, mask)
        state = self._initial_state(sequences, initial_state, self._check_batch(sequences))
        output, final = scan(
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
            use_cudnn=self.use_cudnn,
        )
        output = tf.cast(output, self.compute_dtype) if output.dtype.is_floating else output
        if self.stateful:
            for variable, value in zip(flatten_states(self.states), final, strict=True):
                variable.assign(tf.cast(value, variable.dtype))
        if not self.return_state:
            return output
        return output, *tree.pack_sequence_as(_to_list(self.state_size), list(final))

    def reset_state(self) -> None:
        """Resets the states that a stateful layer carries from batch to batch to zero."""
        for state in flatten_states(self.states or []):
            state.assign(tf.zeros_like(state))

    reset_states = reset_state

    @property
    def causal(self) -> bool:
        """Whether an output depends on no later input."""
        return self.cell.causal and not self.go_backwards

    def step(self, inputs: Any, states: Any, memory: Any = None) -> tuple[Any, list]:
        """Runs one step of a stream: `inputs [batch, features]` and states to `(output, new_states)`."""
        with bind_weights(self.cell, cast_weights(self.cell)):  # not cell(...), which would cast the states
            return self.cell.call(self._cast(inputs), list(states), training=False, memory=memory)

    def get_config(self) -> dict[str, Any]:
        mutable = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll", "zero_output_for_mask")
        return {**super().get_config(), **{name: getattr(self, name) for name in mutable}}

    def _cast(self, inputs: Any) -> tf.Tensor:
        inputs = tf.convert_to_tensor(inputs)
        return tf.cast(inputs, self.cell.compute_dtype) if inputs.dtype.is_floating else inputs

    def _check_batch(self, sequences: Any) -> list:
        expected, got = self._expected_batch_size, sequences.shape[0]
        if self.stateful and tf.distribute.get_strategy().num_replicas_in_sync > 1:
            raise ValueError(
                f"{self.name} is stateful, which is for one device: with a tf.distribute strategy over several, return "
                "the states with return_state and give them as initial_state"
            )
        if not self.stateful or expected is None:
            return []
        problem = f"{self.name} is stateful: its batch size is fixed at {int(expected)}"
        remedy = "drop or pad a smaller last batch"
        if got is None and not in_xla():
            message = f"{problem}, but got another size: {remedy}"
            return [tf.debugging.assert_equal(tf.shape(sequences)[0], int(expected), message=message)]
        if got is not None and int(expected) != got:
            raise ValueError(f"{problem}, but got {got}: {remedy}")
        return []

    def gates(
        self, inputs: Any, mask: Any = None, initial_state: Any = None, memory: Any = None
    ) -> dict[str, tf.Tensor]:
        """Returns the value of every gate at every time step: `{name: [batch, time, units]}`.

        Raises:
            ValueError: the cell has no gates.
        """
        if not hasattr(self.cell, "gates"):
            raise ValueError(f"{type(self.cell).__name__} has no gates")
        inputs = self._cast(inputs)
        if not self.built:
            self.build(inputs.shape)
        state = self._initial_state(inputs, initial_state)
        return compute_gates(self.cell, inputs, state, mask, self.go_backwards, memory)

    def _initial_state(self, sequences: Any, initial_state: Any, checks: Sequence = ()) -> list[tf.Tensor]:
        zeros = tree.flatten(self.get_initial_state(batch_size=tf.shape(sequences)[0]))
        if initial_state is None and not self.stateful:
            return zeros
        states = flatten_states(self.states if initial_state is None else initial_state)
        states = [tf.convert_to_tensor(state) for state in states]
        check_states(self.name, states, zeros)
        if not (self.stateful or in_export_mode() or in_xla()):  # XLA ignores assertions with a warning
            batch, message = tf.shape(sequences)[0], f"{self.name}: initial_state has another batch size"
            checks = [*checks, *(tf.debugging.assert_equal(tf.shape(state)[0], batch, message) for state in states)]
        with tf.control_dependencies([check for check in checks if check is not None]):  # before anything is computed
            return [tf.identity(tf.cast(s, z.dtype)) for s, z in zip(states, zeros, strict=True)]


def _to_list(state_size: Any) -> list:
    return list(state_size) if isinstance(state_size, (list, tuple)) else [state_size]
