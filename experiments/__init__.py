"""Published experiments, a file each: `python -m experiments.NAME`, or all by `python -m experiments.all`."""
