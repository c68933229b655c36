"""The bidirectional layer."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.input_checks import sequence_input_spec
from rnnzoo.engine.batch_slices import disable_batch_split
from rnnzoo.layers.wrapper import RecurrentWrapper, is_recurrent_layer, override_attributes, select_last

MERGE_FUNCTIONS = {
    "concat": lambda forward, backward: tf.concat([forward, backward], -1),
    "sum": lambda forward, backward: forward + backward,
    "ave": lambda forward, backward: (forward + backward) / 2,
    "mul": lambda forward, backward: forward * backward,
    None: lambda forward, backward: (forward, backward),
}
SHARED_ATTRIBUTES = ("return_sequences", "return_state", "stateful")


@keras.saving.register_keras_serializable(package="rnnzoo")
class Bidirectional(RecurrentWrapper):
    """Bidirectional wrapper: reads a sequence forward with one layer and backward with another.

        f_t = cell_f(x_t, f_{t-1}),   b_t = cell_b(x_t, b_{t+1}),   y_t = merge(f_t, b_t)

    It replaces `keras.layers.Bidirectional`, with its weight order (forward, backward) and equal numbers, and takes any
    unidirectional layer or `Stack` of this package. The last output merges the last output of each direction, `f_T` and
    `b_1`. With `return_sequences`, masked steps return zeros, as in Keras. Returned states and `initial_state` are
    those of the forward layer, then those of the backward layer.

    The layer is not causal, so it can neither stream nor predict its next input.

    Args:
        layer: the forward layer; it is copied, as in Keras.
        merge_mode: "concat", "sum", "ave", "mul", or None to return both outputs.
        weights: initial weights, those of the forward layer, then those of the backward layer.
        backward_layer: a layer with `go_backwards=True`; None: a copy of `layer` in the other direction.

    Raises:
        ValueError: an unknown merge mode, a layer without states or one that is bidirectional already, two layers
            that do not match, or weights of other shapes.

    >>> import tensorflow as tf, rnnzoo
    >>> layer = Bidirectional(rnnzoo.layers.LSTM(4, return_state=True))
    >>> output, f_h, f_c, b_h, b_c = layer(tf.zeros([2, 7, 3]))
    >>> output.shape
    TensorShape([2, 8])

    Schuster & Paliwal (1997), Bidirectional recurrent neural networks, IEEE Transactions on Signal Processing 45,
    2673-2681.
    """

    def __init__(
        self, layer: Any, merge_mode: str | None = "concat", weights: Any = None, backward_layer: Any = None, **kwargs
    ):
        super().__init__(**kwargs)
        self._arguments["weights"] = None  # used once; weights are saved separately
        self.initial_weights = weights
        if merge_mode not in MERGE_FUNCTIONS:
            raise ValueError(f"merge_mode must be one of {', '.join(map(str, MERGE_FUNCTIONS))}, got {merge_mode!r}")
        for part in (layer, backward_layer):
            if part is not None and not is_recurrent_layer(part):
                raise ValueError(f"Bidirectional needs a recurrent layer of rnnzoo.layers, got {part!r}")
            if part is not None and not _is_unidirectional(part):
                raise ValueError("the layer is bidirectional already: stack Bidirectional layers instead")
        self.forward_layer = self._arguments["layer"] = _clone_layer(layer, "forward_")
        if backward_layer is None:
            backward_layer = _clone_layer(layer, "backward_", go_backwards=not layer.go_backwards)
        self.backward_layer = backward_layer
        self.recurrent_layers = [self.forward_layer, self.backward_layer]
        self.merge_mode = merge_mode
        self.num_outputs = 2 if merge_mode is None else 1
        self._check_directions()
        self.return_sequences, self.return_state = layer.return_sequences, layer.return_state

    def _check_directions(self) -> None:
        forward, backward = self.recurrent_layers
        if forward.go_backwards == backward.go_backwards:
            raise ValueError("both layers read in the same direction: set go_backwards=True in one of them")
        for name in SHARED_ATTRIBUTES:
            if getattr(forward, name) != getattr(backward, name):
                raise ValueError(f"the forward and the backward layer differ in {name}: give both the same value")

    @property
    def causal(self) -> bool:
        """False: an output depends on later inputs."""
        return False

    @property
    def go_backwards(self) -> bool:
        """The direction of the forward layer."""
        return self.forward_layer.go_backwards

    def _override_attributes(self, part: Any, state: bool) -> Any:
        sequences = self.return_sequences
        return override_attributes(part, return_sequences=sequences, return_state=state, zero_output_for_mask=sequences)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for layer in filter(None, (config["layer"], config["backward_layer"])):
            layer["config"].update(return_sequences=self.return_sequences, return_state=self.return_state)
        return config

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        self.input_spec = [sequence_input_spec(sequences_shape)]
        for part in self.recurrent_layers:
            if not part.built:
                part.build(tuple(sequences_shape))
        if self.initial_weights is not None:
            self.set_weights(self.initial_weights)
            self.initial_weights = None

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        shapes = []
        for part in self.recurrent_layers:
            with self._override_attributes(part, True):
                shapes.append(part.compute_output_shape(tuple(sequences_shape)))
        (shape, *forward), (_, *backward) = shapes
        shape = tuple(shape)
        outputs = [(*shape[:-1], 2 * shape[-1]) if self.merge_mode == "concat" else shape]
        outputs = outputs * self.num_outputs
        if self.return_state:
            return (*outputs, *forward, *backward)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = False) -> Any:
        sequences, mask = self.prepare_sequences(sequences, mask)
        outputs: list = []
        final: list = []
        for part, state in zip(self.recurrent_layers, self.split_states(initial_state), strict=True):
            with disable_batch_split(), self._override_attributes(part, self.return_state):
                returned = part(sequences, initial_state=state, mask=mask, training=training)
            output, *states = returned if self.return_state else (returned,)
            outputs.append(output)
            final += states
        if self.return_sequences:
            outputs[1] = tf.reverse(outputs[1], [1])
        merged = MERGE_FUNCTIONS[self.merge_mode](*map(self.cast_output, outputs))
        if not self.return_state:
            return merged
        return (*merged, *final) if self.merge_mode is None else (merged, *final)

    def select_last_output(self, sequence: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
        """Selects the last valid step; of a concatenation, the first valid step for the backward half."""
        last = select_last(sequence, mask)
        if self.merge_mode != "concat":
            return last
        first = select_last(tf.reverse(sequence, [1]), None if mask is None else tf.reverse(mask, [1]))
        forward, backward = (first, last) if self.go_backwards else (last, first)
        half = sequence.shape[-1] // 2
        return tf.concat([forward[:, :half], backward[:, half:]], -1)

    def step(self, inputs: Any, states: Any) -> Any:
        """Raises `ValueError`: a bidirectional layer is not causal."""
        raise ValueError(f"{self.name} is bidirectional and cannot run step by step; use a unidirectional layer")


def _is_unidirectional(layer: Any) -> bool:
    return not isinstance(layer, Bidirectional) and all(map(_is_unidirectional, getattr(layer, "recurrent_layers", [])))


def _clone_layer(layer: Any, prefix: str, **changes: Any) -> Any:
    """Creates a layer with the same configuration, some changes, and its own weights."""
    config = layer.get_config()
    name = prefix + config["name"].removeprefix("forward_").removeprefix("backward_")
    return type(layer).from_config({**config, **changes, "name": name})
