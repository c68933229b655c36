"""Elman (1990): where words begin in a stream of letters.

Words from a lexicon of 15, their letters one after another without a space. A network predicts the next letter; its
error should be high at the first letter of a word and fall within it.

Elman: 5-20-5 units, letters as five random bits, 200 sentences, ten passes, one by one, one-step truncated gradient;
published as a figure. Here: the same number of units (20), letters one of 26, softmax, Adam, 32 streams, windows of 50
letters; the error is the surprise in bits; 3 seeds.

Measured, gradient cut: 3.47 bits at the first letter of a word (3.37 at best), 0.43 at the second, 0.04 at the third.
Seeds 0 to 2, 50 s: `python -m experiments.elman_words`.
"""

import string
from typing import Any

import numpy as np

from experiments.common import Drawn, Found, main, train
from rnnzoo.data.batch import Batch
from rnnzoo.spec import SPECIAL_TOKENS, TaskSpec

LEXICON = ["many", "years", "ago", "boy", "girl", "lived", "by", "the", "sea", "they", "played", "happily"]
LEXICON += ["once", "and", "here"]
SYMBOLS = (*SPECIAL_TOKENS, *string.ascii_lowercase)
WINDOW, STEPS = 50, 1500


def stream(rng: np.random.Generator) -> tuple[str, list[int]]:
    """Letters, and the place of each in its word."""
    words = [LEXICON[i] for i in rng.integers(0, len(LEXICON), WINDOW)]
    return "".join(words)[: WINDOW + 1], [place for word in words for place in range(len(word))][: WINDOW + 1]


def draw(rng: np.random.Generator, size: int) -> Batch:
    """Letters and the next letter at each step."""
    ids = np.array([[SYMBOLS.index(letter) for letter in stream(rng)[0]] for _ in range(size)], "int32")
    return Batch(ids[:, :-1], ids[:, 1:])


def run(quick: bool) -> Found:
    """Surprise by the place of a letter in its word."""
    spec = TaskSpec("tokens", "token", True, len(SYMBOLS), len(SYMBOLS), "cross_entropy", vocabulary=SYMBOLS)
    task = Drawn(spec, draw, 32, 64)
    rows, shown = [], None
    for truncate in (1, 0):
        found = []
        for seed in range(1 if quick else 3):
            options = {"units": 20, "truncate": truncate, "embedding": 5}
            model = train("elman", task, 150 if quick else STEPS, 0.01, seed=seed, options=options).model
            rng = np.random.default_rng(seed)
            texts = [stream(rng) for _ in range(64)]
            ids = np.array([[SYMBOLS.index(letter) for letter in text] for text, _ in texts])
            logits = model(ids[:, :-1]).numpy()
            logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
            surprise = -np.take_along_axis(logs, ids[:, 1:, None], 2)[..., 0] / np.log(2)
            places = np.array([place[1:] for _, place in texts])
            found.append([surprise[:, 8:][places[:, 8:] == p].mean() for p in range(4)])
            shown = (surprise[0], texts[0]) if truncate == 0 and shown is None else shown
        rows.append((truncate or "all", *map(float, np.mean(found, 0))))
    return Found(
        ("gradient goes back", "bits at the 1st letter of a word", "2nd", "3rd", "4th"),
        rows,
        {"elman_words": lambda figure: picture(figure, *shown)},
        f"The first letter of a word chosen from {len(LEXICON)} can be guessed with {first_letter():.2f} bits at best.",
    )


def first_letter() -> float:
    """Entropy of the first letter of a word, in bits."""
    _, counts = np.unique([word[0] for word in LEXICON], return_counts=True)
    p = counts / counts.sum()
    return float(-(p * np.log2(p)).sum())


def picture(figure: Any, surprise: np.ndarray, text: tuple[str, list[int]]) -> None:
    """The surprise by letter, first letters marked."""
    letters, places = text
    figure.set_size_inches(10, 4)
    axes = figure.subplots()
    axes.plot(surprise, "k-o", markersize=3, linewidth=1)
    first = [i for i, place in enumerate(places[1:]) if place == 0]
    axes.plot(first, surprise[first], "ks", markersize=7, fillstyle="none", label="first letter of a word")
    axes.set_xticks(range(len(surprise)), list(letters[1:]), fontsize=8)
    axes.set(xlabel="letter that is predicted", ylabel="surprise, bits", title="Where words begin (gradient not cut)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


if __name__ == "__main__":
    main("elman_words", run)
