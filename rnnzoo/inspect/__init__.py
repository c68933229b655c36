"""What a trained model does inside: gradients over time, gates, states, attention, and how far back it looks.

`python -m rnnzoo.inspect RUN_DIR` writes pictures and figures of a run. From Python, each of the modules here
has `measure(subject, given)`, whose answer JSON can hold, and `draw(found, figure)`.

>>> import rnnzoo
>>> from rnnzoo import inspect
>>> task = rnnzoo.create_task("adding", seq_length=20)
>>> subject = inspect.Subject("fresh", rnnzoo.create_model("elman", task.spec, units=8), task)
>>> found = inspect.gradients.measure(subject, inspect.given(subject))
>>> sorted(found["after"]["layer 1"])
['at_loss', 'distance', 'jacobian_norm', 'norm', 'says', 'spectral_radius']
"""

from rnnzoo.inspect import attention, gates, gradients, reach, states
from rnnzoo.inspect.report import WHAT, write
from rnnzoo.inspect.subject import Given, Subject, given, open_run
from rnnzoo.inspect.trace import trace

__all__ = [
    "WHAT",
    "Given",
    "Subject",
    "attention",
    "gates",
    "given",
    "gradients",
    "open_run",
    "reach",
    "states",
    "trace",
    "write",
]
