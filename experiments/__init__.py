"""Reproductions of published experiments, one module each: `python -m experiments.NAME`, or `experiments.all`."""
