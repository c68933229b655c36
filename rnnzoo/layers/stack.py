"""Recurrent layers one on top of another."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.inputs import sequence_spec
from rnnzoo.cells.ops import rearranged
from rnnzoo.layers.arrangement import Arrangement, ends, is_recurrent, override_flags
from rnnzoo.layers.scan import zero_masked


@keras.saving.register_keras_serializable(package="rnnzoo")
class Stack(Arrangement):
    """Layers one on top of another: each reads the outputs of the one below.

        h_t^l = cell_l(h_t^{l-1}, h_{t-1}^l),   h_t^0 = x_t                    (sRNN)
        h_t^l = cell_l(h_t^{l-1}, h_{t-1}^l) + h_t^{l-1}   for l > 1           with `residual`

    Call it like an `RNN`; its states are those of the layers, the lowest first. Layers without
    states (Dense, LayerNormalization ...) may stand among the recurrent ones: they treat each
    step by itself, and so make the way in or out deep. One layer alone is that layer.

    Args:
        layers: the lowest first. What they return by themselves does not matter here.
        residual: each recurrent layer but the first adds its input to its output.
        dropout: fraction of what goes from one layer to the next that is hidden in training, drawn
            anew at every step, 0 <= dropout < 1.
        return_sequences: all outputs instead of the last.
        return_state: the final states too.
        go_backwards: reads the sequence from its end; outputs come in the order of reading.
        zero_output_for_mask: with `return_sequences`, a masked step gives zeros.

    Raises:
        ValueError: no recurrent layer is given, one reads backward by itself or has two outputs, or `residual`
            between layers of different sizes.

    >>> import tensorflow as tf, rnnzoo
    >>> stack = Stack([rnnzoo.layers.LSTM(4), rnnzoo.layers.ElmanRNN(3)], return_state=True)
    >>> output, *states = stack(tf.zeros([2, 7, 5]))
    >>> output.shape, len(states)
    (TensorShape([2, 3]), 3)

    Schmidhuber (1992), El Hihi & Bengio (1996); as in Pascanu et al. (2013), arXiv 1312.6026.
    """

    def __init__(
        self,
        layers: list[Any],
        *,
        residual: bool = False,
        dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.layers = list(layers)
        self.parts = [layer for layer in self.layers if is_recurrent(layer)]
        if not self.parts:
            raise ValueError("a stack needs at least one recurrent layer")
        if any(part.go_backwards for part in self.parts):
            raise ValueError("layers of a stack read in its direction: give go_backwards to the Stack, not to a layer")
        if any(getattr(part, "outputs", 1) > 1 for part in self.parts):
            raise ValueError("a layer of a stack has one output: merge_mode=None gives two")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {dropout!r}")
        self.residual = residual
        self.between = keras.layers.Dropout(dropout, dtype=self.dtype_policy) if dropout else None
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.zero_output_for_mask = go_backwards, zero_output_for_mask

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        shape = tuple(sequences_shape)
        self.input_spec = [sequence_spec(shape)]
        for layer in self.layers:
            if not layer.built:
                layer.build(shape)
            before, shape = shape, self._shape(layer, shape)
            if self._adds(layer) and before[-1] != shape[-1]:
                raise ValueError(f"residual: {layer.name} has {before[-1]} inputs and {shape[-1]} outputs, not as many")

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        shape = batch, time, _ = tuple(sequences_shape)
        for layer in self.layers:
            shape = self._shape(layer, shape)
        shape = (batch, time, shape[-1]) if self.return_sequences else (batch, shape[-1])
        return (shape, *((batch, size) for size in self.state_size)) if self.return_state else shape

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = False) -> Any:
        sequences, mask = self.check_sequences(sequences, mask)
        if mask is not None and not is_recurrent(self.layers[0]):
            sequences = zero_masked(sequences, mask)
        if self.go_backwards:
            sequences = rearranged(sequences, lambda t: tf.reverse(t, [1]))
            mask = None if mask is None else tf.reverse(mask, [1])
        dealt = self.deal(initial_state)
        final: list = []
        for layer in self.layers:
            entered = sequences
            if self.between is not None and layer is not self.layers[0]:
                sequences = self.between(sequences, training=training)
            if not is_recurrent(layer):
                sequences = layer(sequences)
                continue
            i = self.parts.index(layer)
            whole = self.return_sequences or i + 1 < len(self.parts)
            with override_flags(layer, return_sequences=whole, return_state=self.return_state):
                returned = layer(sequences, initial_state=dealt[i], mask=mask, training=training)
            sequences, *states = returned if self.return_state else (returned,)
            final += states
            if self._adds(layer):
                sequences = sequences + tf.cast(entered if whole else ends(layer, entered, mask), sequences.dtype)
        if self.zero_output_for_mask and self.return_sequences and mask is not None:
            sequences = zero_masked(sequences, mask)
        sequences = self.cast(sequences)
        return (sequences, *final) if self.return_state else sequences

    def step(self, inputs: Any, states: Any) -> tuple[Any, list]:
        """One step of a stream: `inputs [batch, features]` and states in, output and states out."""
        dealt, final = self.deal(states), []
        for layer in self.layers:
            entered = inputs
            if is_recurrent(layer):
                inputs, new = layer.step(inputs, dealt[self.parts.index(layer)])
                final += new
                inputs = inputs + entered if self._adds(layer) else inputs
            else:
                inputs = layer(inputs)
        return inputs, final

    def _adds(self, layer: Any) -> bool:
        return self.residual and is_recurrent(layer) and layer is not self.parts[0]

    def _shape(self, layer: Any, shape: tuple) -> tuple:
        """The shape of a layer's sequences."""
        if not is_recurrent(layer):
            return tuple(layer.compute_output_shape(shape))
        with override_flags(layer, return_sequences=True, return_state=False):
            return tuple(layer.compute_output_shape(shape))
