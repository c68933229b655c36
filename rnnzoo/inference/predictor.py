"""Predictions of an exported model for lines of text."""

import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from rnnzoo.data.files import check_encoding
from rnnzoo.data.number_format import NumberFormat
from rnnzoo.data.trees import format_tree
from rnnzoo.errors import UserError
from rnnzoo.inference.attention_plot import draw_attention
from rnnzoo.inference.line_formats import FeatureFormat, SeriesFormat, TextFormat, TreeFormat
from rnnzoo.inference.loading import load
from rnnzoo.inference.model_names import find_model
from rnnzoo.inference.predict_options import PredictOptions
from rnnzoo.spec import TaskSpec
from rnnzoo.utils.json_files import EXPORT_CONFIG, read_json

FIGURE_SUFFIXES = (".png", ".svg", ".pdf")
TEXT_RESULTS = {"text", "label", "log_probability"}  # outputs of signatures that can be printed


class Predictor:
    """Predicts lines of text, or of trees in parentheses, with an export of this package, which is loaded safely.

    The prediction for a line depends on the model:
        seq2seq: the generated text; with `nbest`, lines of line number, score and text.
        classifier: the label.
        tagger: the label of each token; with features, a line holds the words, a tab and the values of a feature ...
        series: the label or the value; a line holds numbers separated by commas, dimensions separated by colons.
        labelled trees: the label of the root and, if the model labels every node, the labelled tree.
        language model: the log-probability (nats), and the bits per character or the perplexity.

    Args:
        path: the folder of the export, or the name of a pretrained model.
        options: a `PredictOptions`.

    Raises:
        UserError: the export is not of this package, or does not read text; or `beam`, `nbest` or `attention_plot`
            for a model that does not support it.
    """

    def __init__(self, path: Any, options: PredictOptions | None = None):
        options, path = options or PredictOptions(), find_model(path)
        self.loaded = load(path)
        self.signatures: Any = getattr(self.loaded, "signatures", {})
        self.options, self.spec = options, _read_spec(path)
        self.is_seq2seq = "translate" in self.signatures
        inputs = self.signatures["serving_default"].structured_input_signature[1]
        if "parent" in inputs and "child_index" not in inputs:
            raise UserError(f"{path} was exported by an earlier version of rnnzoo: export it again")
        results = self.signatures["serving_default"].structured_outputs
        reads_series = self.spec.inputs == "features" and not self.spec.per_step and "padded" in self.signatures
        reads_series = reads_series and bool(self.spec.labels or self.spec.output_scale)
        answers_text = ("parent" in inputs or "text" in inputs) and TEXT_RESULTS.intersection(results)
        if not (answers_text or reads_series):
            raise UserError(f"{path} does not answer lines of text; call its signatures with TensorFlow")
        self.format: Any = TextFormat(self.spec)
        if reads_series:
            self.format = SeriesFormat(self.spec, NumberFormat(options.decimal, options.thousands))
        elif self.spec.feature_vocabularies:
            self.format = FeatureFormat(self.spec)
        elif "parent" in inputs:
            self.format = TreeFormat(self.spec)
        if not self.is_seq2seq and (options.beam > 1 or options.nbest > 1 or options.length_penalty):
            raise UserError("--beam, --nbest and --length_penalty apply to seq2seq models only")
        if options.length_penalty and options.beam == 1:
            raise UserError("--length_penalty needs several beams: give --beam too")
        if options.nbest > options.beam:
            raise UserError(f"--nbest={options.nbest} needs as many beams: give --beam={options.nbest}")
        if options.attention_plot and "align" not in self.signatures:
            raise UserError("--attention_plot: this model has no attention")
        if options.attention_plot:
            _check_figure_path(Path(options.attention_plot))
        self.encoding = _check_line_encoding(options.encoding)

    def find_problem(self, text: str) -> str:
        """Returns the reason why a line cannot be read; empty if it can."""
        return self.format.find_problem(text)

    def predict_lines(self, numbers: Sequence[int], lines: Sequence[str]) -> list[str]:
        """Returns the predictions for non-empty lines; `numbers` are their line numbers."""
        inputs = self.format.convert(lines)
        if self.is_seq2seq and self.options.beam > 1:
            return self._beam_search(numbers, inputs["text"])
        outputs = {name: value.numpy() for name, value in self.signatures[self.format.signature](**inputs).items()}
        if self.is_seq2seq and self.options.nbest == 1:
            return [t.decode() for t in outputs["text"]]
        if "label" in outputs:
            labels = outputs["label"]
            if isinstance(self.format, TreeFormat) and labels.ndim == 2:
                trees = map(self.format.parse, lines)
                rows = [[label.decode() for label in row if label] for row in labels]
                labelled = (tree._replace(labels=row) for tree, row in zip(trees, rows, strict=True))
                return [f"{tree.labels[-1]}\t{format_tree(tree)}" for tree in labelled]
            rows = labels if labels.ndim == 2 else labels[:, None]
            return [" ".join(label.decode() for label in row if label) for row in rows]
        if isinstance(self.format, SeriesFormat):
            return self.format.format(outputs["predictions"])
        per_token = outputs["bits_per_char"] if "bits_per_char" in outputs else outputs["perplexity"]
        return [f"{total:.4f}\t{mean:.4f}" for total, mean in zip(outputs["log_probability"], per_token, strict=True)]

    def _beam_search(self, numbers: Sequence[int], text: tf.Tensor) -> list[str]:
        sizes = {
            "beam_size": tf.constant([self.options.beam]),
            "length_penalty": tf.constant([float(self.options.length_penalty)]),
        }
        outputs = self.signatures["translate"](text=text, **sizes)
        texts, scores = outputs["text"].numpy(), outputs["score"].numpy()
        if self.options.nbest == 1:
            return [row[0].decode() for row in texts]
        best = slice(0, self.options.nbest)
        lowest = tf.float32.min  # of a beam without a result
        return [
            "\n".join(
                f"{n}\t{-math.inf if s <= lowest else s:.4f}\t{t.decode()}"
                for s, t in zip(scores[i, best], texts[i, best], strict=True)
            )
            for i, n in enumerate(numbers)
        ]

    def plot(self, line: str, path: Path) -> None:
        """Plots the attention weights for a line."""
        outputs = {name: value.numpy()[0] for name, value in self.signatures["align"](text=tf.constant([line])).items()}
        source, target = ([token.decode() for token in outputs[side]] for side in ("source", "target"))
        draw_attention(outputs["attention"], source, target, path)


def _check_line_encoding(name: str) -> str:
    """Returns the name of an encoding of lines. Raises `UserError` if it is unknown or encodes newlines differently."""
    known = check_encoding(name).removesuffix("-sig")
    if "\n".encode(known) != b"\n":
        raise UserError(f"--encoding={name}: lines in this encoding cannot be separated; convert the file to utf-8")
    return known


def _check_figure_path(path: Path) -> None:
    """Raises `UserError` for a figure that cannot be written, before the first prediction."""
    if path.suffix.lower() not in FIGURE_SUFFIXES:
        raise UserError(f"--attention_plot: the name of a figure must end with {', '.join(FIGURE_SUFFIXES)}")
    if not path.parent.is_dir():
        raise UserError(f"--attention_plot: there is no folder {path.parent}")
    if importlib.util.find_spec("matplotlib") is None:
        raise UserError("--attention_plot needs matplotlib: pip install 'rnnzoo[plot]'")


def _read_spec(path: Path) -> TaskSpec:
    try:
        return TaskSpec.from_json(read_json(path / "assets.extra" / "config.json", EXPORT_CONFIG)["spec"])
    except UserError as error:
        raise UserError(f"{path} is not an export of this package: {error}") from None
