"""What a trained model computes while it reads and writes: gates, states, expectations, attention, beams, trees.

`walk` runs a model on one line of input and returns all of it as values that JSON can hold; the page of
`python -m rnnzoo.serve` draws them.

>>> import rnnzoo
>>> task = rnnzoo.create_task("reber")
>>> steps = walk(rnnzoo.create_model("lstm", task.spec, units=4), "BTS")
>>> steps["inputs"], list(steps["layers"][0]["gates"])
(['<s>', 'B', 'T'], ['input', 'forget', 'candidate', 'output'])
"""

from rnnzoo.walkthrough.describe import describe_model
from rnnzoo.walkthrough.walk import walk

__all__ = ["describe_model", "walk"]
