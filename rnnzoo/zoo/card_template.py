"""The body of a model card."""

TEMPLATE = """# {name}

{summary}

## Use

Plain TensorFlow, without rnnzoo:

```python
{example}
```

prints

```text
{answer}
```

With rnnzoo, `rnnzoo.load_pretrained("{name}")` is a Keras model with these weights, and
`train.py --init_from={name}` trains it further (`--data`: on your own data, where the task reads files).

{shown}## Data

{title}{where}. {credit}

Licence of the data: {license}.{digest}

## Training

{commands}

or `python -m rnnzoo.zoo build {name}`. Seed {seed}; {parameters:,} weights; the weights of step
{best_step:,} of {steps:,}, the best ones by the {selected_by} of the validation data;
{minutes} min {seconds} s on {machine}. {versions}.

## Metrics

{table}

The metrics of the test are those of the export, measured in a fresh process; `python -m rnnzoo.zoo verify
{name}` measures them again.

## Limits

A small network, trained for minutes on a CPU, to study and to compare recurrent networks with.{caution}
"""
