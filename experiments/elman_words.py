"""Elman (1990): word boundaries in a stream of letters.

Words from a lexicon of 15, concatenated without spaces. A network predicts the next letter; its error should be high at
the first letter of a word and fall within it.

Elman: 5-20-5 units, letters as five random bits, 200 sentences, ten passes, one by one, one-step truncated gradient;
published as a figure. Here: the same number of units (20), one-hot letters, softmax, Adam, 32 streams, windows of 50
letters; the error is the negative log-likelihood in bits; 3 seeds.

Measured, truncated gradient: 3.47 bits at the first letter of a word (3.37 at best), 0.43 at the second, 0.04 at the
third. Seeds 0 to 2, 50 s: `python -m experiments.elman_words`.
"""

import string
from typing import Any

import numpy as np

from experiments.common import Result, SampledTask, main, train
from rnnzoo.data.batch import Batch
from rnnzoo.spec import SPECIAL_TOKENS, TaskSpec

LEXICON = ["many", "years", "ago", "boy", "girl", "lived", "by", "the", "sea", "they", "played", "happily"]
LEXICON += ["once", "and", "here"]
SYMBOLS = (*SPECIAL_TOKENS, *string.ascii_lowercase)
WINDOW, STEPS = 50, 1500


def sample_stream(rng: np.random.Generator) -> tuple[str, list[int]]:
    """Samples letters, and returns them with the position of each in its word."""
    words = [LEXICON[i] for i in rng.integers(0, len(LEXICON), WINDOW)]
    return "".join(words)[: WINDOW + 1], [i for word in words for i in range(len(word))][: WINDOW + 1]


def sample_batch(rng: np.random.Generator, size: int) -> Batch:
    """Samples letters, and the next letter at each step."""
    ids = np.array([[SYMBOLS.index(letter) for letter in sample_stream(rng)[0]] for _ in range(size)], "int32")
    return Batch(ids[:, :-1], ids[:, 1:])


def run(quick: bool) -> Result:
    """Measures the error by the position of a letter in its word."""
    spec = TaskSpec("tokens", "token", True, len(SYMBOLS), len(SYMBOLS), "cross_entropy", vocabulary=SYMBOLS)
    task = SampledTask(spec, sample_batch, 32, 64)
    rows, plotted = [], None
    for truncate in (1, 0):
        errors = []
        for seed in range(1 if quick else 3):
            options = {"units": 20, "truncate": truncate, "embedding": 5}
            model = train("elman", task, 150 if quick else STEPS, 0.01, seed=seed, options=options).model
            rng = np.random.default_rng(seed)
            texts = [sample_stream(rng) for _ in range(64)]
            ids = np.array([[SYMBOLS.index(letter) for letter in text] for text, _ in texts])
            logits = model(ids[:, :-1]).numpy()
            logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
            bits = -np.take_along_axis(logs, ids[:, 1:, None], 2)[..., 0] / np.log(2)
            positions = np.array([position[1:] for _, position in texts])
            errors.append([bits[:, 8:][positions[:, 8:] == p].mean() for p in range(4)])
            plotted = (bits[0], texts[0]) if truncate == 0 and plotted is None else plotted
        rows.append((truncate or "all", *map(float, np.mean(errors, 0))))
    return Result(
        ("back-propagation steps", "bits at the 1st letter of a word", "2nd", "3rd", "4th"),
        rows,
        {"elman_words": lambda figure: draw_figure(figure, *plotted)},
        f"The least possible error at the first letter of {len(LEXICON)} words is {first_letter_entropy():.2f} bits.",
    )


def first_letter_entropy() -> float:
    """Returns the entropy of the first letter of a word, in bits."""
    _, counts = np.unique([word[0] for word in LEXICON], return_counts=True)
    p = counts / counts.sum()
    return float(-(p * np.log2(p)).sum())


def draw_figure(figure: Any, bits: np.ndarray, text: tuple[str, list[int]]) -> None:
    """Draws the error by letter, with the first letters of words marked."""
    letters, positions = text
    figure.set_size_inches(10, 4)
    axes = figure.subplots()
    axes.plot(bits, "k-o", markersize=3, linewidth=1)
    first = [i for i, position in enumerate(positions[1:]) if position == 0]
    axes.plot(first, bits[first], "ks", markersize=7, fillstyle="none", label="first letter of a word")
    axes.set_xticks(range(len(bits)), list(letters[1:]), fontsize=8)
    axes.set(xlabel="predicted letter", ylabel="error, bits", title="Word boundaries (full gradient)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


if __name__ == "__main__":
    main("elman_words", run)
