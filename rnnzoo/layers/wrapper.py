"""Base class of layers that contain recurrent layers: their states and their configuration."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf
from keras import tree

from rnnzoo.cells import Cell
from rnnzoo.cells.input_checks import CheckedInputs, flatten_states, prepare_mask, sequence_input_spec
from rnnzoo.layers.rnn import RNN
from rnnzoo.serialization import SignatureConfig

MUTABLE_ARGUMENTS = (
    "return_sequences",
    "return_state",
    "go_backwards",
    "zero_output_for_mask",
)  # may be set after construction


def is_recurrent_layer(layer: Any) -> bool:
    """Returns whether a layer has states; otherwise it is applied to each time step separately, as a Dense layer.

    Raises:
        ValueError: a recurrent layer that is not of this package, or a cell.
    """
    if isinstance(layer, Cell):
        raise ValueError(f"{layer!r:.80} is a cell: use the layer rnnzoo.layers.RNN(cell)")
    keras_layers = (keras.layers.RNN, keras.layers.Bidirectional)
    if isinstance(layer, keras_layers) and not isinstance(layer, RNN):
        raise ValueError(f"{layer!r:.80} is not a recurrent layer of rnnzoo.layers: use the layer of that name there")
    return isinstance(layer, (RNN, RecurrentWrapper))


@contextlib.contextmanager
def override_attributes(layer: Any, **values: bool) -> Iterator[None]:
    """Context in which attributes of a layer, such as `return_sequences`, have other values.

    Wrappers call the layers that they contain in it, so that layers given by the user do not change.
    """
    saved = {name: getattr(layer, name) for name in values}
    try:
        for name, value in values.items():
            setattr(layer, name, value)
        yield
    finally:
        for name, value in saved.items():
            setattr(layer, name, value)


class RecurrentWrapper(CheckedInputs, SignatureConfig, keras.layers.Layer):
    """Base class of layers that contain recurrent layers and have the interface of one.

    Subclasses set `recurrent_layers`, in the order of the states.
    """

    recurrent_layers: list[Any]
    return_sequences: Any
    return_state: Any
    num_outputs = 1  # not counting the states

    def __init__(self, **kwargs):
        kwargs.setdefault("autocast", False)  # as in RNN: states must not be cast to the compute dtype
        super().__init__(**kwargs)
        self.supports_masking = True
        self.input_spec = [sequence_input_spec()]

    def prepare_sequences(self, sequences: Any, mask: Any) -> tuple[tf.Tensor, Any]:
        """Converts sequences to a tensor and checks their mask. Raises `ValueError` for a mask of another shape."""
        sequences = tf.convert_to_tensor(sequences)
        return sequences, prepare_mask(self.name, sequences, mask)

    @property
    def states(self) -> list:
        """The states carried from batch to batch; empty without `stateful`."""
        return [state for layer in self.recurrent_layers for state in flatten_states(layer.states or [])]

    @property
    def state_size(self) -> list[int]:
        """The sizes of all states."""
        return [size for layer in self.recurrent_layers for size in get_state_sizes(layer)]

    @property
    def causal(self) -> bool:
        """Whether an output depends on no later input."""
        return not getattr(self, "go_backwards", False) and all(layer.causal for layer in self.recurrent_layers)

    @property
    def stateful(self) -> bool:
        """Whether states are carried from one batch to the next."""
        return any(layer.stateful for layer in self.recurrent_layers)

    def reset_state(self) -> None:
        """Resets the states that are carried from batch to batch to zero."""
        for layer in self.recurrent_layers:
            layer.reset_state()

    reset_states = reset_state

    def get_initial_state(self, batch_size: Any) -> list:
        """Returns the initial states of all layers."""
        return [state for layer in self.recurrent_layers for state in layer.get_initial_state(batch_size)]

    def get_config(self) -> dict[str, Any]:
        mutable = [name for name in MUTABLE_ARGUMENTS if name in self._arguments]
        return {**super().get_config(), **{name: getattr(self, name) for name in mutable}}

    def compute_mask(self, sequences: Any, mask: Any = None) -> Any:
        mask = tree.flatten(mask)[0] if mask is not None else None
        outputs = [mask if self.return_sequences else None] * self.num_outputs
        if self.return_state:
            return outputs + [None] * len(self.state_size)
        return outputs[0] if len(outputs) == 1 else outputs

    def select_last_output(self, sequence: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
        """Returns the values of `sequence`, shaped as the outputs, at the time step of the last output."""
        return select_last_output(self.recurrent_layers[-1], sequence, mask)

    def cast_output(self, output: tf.Tensor) -> tf.Tensor:
        """Casts an output to the layer's compute dtype."""
        return tf.cast(output, self.compute_dtype) if output.dtype.is_floating else output

    def split_states(self, states: Any) -> list:
        """Splits states into those of each layer, None for each if there are none.

        Raises:
            ValueError: another number of states.
        """
        if states is None:
            return [None] * len(self.recurrent_layers)
        states, states_of_layer = list(tree.flatten(states)), []
        if len(states) != len(self.state_size):
            raise ValueError(f"{self.name} has {len(self.state_size)} states, but was given {len(states)}")
        for layer in self.recurrent_layers:
            n = len(get_state_sizes(layer))
            states_of_layer.append(states[:n])
            states = states[n:]
        return states_of_layer


def get_state_sizes(layer: Any) -> list[int]:
    """Returns the state sizes of a layer as a list."""
    return tree.flatten(layer.state_size)


def select_last_output(layer: Any, sequence: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Returns the values of `sequence`, shaped as the outputs of `layer`, at the time step of its last output."""
    return (
        layer.select_last_output(sequence, mask) if isinstance(layer, RecurrentWrapper) else select_last(sequence, mask)
    )


def select_last(sequence: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Returns the values at the last valid step, `[batch, ...]`; zeros where all steps are masked."""
    if mask is None:
        return sequence[:, -1]
    valid = tf.cast(mask, tf.int32)
    last = tf.reduce_max(tf.range(1, tf.shape(valid)[1] + 1) * valid, 1)
    selected = tf.gather(sequence, tf.maximum(last - 1, 0), batch_dims=1)
    return tf.where(last[:, None] > 0, selected, tf.zeros([], selected.dtype))
