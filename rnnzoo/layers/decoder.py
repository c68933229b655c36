"""What writes: recurrent layers that begin from a context and look at a memory, and the bridge to them."""

from typing import Any

import keras
import tensorflow as tf
from keras import tree

from rnnzoo.cells import Attention, AttentionCell
from rnnzoo.layers.arrangement import Arrangement, is_recurrent, override_flags, sizes
from rnnzoo.layers.rnn import RNN
from rnnzoo.serialization import SignatureConfig


@keras.saving.register_keras_serializable(package="rnnzoo")
class Decoder(Arrangement):
    """Recurrent layers, and attention over a memory behind them or (with input feeding) among them.

        h_t = layer(x_t, h_{t-1}),   y_t = attention(h_t)

    Call it with `(sequences [batch, time, features], memory [batch, places, size], initial_state=None,
    memory_mask=None)`; it returns y `[batch, time, units]`, and with `return_state` the final states
    behind it. Without attention y is h and there is no memory. Where the layer is an `RNN` over an
    `AttentionCell`, that cell's attention is the one.

    Args:
        layer: a recurrent layer or a `Stack`. What it returns by itself does not matter here.
        attention: an `Attention`, or None.
        return_state: the final states too.

    Raises:
        ValueError: a layer that reads ahead or has no states, or a second attention.

    >>> import tensorflow as tf, rnnzoo
    >>> decoder = Decoder(rnnzoo.layers.LSTM(4), rnnzoo.layers.Attention(5))
    >>> decoder(tf.ones([2, 3, 6]), memory=tf.ones([2, 7, 8])).shape
    TensorShape([2, 3, 5])

    Sutskever, Vinyals & Le (2014), arXiv 1409.3215; Luong, Pham & Manning (2015), arXiv 1508.04025.
    """

    def __init__(self, layer: Any, attention: Attention | None = None, *, return_state: bool = False, **kwargs):
        super().__init__(**kwargs)
        if not is_recurrent(layer) or not layer.causal:
            raise ValueError(f"a decoder writes with recurrent layers of one direction, not {layer!r:.80}")
        self.fed = isinstance(layer, RNN) and isinstance(layer.cell, AttentionCell)
        if self.fed and attention is not None:
            raise ValueError("the cell of the layer has an attention already: give no other")
        self.layer, self.parts = layer, [layer]
        self.attention = layer.cell.attention if self.fed else attention
        self.return_sequences, self.return_state = True, return_state

    @property
    def heights(self) -> list[list[int]]:
        """The sizes of the states that a context may set, of each layer."""
        if not self.fed:
            return [sizes(part) for part in getattr(self.layer, "parts", [self.layer])]
        return [sizes(cell) for cell in self.layer.cell.cells]

    def build(self, sequences_shape: Any, memory_shape: Any = None) -> None:
        if not self.layer.built:
            self.layer.build(tuple(sequences_shape))
        if self.attention is not None and not self.attention.built:
            if memory_shape is None:
                raise ValueError(f"{self.name} has attention: give it the memory to look at")
            with override_flags(self.layer, return_sequences=True, return_state=False):
                size = self.layer.compute_output_shape(tuple(sequences_shape))[-1]
            self.attention.build((None, size), memory_shape)

    def compute_output_shape(self, sequences_shape: Any, memory_shape: Any = None) -> Any:
        with override_flags(self.layer, return_sequences=True, return_state=True):
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
        """The memory as `run` and `step` take it, made once. Raises `ValueError` if attention has none."""
        if self.attention is None:
            return ()
        if memory is None:
            raise ValueError(f"{self.name} has attention: give it the memory to look at")
        return self.attention.prepare(memory, mask)

    def run(self, sequences: Any, prepared: Any, state: Any = None, training: Any = False) -> tuple[tf.Tensor, list]:
        """All steps of `[batch, time, features]`: outputs and final states."""
        return self._run(sequences, prepared, state, training, True)

    def _run(self, sequences: Any, prepared: Any, state: Any, training: Any, return_state: bool) -> tuple:
        given = {"memory": prepared} if self.fed else {}
        with override_flags(self.layer, return_sequences=True, return_state=return_state):
            returned = self.layer(sequences, initial_state=state, training=training, **given)
        output, *states = returned if return_state else (returned,)
        return self._attend(output, prepared)[0], states

    def step(self, inputs: Any, states: Any, prepared: Any = ()) -> tuple[Any, list]:
        """One step of `[batch, features]`, or of n guesses for each, `[n, batch, features]`."""
        given = {"memory": prepared} if self.fed else {}
        output, states = self.layer.step(inputs, states, **given)
        return (output if self.fed or self.attention is None else self.attention.attend(output, prepared)[0]), states

    def looks(self, sequences: Any, prepared: Any, state: Any = None) -> tf.Tensor:
        """The weights of the attention `[batch, time, places]`. Raises `ValueError` if there is none."""
        if self.attention is None:
            raise ValueError(f"{self.name} has no attention")
        if self.fed:
            return self.layer.gates(sequences, initial_state=state, memory=prepared)["attention"]
        with override_flags(self.layer, return_sequences=True, return_state=False):
            return self._attend(self.layer(sequences, initial_state=state), prepared)[1]

    def _attend(self, output: tf.Tensor, prepared: Any) -> tuple:
        if self.fed or self.attention is None:
            return output, None
        return self.attention.read(output, prepared)


@keras.saving.register_keras_serializable(package="rnnzoo")
class Bridge(SignatureConfig, keras.layers.Layer):
    """The final states of an encoder as the first states of a decoder.

    Where they are as many of the same sizes they are handed over as they are; otherwise each is an
    affine map of the states of the encoder's layer at the same height, or of all of them where the
    heights differ: `s = [states] B + b`.

    Args:
        heights: the sizes of the decoder's states, of each of its layers.

    >>> import tensorflow as tf
    >>> [h.shape for h in Bridge([[4]])([[tf.ones([2, 3]), tf.ones([2, 3])]])]
    [TensorShape([2, 4])]
    """

    def __init__(self, heights: list[list[int]], **kwargs):
        super().__init__(**kwargs)
        self.heights = [list(height) for height in heights]

    def build(self, states_shape: Any) -> None:
        given = [[int(shape[-1]) for shape in layer] for layer in states_shape]
        self.maps: list[list[Any]] = []
        if given == self.heights:
            return
        for k, height in enumerate(self.heights):
            width = sum(given[k]) if len(given) == len(self.heights) else sum(map(sum, given))
            self.maps.append([keras.layers.Dense(size, dtype=self.dtype_policy) for size in height])
            for dense in self.maps[-1]:
                dense.build((None, width))

    def call(self, states: Any) -> list[tf.Tensor]:
        if not self.maps:
            return tree.flatten(states)
        found = []
        for k, maps in enumerate(self.maps):
            group = states[k] if len(states) == len(self.maps) else tree.flatten(states)
            joined = tf.concat([tf.cast(state, self.compute_dtype) for state in group], -1)
            found += [dense(joined) for dense in maps]
        return found
