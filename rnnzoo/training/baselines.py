"""Comparison of a trained model with the baselines of its task."""

from typing import Any

from rnnzoo.training.metrics import NO_GOAL, score


def compare_with_baselines(result: dict[str, Any]) -> list[str]:
    """Returns a warning for each baseline that is as good as the model, by the metric that selected the model.

    Args:
        result: the contents of `result.json`.
    """
    name = result["selected_by"]
    value = result["metrics"]["test"].get(name)
    if value is None or name in NO_GOAL:
        return []
    return [
        f"warning: the test {name}, {value:.4g}, does not beat the baseline '{baseline}', {values[name]:.4g}"
        for baseline, values in result["baselines"].items()
        if name in values and score(name, value) >= score(name, values[name])
    ]
