"""The decoder of an encoder-decoder, and the bridge between their states."""

from typing import Any

import keras
import tensorflow as tf
from keras import tree

from rnnzoo.cells import Attention, AttentionCell
from rnnzoo.layers.rnn import RNN
from rnnzoo.layers.wrapper import RecurrentWrapper, get_state_sizes, is_recurrent_layer, override_attributes
from rnnzoo.serialization import SignatureConfig


@keras.saving.register_keras_serializable(package="rnnzoo")
class Decoder(RecurrentWrapper):
    """Decoder: recurrent layers that start from a context, with attention over a memory.

        h_t = layer(x_t, h_{t-1}),   y_t = attention(h_t)

    Call it with `(sequences [batch, time, features], memory [batch, source_time, size], initial_state=None,
    memory_mask=None)`; it returns y `[batch, time, units]`, and with `return_state` also the final states. Without
    attention y is h and there is no memory. If the layer is an `RNN` over an `AttentionCell` (input feeding), the
    attention is that of the cell.

    Args:
        layer: a recurrent layer or a `Stack`; its own `return_sequences` and `return_state` are ignored.
        attention: an `Attention`, or None.
        return_state: whether the final states are returned too.

    Raises:
        ValueError: a layer that is not causal or has no states, or a second attention.

    >>> import tensorflow as tf, rnnzoo
    >>> decoder = Decoder(rnnzoo.layers.LSTM(4), rnnzoo.layers.Attention(5))
    >>> decoder(tf.ones([2, 3, 6]), memory=tf.ones([2, 7, 8])).shape
    TensorShape([2, 3, 5])

    Sutskever, Vinyals & Le (2014), arXiv 1409.3215; Luong, Pham & Manning (2015), arXiv 1508.04025.
    """

    def __init__(self, layer: Any, attention: Attention | None = None, *, return_state: bool = False, **kwargs):
        super().__init__(**kwargs)
        if not is_recurrent_layer(layer) or not layer.causal:
            raise ValueError(f"a decoder needs a causal recurrent layer of rnnzoo.layers, got {layer!r:.80}")
        self.has_input_feeding = isinstance(layer, RNN) and isinstance(layer.cell, AttentionCell)
        if self.has_input_feeding and attention is not None:
            raise ValueError("the cell of the layer has attention already: leave out the argument attention")
        self.layer, self.recurrent_layers = layer, [layer]
        self.attention = layer.cell.attention if self.has_input_feeding else attention
        self.return_sequences, self.return_state = True, return_state

    @property
    def state_sizes(self) -> list[list[int]]:
        """The sizes of the states that the context initializes, for each layer."""
        if not self.has_input_feeding:
            return [get_state_sizes(part) for part in getattr(self.layer, "recurrent_layers", [self.layer])]
        return [get_state_sizes(cell) for cell in self.layer.cell.cells]

    def build(self, sequences_shape: Any, memory_shape: Any = None) -> None:
        if not self.layer.built:
            self.layer.build(tuple(sequences_shape))
        if self.attention is not None and not self.attention.built:
            if memory_shape is None:
                raise ValueError(f"{self.name} has attention and needs a memory")
            with override_attributes(self.layer, return_sequences=True, return_state=False):
                size = self.layer.compute_output_shape(tuple(sequences_shape))[-1]
            self.attention.build((None, size), memory_shape)

    def compute_output_shape(self, sequences_shape: Any, memory_shape: Any = None) -> Any:
        with override_attributes(self.layer, return_sequences=True, return_state=True):
            shape, *states = self.layer.compute_output_shape(tuple(sequences_shape))
        if self.attention is not None:
            shape = (*shape[:-1], self.attention.units)
        return (tuple(shape), *states) if self.return_state else tuple(shape)

    def call(
        self,
        sequences: Any,
        memory: Any = None,
        initial_state: Any = None,
        memory_mask: Any = None,
        training: Any = False,
    ) -> Any:
        prepared = self.prepare(memory, memory_mask)
        output, states = self._run(sequences, prepared, initial_state, training, self.return_state)
        return (output, *states) if self.return_state else output

    def compute_mask(self, sequences: Any, mask: Any = None) -> Any:
        return None

    def prepare(self, memory: Any, mask: Any = None) -> Any:
        """Prepares a memory for `run` and `step`.

        Raises:
            ValueError: the decoder has attention, and there is no memory.
        """
        if self.attention is None:
            return ()
        if memory is None:
            raise ValueError(f"{self.name} has attention and needs a memory")
        return self.attention.prepare(memory, mask)

    def run(self, sequences: Any, prepared: Any, state: Any = None, training: Any = False) -> tuple[tf.Tensor, list]:
        """Runs all steps of `[batch, time, features]`: `(outputs, final_states)`."""
        return self._run(sequences, prepared, state, training, True)

    def _run(self, sequences: Any, prepared: Any, state: Any, training: Any, return_state: bool) -> tuple:
        kwargs = {"memory": prepared} if self.has_input_feeding else {}
        with override_attributes(self.layer, return_sequences=True, return_state=return_state):
            returned = self.layer(sequences, initial_state=state, training=training, **kwargs)
        output, *states = returned if return_state else (returned,)
        return self._attend(output, prepared)[0], states

    def step(self, inputs: Any, states: Any, prepared: Any = ()) -> tuple[Any, list]:
        """Runs one step of `[batch, features]`, or of n hypotheses of each row, `[n, batch, features]`."""
        kwargs = {"memory": prepared} if self.has_input_feeding else {}
        output, states = self.layer.step(inputs, states, **kwargs)
        return (
            output
            if self.has_input_feeding or self.attention is None
            else self.attention.attend_steps(output, prepared)[0]
        ), states

    def attention_weights(self, sequences: Any, prepared: Any, state: Any = None) -> tf.Tensor:
        """Returns the attention weights `[batch, time, source_time]`. Raises `ValueError` without attention."""
        if self.attention is None:
            raise ValueError(f"{self.name} has no attention")
        if self.has_input_feeding:
            return self.layer.gates(sequences, initial_state=state, memory=prepared)["attention"]
        with override_attributes(self.layer, return_sequences=True, return_state=False):
            return self._attend(self.layer(sequences, initial_state=state), prepared)[1]

    def _attend(self, output: tf.Tensor, prepared: Any) -> tuple:
        if self.has_input_feeding or self.attention is None:
            return output, None
        return self.attention.attend(output, prepared)


