"""The text of a model card, the README.md of a pretrained model, with front matter as the Hugging Face hub reads it."""

import dataclasses
import hashlib
import platform
import re
import shlex
from importlib.metadata import version
from typing import Any

from rnnzoo.zoo.card_template import TEMPLATE
from rnnzoo.zoo.recipes import Recipe

HUB_TASKS = {
    "char_lm": "text-generation",
    "word_lm": "text-generation",
    "reber": "text-generation",
    "tag": "token-classification",
    "classify": "text-classification",
    "ast": "text-classification",
    "listops": "text-classification",
    "sst": "text-classification",
    "forecast": "time-series-forecasting",
}
TEXT_PAIRS = ("pairs", "g2p", "scan", "dates", "reverse")
DIGITS = 5  # significant, of a metric
REVISION = 16  # digits of a digest
NO_FILES = hashlib.sha256(b"[]").hexdigest()  # the digest of generated data


@dataclasses.dataclass(frozen=True)
class CardContents:
    """The measured contents of a card.

    Attributes:
        result: `result.json` of the run, whose metrics of the test are those measured on the export.
        data: digest of the data.
        answer: what the example prints.
        sample: what the command of the sample prints.
        figure: the name of an image beside the card, if there is no sample.
        machine: processor and number of cores of the training.
    """

    result: dict[str, Any]
    data: str
    answer: str
    sample: str
    figure: str
    machine: str


def example_code(recipe: Recipe) -> str:
    """Returns the three lines that use a model in plain TensorFlow."""
    load = f'model = tf.saved_model.load("saved_models/{recipe.name}").signatures["{recipe.signature}"]'
    return "\n".join(["import tensorflow as tf", load, recipe.example.strip()])


def format_metric(value: float) -> str:
    """Formats the value of a metric for a card."""
    return f"{value:.{DIGITS}g}"


def write_card(recipe: Recipe, contents: CardContents) -> str:
    """Returns the text of a card."""
    return f"{_front_matter(recipe, contents)}\n{_body(recipe, contents)}"


def _front_matter(recipe: Recipe, contents: CardContents) -> str:
    model, task = contents.result["model"], contents.result["task"]
    kind = HUB_TASKS.get(task, "text2text-generation" if task in TEXT_PAIRS else "other")
    metrics = contents.result["metrics"]["test"]
    lines = ["---", f"license: {recipe.license}", "library_name: tensorflow", "tags:"]
    tags = ["rnnzoo", "recurrent-neural-network", model, task]
    lines += [f"- {tag}" for tag in dict.fromkeys(tags)]
    lines += [f"pipeline_tag: {kind}"] if kind not in ("other", "text2text-generation") else []
    lines += ["datasets:", f"- {_slug(recipe.source.title)}", "metrics:", *(f"- {name}" for name in metrics)]
    lines += ["model-index:", f"- name: {recipe.name}", "  results:", "  - task:", f"      type: {kind}"]
    lines += [f"      name: {contents.result['task']}", "    dataset:", f"      type: {_slug(recipe.source.title)}"]
    lines += [
        f"      name: {_quote(recipe.source.title)}",
        "      split: test",
        f'      revision: "{contents.data[:REVISION]}"',
    ]
    lines += ["    metrics:"]
    for name, value in metrics.items():
        lines += [f"    - type: {name}", f"      value: {format_metric(value)}"]
    return "\n".join([*lines, "---", ""])


def _body(recipe: Recipe, contents: CardContents) -> str:
    source, result = recipe.source, contents.result
    minutes, seconds = divmod(round(result["seconds"]), 60)
    commands = "\n".join(f"    python train.py {flags}" for flags in (recipe.flags, *recipe.stages))
    if recipe.stages:
        commands += "\n\nEach run begins with the weights of the one before (`--init_from`),"
    digest = f" SHA-256 of the files that were read: {contents.data[:REVISION]}..."
    values = {name: result[name] for name in ("parameters", "steps", "best_step", "selected_by")}
    return TEMPLATE.format(
        **values,
        name=recipe.name,
        summary=recipe.summary,
        example=example_code(recipe),
        answer=contents.answer,
        shown=_sample_or_figure(recipe, contents),
        title=source.title,
        where=f" ([source]({source.address}))" if source.address else "",
        credit=source.credit,
        license=source.license,
        digest="" if contents.data == NO_FILES else digest,
        commands=commands,
        seed=recipe.seed,
        minutes=minutes,
        seconds=seconds,
        machine=contents.machine,
        versions=f"Python {platform.python_version()}, TensorFlow {version('tensorflow')}, Keras {version('keras')}",
        table=_table(result),
        caution=f" {recipe.caution}" if recipe.caution else "",
    )


def _sample_or_figure(recipe: Recipe, contents: CardContents) -> str:
    if recipe.sample:
        given = "".join(f"    {line}\n" for line in recipe.sample_input.splitlines())
        given = f"reads\n\n{given}\nand prints" if given else "prints"
        command = f"python -m rnnzoo.{shlex.join(recipe.sample)}"
        return f"## Sample\n\n`{command}` {given}\n\n{_indent(contents.sample)}\n\n"
    if not contents.figure:
        return ""
    title = "Training curve" if contents.figure == "curve.png" else "Figure"
    return f"## {title}\n\n![figure]({contents.figure})\n\n"


def _table(result: dict[str, Any]) -> str:
    metrics = result["metrics"]
    names = list(metrics["test"])
    rows = [["", *names], ["---"] * (len(names) + 1)]
    rows += [[split, *(format_metric(part[name]) for name in names)] for split, part in metrics.items()]
    rows += [
        [f"baseline: {name}", *(format_metric(values[n]) if n in values else "" for n in names)]
        for name, values in result["baselines"].items()
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _indent(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
