"""Recurrent layers one on top of another."""

from typing import Any

import keras
from keras import tree

from rnnzoo.layers.rnn import RNN
from rnnzoo.serialization import SignatureConfig


@keras.saving.register_keras_serializable(package="rnnzoo")
class Stack(SignatureConfig, keras.layers.Layer):
    """Recurrent layers one on top of another: each reads the outputs of the one below.

    Call it like an `RNN`; its states are those of the layers, the lowest first.

    Args:
        layers: layers that know `initial_state` and `return_state`; all are made to return both
            their sequences and their states.

    Raises:
        ValueError: no layer is given.

    >>> import tensorflow as tf, rnnzoo
    >>> stack = Stack([rnnzoo.layers.LSTM(4), rnnzoo.layers.ElmanRNN(3)])
    >>> outputs, *states = stack(tf.zeros([2, 7, 5]))
    >>> outputs.shape, len(states)
    (TensorShape([2, 7, 3]), 3)
    """

    def __init__(self, layers: list[RNN], **kwargs):
        kwargs.setdefault("autocast", False)  # as the layers inside
        super().__init__(**kwargs)
        if not layers:
            raise ValueError("a stack needs at least one layer")
        self.layers = list(layers)
        self.supports_masking = True
        for layer in self.layers:
            layer.return_sequences = layer.return_state = True

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        shape = tuple(sequences_shape)
        for layer in self.layers:
            if not layer.built:
                layer.build(shape)
            shape = tuple(layer.compute_output_shape(shape)[0])

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = False) -> Any:
        mask = tree.flatten(mask)[0] if mask is not None else None
        final = []
        for layer, state in zip(self.layers, self._deal(initial_state), strict=True):
            sequences, *states = layer(sequences, initial_state=state, mask=mask, training=training)
            final += states
        return (sequences, *final)

    def step(self, inputs: Any, states: Any) -> tuple[Any, list]:
        """One step of a stream: `inputs [batch, features]` and states in, output and states out."""
        final = []
        for layer, state in zip(self.layers, self._deal(states), strict=True):
            inputs, new = layer.step(inputs, state)
            final += new
        return inputs, final

    def get_initial_state(self, batch_size: Any) -> list:
        """The initial states of all layers, the lowest first."""
        return [state for layer in self.layers for state in layer.get_initial_state(batch_size)]

    def compute_mask(self, sequences: Any, mask: Any = None) -> Any:
        return [mask, *(None for layer in self.layers for _ in layer.state_size)]

    def _deal(self, states: Any) -> list:
        """The states of each layer, or None for each."""
        if states is None:
            return [None] * len(self.layers)
        states, dealt = list(tree.flatten(states)), []
        for layer in self.layers:
            n = len(layer.state_size)
            dealt.append(states[:n])
            states = states[n:]
        if states:
            raise ValueError(
                f"{self.name} has {sum(len(y.state_size) for y in self.layers)} states, but was given more"
            )
        return dealt