@keras.saving.register_keras_serializable(package="rnnzoo")
class Bridge(SignatureConfig, keras.layers.Layer):
    """Bridge: computes the initial states of a decoder from the final states of an encoder.

    States that match in number and size are passed unchanged. Otherwise each is an affine map of the states of the
    corresponding encoder layer, or of all layers if their numbers differ: `s = [states] B + b`.

    Args:
        state_sizes: the sizes of the decoder's states, for each of its layers.

    >>> import tensorflow as tf
    >>> [h.shape for h in Bridge([[4]])([[tf.ones([2, 3]), tf.ones([2, 3])]])]
    [TensorShape([2, 4])]
    """

    def __init__(self, state_sizes: list[list[int]], **kwargs):
        super().__init__(**kwargs)
        self.state_sizes = [list(sizes) for sizes in state_sizes]

    def build(self, states_shape: Any) -> None:
        input_sizes = [[int(shape[-1]) for shape in layer] for layer in states_shape]
        self.maps: list[list[Any]] = []
        if input_sizes == self.state_sizes:
            return
        for k, sizes in enumerate(self.state_sizes):
            width = sum(input_sizes[k]) if len(input_sizes) == len(self.state_sizes) else sum(map(sum, input_sizes))
            self.maps.append([keras.layers.Dense(size, dtype=self.dtype_policy) for size in sizes])
            for dense in self.maps[-1]:
                dense.build((None, width))

    def call(self, states: Any) -> list[tf.Tensor]:
        if not self.maps:
            return tree.flatten(states)
        decoder_states = []
        for k, maps in enumerate(self.maps):
            group = states[k] if len(states) == len(self.maps) else tree.flatten(states)
            joined = tf.concat([tf.cast(state, self.compute_dtype) for state in group], -1)
            decoder_states += [dense(joined) for dense in maps]
        return decoder_states
