"""What layers that hold recurrent layers have in common: their states, in order, and their options."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf
from keras import tree

from rnnzoo.cells import Cell
from rnnzoo.cells.inputs import CheckedInputs, flat_states, prepare_mask, sequence_spec
from rnnzoo.layers.rnn import RNN
from rnnzoo.serialization import SignatureConfig

LIVE = ("return_sequences", "return_state", "go_backwards", "zero_output_for_mask")  # may be set after construction


def is_recurrent(layer: Any) -> bool:
    """Whether a layer has states: otherwise it treats each step by itself, as a Dense layer does.

    Raises `ValueError` for a recurrent layer that is not of this package, and for a cell.
    """
    if isinstance(layer, Cell):
        raise ValueError(f"{layer!r:.80} is a cell, one step of a layer: give rnnzoo.layers.RNN(cell)")
    foreign = (keras.layers.RNN, keras.layers.Bidirectional)
    if isinstance(layer, foreign) and not isinstance(layer, RNN):
        raise ValueError(f"{layer!r:.80} is not a recurrent layer of rnnzoo.layers; use the one of that name there")
    return isinstance(layer, (RNN, Arrangement))


@contextlib.contextmanager
def override_flags(layer: Any, **flags: bool) -> Iterator[None]:
    """Sets flags of a layer, such as `return_sequences`, within a context, and restores them afterwards.

    Wrappers call the layers inside with it, so that layers given by the user stay as they were.
    """
    before = {name: getattr(layer, name) for name in flags}
    try:
        for name, value in flags.items():
            setattr(layer, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(layer, name, value)


class Arrangement(CheckedInputs, SignatureConfig, keras.layers.Layer):
    """Recurrent layers put together, with the interface of one. Subclasses set `parts`, in the order of the states."""

    parts: list[Any]
    return_sequences: Any
    return_state: Any
    outputs = 1  # how many there are, before the states

    def __init__(self, **kwargs):
        kwargs.setdefault("autocast", False)  # as the layers inside: a state must not be cast on its way in
        super().__init__(**kwargs)
        self.supports_masking = True
        self.input_spec = [sequence_spec()]

    def check_sequences(self, sequences: Any, mask: Any) -> tuple[tf.Tensor, Any]:
        """Sequences as a tensor, and their mask. Raises `ValueError` where they do not fit the layer."""
        sequences = tf.convert_to_tensor(sequences)
        return sequences, prepare_mask(self.name, sequences, mask)

    @property
    def states(self) -> list:
        """The states that are carried from batch to batch, in their order; none without `stateful`."""
        return [state for part in self.parts for state in flat_states(part.states or [])]

    @property
    def state_size(self) -> list[int]:
        """The sizes of all states."""
        return [size for part in self.parts for size in sizes(part)]

    @property
    def causal(self) -> bool:
        """Whether an output depends on no later input, so that it can be had step by step."""
        return not getattr(self, "go_backwards", False) and all(part.causal for part in self.parts)

    @property
    def stateful(self) -> bool:
        """Whether states are carried from one batch to the next."""
        return any(part.stateful for part in self.parts)

    def reset_state(self) -> None:
        """Sets the states that are carried from batch to batch back to zero."""
        for part in self.parts:
            part.reset_state()

    reset_states = reset_state

    def get_initial_state(self, batch_size: Any) -> list:
        """The initial states of all layers, in the order of the states."""
        return [state for part in self.parts for state in part.get_initial_state(batch_size)]

    def get_config(self) -> dict[str, Any]:
        live = [name for name in LIVE if name in self._arguments]
        return {**super().get_config(), **{name: getattr(self, name) for name in live}}

    def compute_mask(self, sequences: Any, mask: Any = None) -> Any:
        mask = tree.flatten(mask)[0] if mask is not None else None
        outputs = [mask if self.return_sequences else None] * self.outputs
        if self.return_state:
            return outputs + [None] * len(self.state_size)
        return outputs[0] if len(outputs) == 1 else outputs

    def ends(self, sequence: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
        """Of a sequence of the size of its outputs `[batch, time, size]`, what goes with its last output."""
        return ends(self.parts[-1], sequence, mask)

    def cast(self, output: tf.Tensor) -> tf.Tensor:
        """An output in the layer's own precision."""
        return tf.cast(output, self.compute_dtype) if output.dtype.is_floating else output

    def deal(self, states: Any) -> list:
        """The states of each part, or None for each. Raises `ValueError` for another number of states."""
        if states is None:
            return [None] * len(self.parts)
        states, dealt = list(tree.flatten(states)), []
        if len(states) != len(self.state_size):
            raise ValueError(f"{self.name} has {len(self.state_size)} states, but was given {len(states)}")
        for part in self.parts:
            n = len(sizes(part))
            dealt.append(states[:n])
            states = states[n:]
        return dealt


def sizes(layer: Any) -> list[int]:
    """The sizes of a layer's states, as a list."""
    return tree.flatten(layer.state_size)


def ends(layer: Any, sequence: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Of a sequence of the size of a layer's outputs, what goes with its last output."""
    return layer.ends(sequence, mask) if isinstance(layer, Arrangement) else last_valid(sequence, mask)


def last_valid(sequence: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """The value of the last step that is not masked, `[batch, ...]`; zeros where all are."""
    if mask is None:
        return sequence[:, -1]
    valid = tf.cast(mask, tf.int32)
    last = tf.reduce_max(tf.range(1, tf.shape(valid)[1] + 1) * valid, 1)
    found = tf.gather(sequence, tf.maximum(last - 1, 0), batch_dims=1)
    return tf.where(last[:, None] > 0, found, tf.zeros([], found.dtype))
