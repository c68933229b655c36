"""The stacked recurrent network."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.input_checks import sequence_input_spec
from rnnzoo.cells.noise import Dropout
from rnnzoo.cells.ops import rearrange
from rnnzoo.engine.masking import apply_mask
from rnnzoo.layers.wrapper import RecurrentWrapper, is_recurrent_layer, override_attributes, select_last_output


@keras.saving.register_keras_serializable(package="rnnzoo")
class Stack(RecurrentWrapper):
    """Stacked layers: each layer reads the outputs of the layer below.

        h_t^l = cell_l(h_t^{l-1}, h_{t-1}^l),   h_t^0 = x_t                    (sRNN)
        h_t^l = cell_l(h_t^{l-1}, h_{t-1}^l) + h_t^{l-1}   for l > 1           with `residual`

    Call it like an `RNN`; its states are those of the layers, from bottom to top. Layers without states (Dense,
    LayerNormalization, ...) may be among the recurrent ones; they are applied to each time step, and make the
    input or output function deep. A stack of one layer equals that layer.

    Args:
        layers: the layers, from bottom to top; their own `return_sequences` and `return_state` are ignored.
        residual: whether each recurrent layer but the first adds its input to its output.
        dropout: fraction of the inputs of each layer but the first that is dropped in training, sampled at every
            time step, 0 <= dropout < 1.
        return_sequences: whether all outputs are returned, or the last one.
        return_state: whether the final states are returned too.
        go_backwards: whether the sequence is read from its end; outputs are in the order of reading.
        zero_output_for_mask: with `return_sequences`, whether masked steps return zeros.

    Raises:
        ValueError: there is no recurrent layer, one of them has `go_backwards` or two outputs, or `residual` between
            layers of different sizes.

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
        self.recurrent_layers = [layer for layer in self.layers if is_recurrent_layer(layer)]
        if not self.recurrent_layers:
            raise ValueError("a stack needs at least one recurrent layer")
        if any(part.go_backwards for part in self.recurrent_layers):
            raise ValueError("set go_backwards of the Stack, not of its layers")
        if any(getattr(part, "num_outputs", 1) > 1 for part in self.recurrent_layers):
            raise ValueError("a layer in a stack must have one output; merge_mode=None gives two")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {dropout!r}")
        self.residual = residual
        # `.keras` files name groups after attributes that hold layers, so this one keeps its name
        self.between = Dropout(dropout, dtype=self.dtype_policy) if dropout else None
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.zero_output_for_mask = go_backwards, zero_output_for_mask

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        shape = tuple(sequences_shape)
        self.input_spec = [sequence_input_spec(shape)]
        for layer in self.layers:
            if not layer.built:
                layer.build(shape)
            before, shape = shape, self._sequence_shape(layer, shape)
            if self._has_residual(layer) and before[-1] != shape[-1]:
                raise ValueError(
                    f"residual: {layer.name} has {before[-1]} inputs and {shape[-1]} outputs; they must be equal"
                )

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        shape = batch, time, _ = tuple(sequences_shape)
        for layer in self.layers:
            shape = self._sequence_shape(layer, shape)
        shape = (batch, time, shape[-1]) if self.return_sequences else (batch, shape[-1])
        return (shape, *((batch, size) for size in self.state_size)) if self.return_state else shape

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = False) -> Any:
        sequences, mask = self.prepare_sequences(sequences, mask)
        if mask is not None and not is_recurrent_layer(self.layers[0]):
            sequences = apply_mask(sequences, mask)
        if self.go_backwards:
            sequences = rearrange(sequences, lambda t: tf.reverse(t, [1]))
            mask = None if mask is None else tf.reverse(mask, [1])
        states_of_layer = self.split_states(initial_state)
        final: list = []
        for layer in self.layers:
            layer_inputs = sequences
            if self.between is not None and layer is not self.layers[0]:
                sequences = self.between(sequences, training=training)
            if not is_recurrent_layer(layer):
                sequences = layer(sequences)
                continue
            i = self.recurrent_layers.index(layer)
            return_sequences = self.return_sequences or i + 1 < len(self.recurrent_layers)
            with override_attributes(layer, return_sequences=return_sequences, return_state=self.return_state):
                returned = layer(sequences, initial_state=states_of_layer[i], mask=mask, training=training)
            sequences, *states = returned if self.return_state else (returned,)
            final += states
            if self._has_residual(layer):
                sequences = sequences + tf.cast(
                    layer_inputs if return_sequences else select_last_output(layer, layer_inputs, mask), sequences.dtype
                )
        if self.zero_output_for_mask and self.return_sequences and mask is not None:
            sequences = apply_mask(sequences, mask)
        sequences = self.cast_output(sequences)
        return (sequences, *final) if self.return_state else sequences

    def step(self, inputs: Any, states: Any) -> tuple[Any, list]:
        """Runs one step of a stream: `inputs [batch, features]` and states to `(output, new_states)`."""
        states_of_layer, final = self.split_states(states), []
        for layer in self.layers:
            layer_inputs = inputs
            if is_recurrent_layer(layer):
                inputs, new = layer.step(inputs, states_of_layer[self.recurrent_layers.index(layer)])
                final += new
                inputs = inputs + layer_inputs if self._has_residual(layer) else inputs
            else:
                inputs = layer(inputs)
        return inputs, final

    def _has_residual(self, layer: Any) -> bool:
        return self.residual and is_recurrent_layer(layer) and layer is not self.recurrent_layers[0]

    def _sequence_shape(self, layer: Any, shape: tuple) -> tuple:
        """Returns the shape of the sequence that a layer returns."""
        if not is_recurrent_layer(layer):
            return tuple(layer.compute_output_shape(shape))
        with override_attributes(layer, return_sequences=True, return_state=False):
            return tuple(layer.compute_output_shape(shape))
