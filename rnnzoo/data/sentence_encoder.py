"""Conversion of tagged sentences to ids."""

import numpy as np

from rnnzoo.data.bucketing import Example
from rnnzoo.data.conll import Sentence
from rnnzoo.data.vocabulary import encode
from rnnzoo.spec import PAD, SPECIAL_TOKENS, UNKNOWN, TaskSpec


class SentenceEncoder:
    """Converts sentences to examples.

    Args:
        spec: the specification.
    """

    def __init__(self, spec: TaskSpec):
        self.spec = spec
        self._labels = {label: i for i, label in enumerate(spec.labels)}
        self._chars = {c: i for i, c in enumerate(spec.char_vocabulary) if i >= len(SPECIAL_TOKENS)}

    def __call__(self, sentence: Sentence) -> Example:
        """Returns ids of words `[time]`, or with the ids of features and characters `[time, columns]`, and labels."""
        spec = self.spec
        columns = [encode(sentence.words, spec.vocabulary)]
        columns += [encode(v, table) for v, table in zip(sentence.features, spec.feature_vocabularies, strict=True)]
        targets = np.array([self._labels[tag] for tag in sentence.tags], "int32")
        if len(columns) == 1 and not spec.word_length:
            return Example(columns[0], targets)
        return Example(np.concatenate([np.stack(columns, 1), self._spell(sentence.words)], 1), targets)

    def _spell(self, words: list[str]) -> np.ndarray:
        ids = np.full((len(words), self.spec.word_length), PAD, "int32")
        for row, word in zip(ids, words, strict=True):
            row[: len(word)] = [self._chars.get(c, UNKNOWN) for c in word[: self.spec.word_length]]
        return ids
