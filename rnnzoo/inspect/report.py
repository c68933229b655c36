"""Pictures and figures of one or several runs, as files."""

import importlib.util
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError
from rnnzoo.inspect import attention, gates, gradients, pictures, reach, states
from rnnzoo.inspect.subject import Subject, given

WHAT: dict[str, Any] = {
    "gradients": gradients,
    "gates": gates,
    "states": states,
    "attention": attention,
    "reach": reach,
}


def write(subjects: Sequence[Subject], out: Path, what: Sequence[str] = (), text: str | None = None) -> Iterator[str]:
    """Writes `WHAT.json` and (with matplotlib) `WHAT.png` of all runs together into `out`; yields what to print.

    Without `what` all that apply are written, and what does not is said.

    Raises:
        UserError: something of `what` applies to none of the runs, or two runs have one name.
    """
    if not subjects:
        raise UserError("there is nothing to look at: name the folder of a run")
    names = [subject.name for subject in subjects]
    if len(set(names)) < len(names):
        raise UserError(f"two runs have one name ({', '.join(names)}): name their folders differently")
    read = {subject.name: given(subject, _texts(subject, text)) for subject in subjects}
    pictured = importlib.util.find_spec("matplotlib") is not None
    out.mkdir(parents=True, exist_ok=True)
    for name in what or WHAT:
        found: dict[str, Any] = {}
        refused: dict[str, UserError] = {}
        for subject in subjects:
            try:
                found[subject.name] = WHAT[name].measure(subject, read[subject.name])
            except UserError as error:
                refused[subject.name] = error
        if not found and what:
            raise next(iter(refused.values()))
        yield from (f"{run}: {error}" for run, error in refused.items())
        if not found:
            continue
        _json(out / f"{name}.json", found)
        if pictured:
            pictures.save(lambda figure, n=name, f=found: WHAT[n].draw(f, figure), out / f"{name}.png")
        for run, values in found.items():
            yield from (f"{run}: {line}" for line in WHAT[name].sentences(values))
    yield f"written to {out}" + ("" if pictured else "; for pictures too: pip install 'rnnzoo[plot]'")


def _texts(subject: Subject, text: str | None) -> list[str]:
    """A model that writes reads a sentence a line, others the whole."""
    if text is None:
        return []
    return [line for line in text.splitlines() if line.strip()] or [text] if subject.spec.inputs == "pair" else [text]


def _json(path: Path, value: Any) -> None:
    beside = path.with_name(path.name + ".part")
    text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)
    beside.write_text(text + "\n", encoding="utf-8")
    beside.replace(path)


def _finite(value: Any) -> Any:
    """The same with null for numbers that are not finite, which JSON does not have."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
