"""A linear-chain conditional random field on top of a tagger."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.chain import BacktrackingCell, ForwardCell, ViterbiCell
from rnnzoo.engine.scan import scan
from rnnzoo.serialization import SignatureConfig


@keras.saving.register_keras_serializable(package="rnnzoo")
class CRF(SignatureConfig, keras.layers.Layer):
    """Linear-chain conditional random field: scores for pairs of neighbouring labels, beside those of single labels.

        s(e, y)  = sum_t e_t[y_t] + sum_{t > 1} A[y_{t-1}, y_t]
        p(y | e) = exp(s(e, y)) / sum_{y'} exp(s(e, y'))

    The layer returns the emission scores e that it is called with, so that a model with it trains by
    `compile(loss=crf.loss)`; `decode` returns the most probable labels. Masked steps are skipped: the labels before and
    after them are neighbours. A step without valid steps before it has no transition.

    Shapes: emission scores `[batch, time, labels]`, labels `[batch, time]` (integers), mask `[batch, time]`; weight
    `transitions` A `[labels, labels]`.

    Args:
        transition_initializer: initializer of A.

    >>> import keras, numpy as np, rnnzoo
    >>> crf = rnnzoo.layers.CRF()
    >>> words = keras.Input([None], dtype="int32")
    >>> hidden = rnnzoo.layers.LSTM(16, return_sequences=True)(keras.layers.Embedding(50, 8, mask_zero=True)(words))
    >>> model = keras.Model(words, crf(keras.layers.Dense(5)(hidden)))
    >>> model.compile("adam", crf.loss)
    >>> x, y = np.array([[3, 4, 0]]), np.array([[1, 2, 0]])
    >>> history = model.fit(x, y, verbose=0)
    >>> crf.decode(model(x), mask=x != 0).shape
    TensorShape([1, 3])

    Lafferty, McCallum & Pereira (2001), Conditional random fields: probabilistic models for segmenting and labeling
    sequence data, ICML.
    """

    def __init__(self, transition_initializer: Any = "zeros", **kwargs):
        super().__init__(**kwargs)
        self.transition_initializer = keras.initializers.get(transition_initializer)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        labels = input_shape[-1]
        if labels is None:
            raise ValueError("CRF needs emission scores with a fixed number of labels, got a last dimension of None")
        # in float32, whatever the policy: sums of exponentials
        self._forward = ForwardCell(labels, self.transition_initializer, dtype="float32", name="forward")
        self._viterbi = ViterbiCell(labels, dtype="float32", name="viterbi")
        self._backtracking = BacktrackingCell(dtype="float32", name="backtracking")
        for cell in (self._forward, self._viterbi, self._backtracking):
            cell.build((None, labels))
            cell.built = True

    @property
    def transitions(self) -> Any:
        """The weight A, `[labels, labels]`: the score of a label (column) after another one (row)."""
        return self._forward.transitions

    def call(self, inputs: Any, mask: Any = None) -> Any:
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def loss(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        """Loss for `compile`: `negative_log_likelihood`, with the mask that Keras passes with the scores."""
        return self.negative_log_likelihood(y_pred, y_true, getattr(y_pred, "_keras_mask", None))

    def negative_log_likelihood(self, scores: Any, labels: Any, mask: Any = None) -> tf.Tensor:
        """Computes the negative log-likelihood of labels, `-log p(y | e)`, as a sum of one term for each step.

        Args:
            scores: emission scores `[batch, time, labels]`.
            labels: the labels `[batch, time]`, or `[batch, time, 1]`.
            mask: `[batch, time]`, or None.

        Returns:
            `[batch, time]`, in nats, zero at masked steps; the sum over time is the negative log-likelihood.
        """
        e = tf.cast(scores, tf.float32)
        y = tf.cast(tf.reshape(labels, tf.shape(e)[:2]), tf.int32)
        mask = None if mask is None else tf.cast(mask, tf.bool)
        z, _ = scan(self._forward, e, self._forward.get_initial_state(tf.shape(e)[0]), mask, training=True)
        terms = z[..., 0] - tf.gather(e, y, batch_dims=2) - self._transition_scores(y, mask)
        return terms if mask is None else tf.where(mask, terms, 0.0)

    def decode(self, scores: Any, mask: Any = None) -> tf.Tensor:
        """Returns the most probable labels `[batch, time]` (int32), 0 at masked steps, by Viterbi's algorithm.

        Viterbi (1967), Error bounds for convolutional codes and an asymptotically optimum decoding algorithm.
        """
        e = tf.cast(scores, tf.float32)
        mask = None if mask is None else tf.cast(mask, tf.bool)
        transitions = tf.convert_to_tensor(self.transitions)[None]
        state = self._viterbi.get_initial_state(tf.shape(e)[0])
        previous, final = scan(self._viterbi, e, state, mask, memory=transitions)
        last = tf.cast(tf.argmax(final[0], -1, tf.int32), tf.float32)[:, None]
        labels, _ = scan(self._backtracking, previous, (last,), mask, go_backwards=True)
        labels = tf.cast(tf.reverse(labels, [1])[..., 0], tf.int32)
        return labels if mask is None else tf.where(mask, labels, 0)

    def _transition_scores(self, labels: tf.Tensor, mask: Any) -> tf.Tensor:
        """Returns the score of the transition to each step from the valid step before it, 0 at the first one."""
        transitions = tf.convert_to_tensor(self.transitions)
        if mask is not None:  # the valid steps first
            order = tf.argsort(tf.cast(~mask, tf.int32), 1, stable=True)
            labels = tf.gather(labels, order, batch_dims=1)
        pairs = tf.stack([labels[:, :-1], labels[:, 1:]], -1)
        values = tf.pad(tf.gather_nd(transitions, pairs), [[0, 0], [tf.minimum(tf.shape(labels)[1], 1), 0]])
        return values if mask is None else tf.gather(values, tf.argsort(order, 1, stable=True), batch_dims=1)
