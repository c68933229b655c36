"""The text of a model card, the README.md of a pretrained model, with front matter as the Hugging Face hub reads it."""

import dataclasses
import hashlib
import re
import shlex
from typing import Any

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
DIGITS = 5  # significant, of a figure
REVISION = 16  # digits of a digest
NO_FILES = hashlib.sha256(b"[]").hexdigest()  # the digest of generated data


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a card says of a trained model, measured when it was built.

    Attributes:
        model: the name of the model.
        task: the name of the task.
        result: `result.json` of the run, whose metrics of the test are those measured on the export.
        data: digest of the data.
        answer: what the example prints.
        sample: what the command of the sample prints.
        figure: the name of an image beside the card, if there is no sample.
        machine: processor and number of cores of the training.
        versions: the versions of Python and of the packages.
    """

    model: str
    task: str
    result: dict[str, Any]
    data: str
    answer: str
    sample: str
    figure: str
    machine: str
    versions: str


def example_code(recipe: Recipe) -> str:
    """Returns the three lines that use a model in plain TensorFlow."""
    load = f'model = tf.saved_model.load("saved_models/{recipe.name}").signatures["{recipe.signature}"]'
    return "\n".join(["import tensorflow as tf", load, recipe.example.strip()])


def format_figure(value: float) -> str:
    """Returns a figure as a card states it."""
    return f"{value:.{DIGITS}g}"


def write_card(recipe: Recipe, facts: Facts) -> str:
    """Returns the text of a card."""
    return f"{_front_matter(recipe, facts)}\n{_body(recipe, facts)}"


def _front_matter(recipe: Recipe, facts: Facts) -> str:
    kind = HUB_TASKS.get(facts.task, "text2text-generation" if facts.task in TEXT_PAIRS else "other")
    metrics = facts.result["metrics"]["test"]
    lines = ["---", "license: apache-2.0", "library_name: tensorflow", "tags:"]
    tags = ["rnnzoo", "recurrent-neural-network", facts.model, facts.task]
    lines += [f"- {tag}" for tag in dict.fromkeys(tags)]
    lines += [f"pipeline_tag: {kind}"] if kind not in ("other", "text2text-generation") else []
    lines += ["datasets:", f"- {_slug(recipe.source.title)}", "metrics:", *(f"- {name}" for name in metrics)]
    lines += ["model-index:", f"- name: {recipe.name}", "  results:", "  - task:", f"      type: {kind}"]
    lines += [f"      name: {facts.task}", "    dataset:", f"      type: {_slug(recipe.source.title)}"]
    lines += [
        f"      name: {_quote(recipe.source.title)}",
        "      split: test",
        f"      revision: {facts.data[:REVISION]}",
    ]
    lines += ["    metrics:"]
    for name, value in metrics.items():
        lines += [f"    - type: {name}", f"      value: {format_figure(value)}"]
    return "\n".join([*lines, "---", ""])


def _body(recipe: Recipe, facts: Facts) -> str:
    result = facts.result
    minutes, seconds = divmod(round(result["seconds"]), 60)
    source = recipe.source
    prefix = "python train.py " + recipe.flags
    where = f" ([source]({source.address}))" if source.address else ""
    shown = f"## Training curve\n\n![figure]({facts.figure})"
    if recipe.sample:
        given = "".join(f"    {line}\n" for line in recipe.sample_input.splitlines())
        given = f"reads\n\n{given}\nand prints" if given else "prints"
        command = f"python -m rnnzoo.{shlex.join(recipe.sample)}"
        shown = f"## Sample\n\n`{command}` {given}\n\n{_indent(facts.sample)}"
    elif facts.figure != "curve.png":
        shown = f"## Figure\n\n![figure]({facts.figure})"
    digest = "" if facts.data == NO_FILES else f" SHA-256 of the files that were read: {facts.data[:REVISION]}..."
    caution = f" {recipe.caution}" if recipe.caution else ""
    return f"""# {recipe.name}

{recipe.summary}

## Use

Plain TensorFlow, without rnnzoo:

```python
{example_code(recipe)}
```

prints

```text
{facts.answer}
```

With rnnzoo, `rnnzoo.load_pretrained("{recipe.name}")` is a Keras model with these weights, and
`train.py --init_from={recipe.name}` trains it further (`--data`: on your own data, where the task reads files).

{shown}

## Data

{source.title}{where}. {source.credit}

Licence of the data: {source.license}.{digest}

## Training

    {prefix}

or `python -m rnnzoo.zoo build {recipe.name}`. Seed {recipe.seed}; {result["parameters"]:,} weights; the weights of step
{result["best_step"]:,} of {result["steps"]:,}, the best ones by the {result["selected_by"]} of the validation data;
{minutes} min {seconds} s on {facts.machine}. {facts.versions}.

## Figures

{_table(result)}

The figures of the test are those of the export, measured in a fresh process; `python -m rnnzoo.zoo verify
{recipe.name}` measures them again.

## Limits

A small network, trained for minutes on a CPU, to study and to compare recurrent networks with.{caution}
"""


def _table(result: dict[str, Any]) -> str:
    metrics = result["metrics"]
    names = list(metrics["test"])
    rows = [["", *names], ["---"] * (len(names) + 1)]
    rows += [[split, *(format_figure(part[name]) for name in names)] for split, part in metrics.items()]
    rows += [
        [f"baseline: {name}", *(format_figure(values[n]) if n in values else "" for n in names)]
        for name, values in result["baselines"].items()
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _indent(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
