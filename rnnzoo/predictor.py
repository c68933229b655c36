"""What an exported model of text answers, from its folder to lines of text."""

import contextlib
import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from rnnzoo.errors import UserError
from rnnzoo.json_files import EXPORT_CONFIG, read_json
from rnnzoo.loading import load
from rnnzoo.plot import draw_attention
from rnnzoo.predict_options import PredictOptions
from rnnzoo.spec import SPECIAL, TaskSpec
from rnnzoo.tasks.files import check_encoding
from rnnzoo.tasks.syntax import read_python
from rnnzoo.tasks.trees import Tree, arrays, parse, show

PICTURES = (".png", ".svg", ".pdf")
GRADES = "01234"  # labels that --binary makes two of
ANSWERS = {"text", "label", "log_probability"}  # results that a line of text can hold


class Predictor:
    """Answers of an export of this package, `rnnzoo.load`ed from `path`, to lines of text, or of trees in brackets.

    A model that writes gives its text (with `nbest`, as many lines of number, score and text), a classifier
    the label, a tagger the label of each unit, a model of labelled trees the label of the root and, where it labels
    every node, the tree with its labels, a language model the log-probability (nats) and its bits per
    character or perplexity.

    Raises:
        UserError: the export is not of this package, or reads something else than text; `beam`, `nbest` or
            `attention_plot` for a model that has no such thing.
    """

    def __init__(self, path: Any, options: PredictOptions | None = None):
        options = options or PredictOptions()
        self.loaded = load(path)
        self.signatures: Any = getattr(self.loaded, "signatures", {})
        self.options, self.spec = options, _spec(Path(path))
        self.writes = "translate" in self.signatures
        inputs = self.signatures["serving_default"].structured_input_signature[1]
        self.reads_trees = "parent" in inputs
        results = self.signatures["serving_default"].structured_outputs
        if not (self.reads_trees or "text" in inputs) or not ANSWERS.intersection(results):
            raise UserError(f"{path} does not read text and answer with text; call its signatures with TensorFlow")
        if not self.writes and (options.beam > 1 or options.nbest > 1 or options.length_penalty):
            raise UserError("--beam, --nbest and --length_penalty are for models that write; this one does not")
        if options.length_penalty and options.beam == 1:
            raise UserError("--length_penalty ranks what several beams find: give --beam too")
        if options.nbest > options.beam:
            raise UserError(f"--nbest={options.nbest} needs as many beams: give --beam={options.nbest}")
        if options.attention_plot and "align" not in self.signatures:
            raise UserError("--attention_plot: this model has no attention")
        if options.attention_plot:
            _check_picture(Path(options.attention_plot))
        self.encoding = _encoding(options.encoding)
        symbols = self.spec.source_vocabulary[len(SPECIAL) :]
        self._labels = set(symbols) if self.writes and self.spec.source_level == "line" else None

    def refuse(self, text: str) -> str:
        """Why a line cannot be answered; empty if it can."""
        if self.reads_trees:
            return self._refuse_tree(text)
        label = text.strip().lower() if self.spec.lowercase else text.strip()
        return (
            "" if self._labels is None or label in self._labels else f"{label!r} is none of the labels the model knows"
        )

    def answer(self, numbers: Sequence[int], lines: Sequence[str]) -> list[str]:
        """The answer to each line, which are not empty; `numbers` are theirs."""
        trees = [self._tree(line) for line in lines] if self.reads_trees else []
        given = arrays(trees) if trees else {"text": tf.constant(list(lines))}
        if self.writes and self.options.beam > 1:
            return self._search(numbers, given["text"])
        found = {name: value.numpy() for name, value in self.signatures["serving_default"](**given).items()}
        if self.writes and self.options.nbest == 1:
            return [t.decode() for t in found["text"]]
        if "label" in found:
            labels = found["label"]
            if trees and labels.ndim == 2:
                rows = [[label.decode() for label in row if label] for row in labels]
                named = (tree._replace(labels=row) for tree, row in zip(trees, rows, strict=True))
                return [f"{tree.labels[-1]}\t{show(tree)}" for tree in named]
            rows = labels if labels.ndim == 2 else labels[:, None]
            return [" ".join(label.decode() for label in row if label) for row in rows]
        per_unit = found["bits_per_char"] if "bits_per_char" in found else found["perplexity"]
        return [f"{total:.4f}\t{each:.4f}" for total, each in zip(found["log_probability"], per_unit, strict=True)]

    def _tree(self, line: str) -> Tree:
        if self.spec.syntax == "python":
            return read_python(line, self.spec.inside)
        if self.spec.syntax == "brackets":
            return parse(line)
        with contextlib.suppress(UserError):  # as in its training, with labels, which do not matter here
            tree = parse(line, labelled=True)
            if set(tree.labels) <= {*self.spec.labels, *GRADES, ""} and all(tree.labels[-1:]):
                return tree
        return parse(line, bare_words=False)

    def _refuse_tree(self, text: str) -> str:
        try:
            widest = max(map(len, self._tree(text).children))
        except UserError as error:
            return str(error)
        most = self.spec.arity
        return f"a node has {widest} children, and the model combines {most}" if most and widest > most else ""

    def _search(self, numbers: Sequence[int], text: tf.Tensor) -> list[str]:
        sizes = {
            "beam_size": tf.constant([self.options.beam]),
            "length_penalty": tf.constant([float(self.options.length_penalty)]),
        }
        found = self.signatures["translate"](text=text, **sizes)
        texts, scores = found["text"].numpy(), found["score"].numpy()
        if self.options.nbest == 1:
            return [row[0].decode() for row in texts]
        best = slice(0, self.options.nbest)
        lowest = tf.float32.min  # of a beam that found nothing
        return [
            "\n".join(
                f"{n}\t{-math.inf if s <= lowest else s:.4f}\t{t.decode()}"
                for s, t in zip(scores[i, best], texts[i, best], strict=True)
            )
            for i, n in enumerate(numbers)
        ]

    def plot(self, line: str, path: Path) -> None:
        """Draws where the attention looks while the model writes for a line."""
        found = {name: value.numpy()[0] for name, value in self.signatures["align"](text=tf.constant([line])).items()}
        source, target = ([unit.decode() for unit in found[side]] for side in ("source", "target"))
        draw_attention(found["attention"], source, target, path)


def _encoding(name: str) -> str:
    """The encoding of lines. Raises `UserError` for one that is not known, or in which lines cannot be told apart."""
    known = check_encoding(name).removesuffix("-sig")
    if "\n".encode(known) != b"\n":
        raise UserError(f"--encoding={name}: its lines cannot be told apart; convert the file to utf-8")
    return known


def _check_picture(path: Path) -> None:
    """Raises `UserError` for a picture that could not be drawn: before anything is answered, not after."""
    if path.suffix.lower() not in PICTURES:
        raise UserError(f"--attention_plot: the name of a picture ends with {', '.join(PICTURES)}")
    if not path.parent.is_dir():
        raise UserError(f"--attention_plot: there is no folder {path.parent}")
    if importlib.util.find_spec("matplotlib") is None:
        raise UserError("--attention_plot needs matplotlib: pip install 'rnnzoo[plot]'")


def _spec(path: Path) -> TaskSpec:
    try:
        return TaskSpec.from_json(read_json(path / "assets.extra" / "config.json", EXPORT_CONFIG)["spec"])
    except UserError as error:
        raise UserError(f"{path} is not an export of this package: {error}") from None
