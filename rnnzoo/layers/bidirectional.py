"""Reading in both directions."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.inputs import sequence_spec
from rnnzoo.layers.arrangement import Arrangement, is_recurrent, last_valid, override_flags
from rnnzoo.layers.rows import side_by_side

MERGES = {
    "concat": lambda forward, backward: tf.concat([forward, backward], -1),
    "sum": lambda forward, backward: forward + backward,
    "ave": lambda forward, backward: (forward + backward) / 2,
    "mul": lambda forward, backward: forward * backward,
    None: lambda forward, backward: (forward, backward),
}
SHARED = ("return_sequences", "return_state", "stateful")


@keras.saving.register_keras_serializable(package="rnnzoo")
class Bidirectional(Arrangement):
    """Reads a sequence forward with one layer and backward with another, and puts the outputs together.

        f_t = cell_f(x_t, f_{t-1}),   b_t = cell_b(x_t, b_{t+1}),   y_t = merge(f_t, b_t)

    In place of `keras.layers.Bidirectional`: weights in its order (forward, backward), equal
    numbers, and any layer or `Stack` of this package that reads one way inside. The last output
    is that of each direction's own end: `f_T` and `b_1`. With `return_sequences`, a masked step
    gives zeros, as in Keras. Both the states that it returns and those in `initial_state` are
    those of the forward layer, then those of the backward layer.

    It reads ahead, so it cannot stream, nor guess the next symbol.

    Args:
        layer: the forward layer; a copy with weights of its own is used, as Keras does.
        merge_mode: "concat", "sum", "ave", "mul", or None for both outputs by themselves.
        weights: initial weights, those of the forward layer, then those of the backward layer.
        backward_layer: the backward one, with `go_backwards=True`; like `layer` when None.

    Raises:
        ValueError: another merge mode, a layer without states or one that reads both ways already,
            two layers that do not go together, or weights of other shapes.

    >>> import tensorflow as tf, rnnzoo
    >>> layer = Bidirectional(rnnzoo.layers.LSTM(4, return_state=True))
    >>> output, f_h, f_c, b_h, b_c = layer(tf.zeros([2, 7, 3]))
    >>> output.shape
    TensorShape([2, 8])

    Schuster & Paliwal (1997), Bidirectional recurrent neural networks, IEEE Transactions on Signal
    Processing 45, 2673-2681.
    """

    def __init__(
        self, layer: Any, merge_mode: str | None = "concat", weights: Any = None, backward_layer: Any = None, **kwargs
    ):
        super().__init__(**kwargs)
        self._arguments["weights"] = None  # of interest once; they are saved as all weights are
        self.initial_weights = weights
        if merge_mode not in MERGES:
            raise ValueError(f"merge_mode must be one of {', '.join(map(str, MERGES))}, not {merge_mode!r}")
        for given in (layer, backward_layer):
            if given is not None and not is_recurrent(given):
                raise ValueError(f"Bidirectional reads with recurrent layers of rnnzoo.layers, not {given!r}")
            if given is not None and not _one_way(given):
                raise ValueError("a layer inside reads both ways already: stack Bidirectional layers instead")
        self.forward_layer = self._arguments["layer"] = _copy(layer, "forward_")
        if backward_layer is None:
            backward_layer = _copy(layer, "backward_", go_backwards=not layer.go_backwards)
        self.backward_layer = backward_layer
        self.parts = [self.forward_layer, self.backward_layer]
        self.merge_mode = merge_mode
        self.outputs = 2 if merge_mode is None else 1
        self._check()
        self.return_sequences, self.return_state = layer.return_sequences, layer.return_state

    def _check(self) -> None:
        forward, backward = self.parts
        if forward.go_backwards == backward.go_backwards:
            raise ValueError("the forward and the backward layer read in the same direction: set go_backwards of one")
        for name in SHARED:
            if getattr(forward, name) != getattr(backward, name):
                raise ValueError(f"the forward and the backward layer differ in {name}: give both the same")

    @property
    def causal(self) -> bool:
        """False: an output depends on later inputs."""
        return False

    @property
    def go_backwards(self) -> bool:
        """The direction of the forward layer."""
        return self.forward_layer.go_backwards

    def _override(self, part: Any, state: bool) -> Any:
        sequences = self.return_sequences
        return override_flags(part, return_sequences=sequences, return_state=state, zero_output_for_mask=sequences)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for layer in filter(None, (config["layer"], config["backward_layer"])):
            layer["config"].update(return_sequences=self.return_sequences, return_state=self.return_state)
        return config

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        self.input_spec = [sequence_spec(sequences_shape)]
        for part in self.parts:
            if not part.built:
                part.build(tuple(sequences_shape))
        if self.initial_weights is not None:
            self.set_weights(self.initial_weights)
            self.initial_weights = None

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        shapes = []
        for part in self.parts:
            with self._override(part, True):
                shapes.append(part.compute_output_shape(tuple(sequences_shape)))
        (shape, *forward), (_, *backward) = shapes
        shape = tuple(shape)
        outputs = [(*shape[:-1], 2 * shape[-1]) if self.merge_mode == "concat" else shape]
        outputs = outputs * self.outputs
        if self.return_state:
            return (*outputs, *forward, *backward)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = False) -> Any:
        sequences, mask = self.check_sequences(sequences, mask)
        outputs: list = []
        final: list = []
        for part, state in zip(self.parts, self.deal(initial_state), strict=True):
            with side_by_side(), self._override(part, self.return_state):
                returned = part(sequences, initial_state=state, mask=mask, training=training)
            output, *states = returned if self.return_state else (returned,)
            outputs.append(output)
            final += states
        if self.return_sequences:
            outputs[1] = tf.reverse(outputs[1], [1])
        merged = MERGES[self.merge_mode](*map(self.cast, outputs))
        if not self.return_state:
            return merged
        return (*merged, *final) if self.merge_mode is None else (merged, *final)

    def ends(self, sequence: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
        """The last valid step; of a concatenation, for the half of the backward layer, the first."""
        last = last_valid(sequence, mask)
        if self.merge_mode != "concat":
            return last
        first = last_valid(tf.reverse(sequence, [1]), None if mask is None else tf.reverse(mask, [1]))
        forward, backward = (first, last) if self.go_backwards else (last, first)
        half = sequence.shape[-1] // 2
        return tf.concat([forward[:, :half], backward[:, half:]], -1)

    def step(self, inputs: Any, states: Any) -> Any:
        """Raises `ValueError`: it reads ahead."""
        raise ValueError(f"{self.name} reads ahead and cannot be run step by step; a layer of one direction can")


def _one_way(layer: Any) -> bool:
    return not isinstance(layer, Bidirectional) and all(map(_one_way, getattr(layer, "parts", [])))


def _copy(layer: Any, prefix: str, **changes: Any) -> Any:
    """A layer like this one, with weights of its own."""
    config = layer.get_config()
    name = prefix + config["name"].removeprefix("forward_").removeprefix("backward_")
    return type(layer).from_config({**config, **changes, "name": name})
