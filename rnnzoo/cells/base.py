"""The cell contract: one time step of recurrence, a pure function of its inputs, state and weights."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from rnnzoo.cells.unit_equations import UnitEquation
from rnnzoo.cells.weight_files import find_saved_weights
from rnnzoo.serialization import SignatureConfig


class NativeKernel(NamedTuple):
    """The native kernel that computes the equations of a cell, see `rnnzoo.engine.native`.

    Attributes:
        name: "lstm", "lstm-1997" (without forget gate), "gru", "gru-2014" (`reset_after=False`) or "elman".
        activation: "tanh", "sigmoid" or "relu".
    """

    name: str
    activation: str = "tanh"


class Cell(SignatureConfig, keras.layers.Layer):
    """Base class of cells: one time step of recurrence. Subclasses define `step`; every layer can run them.

    A step at time t, for a state `s` and an input sequence `inputs [time, batch, features]`:

        x      = project(inputs)             once, for the whole sequence
        consts = constants(inputs)           once for a sequence: dropout masks, attention memory
        r_t    = recurrent(s_{t-1}, consts)  the expensive product with the previous state
        output_t, s_t = step(x_t, r_t, s_{t-1}, consts)

    `x`, `r`, `consts` and `s` are nests of tensors; `s` is a tuple with one tensor for each size in `state_size`.
    `recurrent` and `step` must be pure: they use no random numbers (noise comes from `project`, one value for each
    step, or from `constants`, one for each sequence), accept any leading dimensions (`[batch, ...]` or `[time,
    batch, ...]`), and multiply by weights only through `rnnzoo.cells.dot`. Gradient, configuration and masking
    follow from these methods. The values of activations from `rnnzoo.cells.activation` ("tanh", "sigmoid") are
    reused in the backward pass; those of other functions are computed again. The first axis of states and constants,
    and the second of x, is the batch, or has size 1 if one value serves the whole batch.

    Attributes:
        state_size: an integer or a list of integers, as in Keras.
        output_size: size of the output; by default that of the first state.
        causal: whether an output depends on no later input.
        runs_without_inputs: whether the cell can be built for inputs without features, and then runs by itself.

    A cell that returns its input:

    >>> import tensorflow as tf, rnnzoo
    >>> class Identity(rnnzoo.cells.Cell):
    ...     state_size, output_size = 1, 4
    ...     def step(self, x, r, state, consts):
    ...         return x, state
    >>> rnnzoo.layers.RNN(Identity(), return_sequences=True)(tf.ones([2, 3, 4])).shape
    TensorShape([2, 3, 4])
    """

    state_size: Any
    causal = True
    runs_without_inputs = False

    def project(self, inputs: tf.Tensor, training: Any = False) -> Any:
        """Computes `x` from the inputs alone, for `inputs [..., batch, features]`."""
        return inputs

    def constants(self, inputs: tf.Tensor, training: Any = False, memory: Any = None) -> Any:
        """Computes the values that are the same for a whole sequence: a nest of tensors `[batch, ...]`."""
        return ()

    def recurrent(self, state: tuple, consts: Any) -> Any:
        """Computes `r`, the products with the previous state. It is saved for the backward pass, not recomputed."""
        return ()

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        """Computes the equations of one time step: `(output, new_state)`."""
        raise NotImplementedError(f"{type(self).__name__} does not define step(x, r, state, consts)")

    def state_symbols(self) -> list[str]:
        """Returns the symbols of the states in the equations."""
        count = len(keras.tree.flatten(self.state_size))
        return ["s"] if count == 1 else [f"s{k + 1}" for k in range(count)]

    def unit_equations(self, x: Any, r: Any, state: tuple, consts: Any) -> list[UnitEquation]:
        """Returns the equations of a step for each unit, in the order of computation; empty if the cell tells none."""
        return []

    def get_initial_state(self, batch_size: Any) -> list[tf.Tensor]:
        """Returns zeros, one tensor `[batch, size]` for each state."""
        sizes = self.state_size if isinstance(self.state_size, (list, tuple)) else [self.state_size]
        return [tf.zeros([batch_size, size], self.compute_dtype) for size in sizes]

    def load_own_variables(self, store: Any) -> None:
        """Loads weights saved by Keras, also those of another class with the same weights."""
        own = self._trainable_variables + self._non_trainable_variables
        super().load_own_variables(find_saved_weights(store, own))

    def call(self, inputs: tf.Tensor, states: Any, training: Any = False, memory: Any = None) -> tuple[tf.Tensor, list]:
        """Runs one time step by Keras's cell protocol, so that `keras.layers.RNN(cell)` works too.

        `keras.layers.RNN` samples all noise anew at every step; `rnnzoo.layers.RNN` samples it as the cell specifies.
        """
        state = tuple(keras.tree.flatten(states))
        consts = self.constants(inputs, training=training, memory=memory)
        x = self.project(inputs, training=training)
        output, new_state = self.step(x, self.recurrent(state, consts), state, consts)
        return output, keras.tree.pack_sequence_as(states, list(new_state)) if _is_nested(states) else list(new_state)


def split_states(cells: Sequence[Any], state: Sequence[Any]) -> list[tuple]:
    """Splits the states of several cells, in one sequence, into those of each cell."""
    parts, first = [], 0
    for cell in cells:
        count = len(keras.tree.flatten(cell.state_size))
        parts.append(tuple(state[first : first + count]))
        first += count
    return parts


def _is_nested(states: Any) -> bool:
    return isinstance(states, (list, tuple)) and any(isinstance(s, (list, tuple)) for s in states)
