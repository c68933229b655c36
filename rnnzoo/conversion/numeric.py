"""The numeric signatures of a model: ids or features in, numbers out, for runtimes without strings."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.data.trees import COLUMNS
from rnnzoo.engine.modes import export_mode
from rnnzoo.export.seq2seq_serving import Seq2SeqServing
from rnnzoo.export.sequence_serving import SequenceServing
from rnnzoo.export.signatures import ServedModel
from rnnzoo.export.tree_serving import TreeServing
from rnnzoo.spec import PAD

Arrays = dict[str, Any]
NEXT = "next_"  # before the name of a result that an input has too: runtimes need two names


@dataclasses.dataclass
class NumericSignature:
    """A signature without strings, and how its answers compare with those of the SavedModel's signature of that name.

    Attributes:
        name: the name of the signature.
        call: computes the results from tensors.
        specs: the inputs.
        convert_inputs: the inputs, from the arguments of the SavedModel's signature.
        comparable: from inputs and results those values that the SavedModel's signature returns too.
    """

    name: str
    call: Callable[..., Arrays]
    specs: list[tf.TensorSpec]
    convert_inputs: Callable[[Arrays], Arrays] = dict
    comparable: Callable[[Arrays, Arrays], Arrays] = lambda inputs, outputs: {
        name.removeprefix(NEXT): value for name, value in outputs.items()
    }

    def trace(self, portable: bool) -> Any:
        """Returns a `tf.function` of the signature.

        Args:
            portable: whether loops over time have the form that LiteRT needs.
        """
        names = {spec.name for spec in self.specs}

        def traced(*arguments: tf.Tensor) -> Arrays:
            with export_mode(portable, converting=True):
                outputs = self.call(*arguments)
            return {f"{NEXT}{name}" if name in names else name: value for name, value in outputs.items()}

        return tf.function(traced, autograph=False, input_signature=self.specs)


def make_numeric_signatures(serving: ServedModel) -> dict[str, NumericSignature]:
    """Returns the numeric signatures of a model by name.

        serving_default(ids [n, time] or [n, time, columns])   predictions, and label_id for classes with names; time
            steps whose id is PAD (0) are padding, and a language model's ids begin with BOS (2)
        serving_default(features [n, time, size]), padded(features, lengths [n])   the same for features
        step(inputs, state_0 ...)   outputs, next_state_0 ...
        encode(ids [n, source_time] or features), decode_step(inputs [n], ...)   for encoder-decoders
        serving_default(ids, parent, child_index, level), each [n, nodes]   for trees; PAD at a node without a token

    They are those of the SavedModel, with `ids` in place of text and without the names of classes.
    """
    if isinstance(serving, Seq2SeqServing):
        signatures = _seq2seq_signatures(serving)
    elif isinstance(serving, TreeServing):
        signatures = [_tree_signature(serving)]
    elif isinstance(serving, SequenceServing):
        signatures = _sequence_signatures(serving)
    else:
        raise TypeError(f"no numeric signatures are known for {type(serving).__name__}")
    return {signature.name: signature for signature in signatures}


def _sequence_signatures(serving: SequenceServing) -> list[NumericSignature]:
    spec = serving.spec
    signatures = [_text_signature(serving)] if spec.inputs == "tokens" else _feature_signatures(serving)
    if "step" in serving.functions:
        signatures.append(NumericSignature("step", serving.step, serving.step_specs()))
    return signatures


def _text_signature(serving: SequenceServing) -> NumericSignature:
    spec = serving.spec
    columns = [len(spec.id_sizes)] if len(spec.id_sizes) > 1 else []

    def predict(ids: tf.Tensor) -> Arrays:
        words = ids[..., 0] if columns else ids
        return serving.add_label_ids(serving.model(ids, mask=tf.not_equal(words, PAD)), tf.not_equal(words, PAD))

    def convert_inputs(arguments: Arrays) -> Arrays:
        return {"ids": serving.encode_text(*arguments.values())[0]}

    ids = tf.TensorSpec([None, None, *columns], tf.int32, "ids")
    comparable = _score_text(spec) if spec.is_language_model else _name_labels(spec)
    return NumericSignature("serving_default", predict, [ids], convert_inputs, comparable)


def _feature_signatures(serving: SequenceServing) -> list[NumericSignature]:
    features = tf.TensorSpec([None, None, serving.spec.input_size], tf.float32, "features")
    lengths = tf.TensorSpec([None], tf.int32, "lengths")

    def predict(features: tf.Tensor) -> Arrays:
        return serving.add_label_ids(serving.model(serving.scale_inputs(features)))

    def predict_padded(features: tf.Tensor, lengths: tf.Tensor) -> Arrays:
        mask = tf.sequence_mask(lengths, tf.shape(features)[1])
        return serving.add_label_ids(serving.model(serving.scale_inputs(features), mask=mask), mask)

    named = _name_labels(serving.spec)
    return [
        NumericSignature("serving_default", predict, [features], comparable=named),
        NumericSignature("padded", predict_padded, [features, lengths], comparable=named),
    ]


def _score_text(spec: Any) -> Callable[[Arrays, Arrays], Arrays]:
    """Returns the function that computes the log-probability of texts from the ids and the logits after each."""

    def score(inputs: Arrays, outputs: Arrays) -> Arrays:
        ids, logits = np.asarray(inputs["ids"]), np.asarray(outputs["predictions"], "float64")
        highest = logits.max(-1, keepdims=True)
        log_p = logits - highest - np.log(np.exp(logits - highest).sum(-1, keepdims=True))
        chosen = np.take_along_axis(log_p[:, :-1], ids[:, 1:, None], -1)[..., 0] * (ids[:, 1:] != PAD)
        total, count = chosen.sum(1), (ids[:, 1:] != PAD).sum(1)
        mean = -total / np.maximum(count, 1)
        by_token = {"bits_per_char": mean / math.log(2)} if spec.level == "char" else {"perplexity": np.exp(mean)}
        return {"log_probability": total, **by_token}

    return score


def _name_labels(spec: Any) -> Callable[[Arrays, Arrays], Arrays]:
    """Returns the function that adds the names of classes to results with the ids of classes, -1 at padding."""

    def name_labels(inputs: Arrays, outputs: Arrays) -> Arrays:
        named = {name: value for name, value in outputs.items() if name != "label_id"}
        if "label_id" in outputs:
            names = np.array(["", *spec.labels], object)
            named["label"] = names[np.asarray(outputs["label_id"]) + 1]
        return named

    return name_labels


def _tree_signature(serving: TreeServing) -> NumericSignature:
    def predict(ids: tf.Tensor, *arrays: tf.Tensor) -> Arrays:
        return serving.add_label_ids(serving.model(tf.stack([ids, *arrays], -1)), arrays[-1] > 0)

    def convert_inputs(arguments: Arrays) -> Arrays:
        return {"ids": serving.token_ids(arguments["token"]), **{name: arguments[name] for name in COLUMNS}}

    specs = [tf.TensorSpec([None, None], tf.int32, name) for name in ("ids", *COLUMNS)]
    return NumericSignature("serving_default", predict, specs, convert_inputs, _name_labels(serving.spec))


def _seq2seq_signatures(serving: Seq2SeqServing) -> list[NumericSignature]:
    source = serving.source_spec()
    strings = source.dtype == tf.string
    source = tf.TensorSpec([None, None], tf.int32, "ids") if strings else source

    def convert_inputs(arguments: Arrays) -> Arrays:
        return {"ids": serving.prepare_source(arguments["text"])} if strings else arguments

    def with_source(call: Callable[..., Arrays]) -> Callable[..., Arrays]:
        return lambda given: call(given if strings else serving.prepare_source(given))

    if serving.spec.outputs != "token":
        call = with_source(serving.generate_vectors)
        return [NumericSignature("serving_default", call, [source], convert_inputs)]
    return [
        NumericSignature("encode", with_source(serving.encode), [source], convert_inputs),
        NumericSignature("decode_step", serving.decode_step, serving.decode_specs()),
    ]
