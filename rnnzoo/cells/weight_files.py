"""Loading of Keras weights files into layers of other classes."""

import re
from typing import Any


def find_saved_weights(store: Any, variables: list[Any]) -> Any:
    """Returns the group of a `.weights.h5` file that holds a layer's weights, even if named after another class.

    Keras names the groups of such a file after classes, so a layer does not find the weights of its subclass, of its
    parent, or of the Keras layer that it replaces. A name on the path that the file does not have matches names with
    the same number (`lstm_1`, `my_lstm_1`) that lead to weights of the same shapes, if there is exactly one and no
    other layer has read it.

    Raises:
        ValueError: another layer has read the weights of this one's name.
    """
    file: Any = getattr(store, "h5_file", None)
    path: Any = getattr(store, "_h5_entry_path", None)
    if not variables or not path or not hasattr(file, "keys"):
        return store
    used = vars(store).setdefault("_rnnzoo_used", set())
    if len(store.keys()):
        if path in used:
            raise ValueError(
                f"the weights of {path} have been read for a layer of another class already: load the file into a "
                "model of the classes that it was saved from"
            )
        used.add(path)
        return store
    matches: list[tuple[Any, str]] = [(file, "")]
    for part in path.split("/"):
        matches = [below for group, at in matches for below in _matching_groups(group, at, part)]
    shapes = [tuple(v.shape) for v in variables]
    groups = [(group["vars"], at) for group, at in matches if "vars" in group and at not in used]
    groups = [(g, at) for g, at in groups if [tuple(g[str(i)].shape) for i in range(len(g))] == shapes]
    if len(groups) != 1:
        return store
    used.add(groups[0][1])
    return groups[0][0]


def _matching_groups(group: Any, at: str, name: str) -> list:
    """Returns the group of that name, or if no name is of its class, the groups with the same number."""
    if name in group:
        return [(group[name], f"{at}/{name}".lstrip("/"))]
    number, base = _number(name), name.removesuffix(f"_{_number(name)}")
    if any(other.removesuffix(f"_{_number(other)}") == base for other in group):
        return []
    groups = [(below, other) for other, below in group.items() if hasattr(below, "keys") and _number(other) == number]
    return [(below, f"{at}/{other}".lstrip("/")) for below, other in groups]


def _number(name: str) -> str:
    match = re.search(r"_(\d+)$", name)
    return match[1] if match else ""
