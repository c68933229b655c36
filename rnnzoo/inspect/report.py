"""Figures and JSON files of one or several runs."""

import importlib.util
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError
from rnnzoo.inspect import attention, effective_context, gates, gradients, plots, states
from rnnzoo.inspect.trained_model import TrainedModel, read_sequences

REPORTS: dict[str, Any] = {
    "gradients": gradients,
    "gates": gates,
    "states": states,
    "attention": attention,
    "effective_context": effective_context,
}


def write_report(
    trained_models: Sequence[TrainedModel], out: Path, names: Sequence[str] = (), text: str | None = None
) -> Iterator[str]:
    """Writes reports on trained models as JSON and figures, and yields the lines to print.

    Args:
        out: folder for `NAME.json` and, with matplotlib, `NAME.png` of each report.
        names: names of the reports. Default: all that apply; the lines to print mention the others.
        text: text to read, instead of the first test sequences.

    Raises:
        UserError: a report of `names` applies to none of the runs, or two runs have the same name.
    """
    if not trained_models:
        raise UserError("there is nothing to inspect: name the folder of a run")
    runs = [trained.name for trained in trained_models]
    if len(set(runs)) < len(runs):
        raise UserError(f"two runs have the same name ({', '.join(runs)}): rename their folders")
    sequences = {trained.name: read_sequences(trained, _split_text(trained, text)) for trained in trained_models}
    has_plots = importlib.util.find_spec("matplotlib") is not None
    out.mkdir(parents=True, exist_ok=True)
    for name in names or REPORTS:
        results: dict[str, Any] = {}
        errors: dict[str, UserError] = {}
        for trained in trained_models:
            try:
                results[trained.name] = REPORTS[name].measure(trained, sequences[trained.name])
            except UserError as error:
                errors[trained.name] = error
        if not results and names:
            raise next(iter(errors.values()))
        yield from (f"{run}: {error}" for run, error in errors.items())
        if not results:
            continue
        _write_json(out / f"{name}.json", results)
        if has_plots:
            plots.save_figure(lambda figure, n=name, f=results: REPORTS[n].draw(f, figure), out / f"{name}.png")
        for run, values in results.items():
            yield from (f"{run}: {line}" for line in REPORTS[name].summary_lines(values))
    yield f"written to {out}" + ("" if has_plots else "; for figures, pip install 'rnnzoo[plot]'")


def _split_text(trained: TrainedModel, text: str | None) -> list[str]:
    """Returns the sources of a seq2seq model, one on each line, or the whole text for other models."""
    if text is None:
        return []
    return [line for line in text.splitlines() if line.strip()] or [text] if trained.spec.inputs == "pair" else [text]


def _write_json(path: Path, value: Any) -> None:
    temporary = path.with_name(path.name + ".part")
    text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)


def _finite(value: Any) -> Any:
    """Replaces numbers that are not finite, which JSON does not have, by null."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
