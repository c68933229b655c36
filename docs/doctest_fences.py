"""Extension of griffe: examples of docstrings, from `>>>` to a blank line, are shown as code."""

from typing import Any

import griffe


class DoctestFences(griffe.Extension):
    """Puts the examples of all docstrings into fences."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Changes the docstring of an object that was read."""
        if obj.docstring is not None:
            obj.docstring.value = fence_doctests(obj.docstring.value)


def fence_doctests(text: str) -> str:
    """Returns a docstring with fences around its examples."""
    lines: list[str] = []
    is_open = False
    for line in [*text.splitlines(), ""]:
        if line.startswith(">>> ") and not is_open:
            lines.append("```pycon")
            is_open = True
        elif is_open and not line.strip():
            lines.append("```")
            is_open = False
        lines.append(line)
    return "\n".join(lines).rstrip()
