"""The contract of a cell: one tick of recurrence, pure but for the weights it owns."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.weights import find_weights
from rnnzoo.serialization import SignatureConfig


class Cell(SignatureConfig, keras.layers.Layer):
    """One tick of recurrence. Subclass it, write `step`, and every layer can run it.

    A tick at time t is, for a state `s` and an input sequence `inputs [time, batch, features]`:

        x      = project(inputs)             once, for the whole sequence
        consts = constants(inputs)           once for a sequence: dropout masks, attention memory
        r_t    = recurrent(s_{t-1}, consts)  the heavy product with the previous state
        output_t, s_t = step(x_t, r_t, s_{t-1}, consts)

    `x`, `r`, `consts` and `s` are nests of tensors (`s` a tuple of as many as `state_size` names).
    `recurrent` and `step` are pure: they draw no random number (noise comes from `project`, one
    value a step, or from `constants`, one a sequence), accept any leading dimensions
    (`[batch, ...]` or `[time, batch, ...]`) and multiply by weights only through
    `rnnzoo.cells.dot`. Nothing else is asked for: the gradient, the configuration and the
    masks follow from these. What `rnnzoo.cells.activation` gives ("tanh", "sigmoid") is not computed
    again on the way back, what other functions give is. The first axis of states and constants, and the
    second of x, is the batch, or 1 where one serves all of it.

    `state_size` is an integer or a list of integers, as in Keras; `output_size` defaults to the
    first of them.

    A cell that repeats its input, whole:

    >>> import tensorflow as tf, rnnzoo
    >>> class Repeat(rnnzoo.cells.Cell):
    ...     state_size, output_size = 1, 4
    ...     def step(self, x, r, state, consts):
    ...         return x, state
    >>> rnnzoo.layers.RNN(Repeat(), return_sequences=True)(tf.ones([2, 3, 4])).shape
    TensorShape([2, 3, 4])
    """

    state_size: Any
    causal = True
    autonomous = False  # whether it can be built for inputs of no features, and then goes on by itself

    def project(self, inputs: tf.Tensor, training: Any = False) -> Any:
        """What the inputs alone decide, for `inputs [..., batch, features]`: `x`."""
        return inputs

    def constants(self, inputs: tf.Tensor, training: Any = False, memory: Any = None) -> Any:
        """What stays the same for a whole sequence: a nest of tensors `[batch, ...]`."""
        return ()

    def recurrent(self, state: tuple, consts: Any) -> Any:
        """The products with the previous state: `r`. Saved for the way back, not recomputed."""
        return ()

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        """The equations: `(output, new_state)`."""
        raise NotImplementedError(f"{type(self).__name__} does not define step(x, r, state, consts)")

    def get_initial_state(self, batch_size: Any) -> list[tf.Tensor]:
        """Zeros, one tensor `[batch, size]` for each state."""
        sizes = self.state_size if isinstance(self.state_size, (list, tuple)) else [self.state_size]
        return [tf.zeros([batch_size, size], self.compute_dtype) for size in sizes]

    def load_own_variables(self, store: Any) -> None:
        """Loads weights that Keras has saved, those of a layer or cell of another class but the same weights too."""
        own = self._trainable_variables + self._non_trainable_variables
        super().load_own_variables(find_weights(store, own))

    def call(self, inputs: tf.Tensor, states: Any, training: Any = False, memory: Any = None) -> tuple[tf.Tensor, list]:
        """One tick by Keras's cell protocol, so that `keras.layers.RNN(cell)` works too.

        There noise is drawn anew at every step; `rnnzoo.layers.RNN` draws it as the cell asks.
        """
        state = tuple(keras.tree.flatten(states))
        consts = self.constants(inputs, training=training, memory=memory)
        x = self.project(inputs, training=training)
        output, new_state = self.step(x, self.recurrent(state, consts), state, consts)
        return output, keras.tree.pack_sequence_as(states, list(new_state)) if _nested(states) else list(new_state)


def _nested(states: Any) -> bool:
    return isinstance(states, (list, tuple)) and any(isinstance(s, (list, tuple)) for s in states)
