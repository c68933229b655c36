"""Inspection of trained models: gradients over time, gates, states, attention and effective context.

`python -m rnnzoo.inspect RUN_DIR` writes figures and JSON files of a run. In Python, each of the modules here has
`measure(trained, sequences)`, whose result can be stored as JSON, and `draw(results, figure)`.

>>> import rnnzoo
>>> from rnnzoo import inspect
>>> task = rnnzoo.create_task("adding", seq_length=20)
>>> trained = inspect.TrainedModel("fresh", rnnzoo.create_model("elman", task.spec, units=8), task)
>>> results = inspect.gradients.measure(trained, inspect.read_sequences(trained))
>>> sorted(results["after"]["layer 1"])
['distance', 'jacobian_norm', 'norm', 'norm_at_loss', 'spectral_radius', 'summary']
"""

from rnnzoo.inspect import attention, effective_context, gates, gradients, states
from rnnzoo.inspect.report import REPORTS, write_report
from rnnzoo.inspect.trace import trace
from rnnzoo.inspect.trained_model import InputSequences, TrainedModel, open_run, read_sequences

__all__ = ["REPORTS", "InputSequences", "TrainedModel", "attention", "effective_context", "gates", "gradients"]
__all__ += ["open_run", "read_sequences", "states", "trace", "write_report"]
