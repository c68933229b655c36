"""Deep transition between two hidden states (Pascanu et al. 2013)."""

from typing import Any

import keras
import tensorflow as tf
from keras import tree

from rnnzoo.cells.affine import AffineCell
from rnnzoo.cells.base import Cell
from rnnzoo.cells.unit_equations import UnitEquation, in_part


@keras.saving.register_keras_serializable(package="rnnzoo")
class DeepTransitionCell(Cell):
    """Deep transition: a step of the cell, then further steps without input, each with its own weights.

        s^1 = cell_1(x_t, s_{t-1}),   s^k = cell_k(s^{k-1}) for k = 2 ... depth,   s_t = s^depth

    For Elman's cell this is the DT-RNN of the paper,

        h_t = sigma(U_L sigma(... U_2 sigma(U_1 h_{t-1} + W x_t + b_1) + b_2 ...) + b_L)

    With `shortcut` (DT(S)-RNN) the previous state also enters the last of these steps through a matrix of its own:
    `U_L z + S h_{t-1} + b_L`, and likewise the gates of a gated cell. With a depth of 1 it is the cell itself.

    Shapes: those of the cell; weights those of the cell for each step, without W for steps 2 to `depth`, then S.

    Args:
        cell: a cell that can run without inputs.
        depth: L, the number of steps in a transition.
        shortcut: whether there is an S.

    Raises:
        ValueError: the cell does not support a deep transition or a shortcut, or `depth` is too small.

    >>> import tensorflow as tf, rnnzoo
    >>> deep = DeepTransitionCell(rnnzoo.cells.ElmanCell(4), depth=3, shortcut=True)
    >>> rnnzoo.layers.RNN(deep)(tf.zeros([2, 7, 5])).shape
    TensorShape([2, 4])

    Pascanu, Gulcehre, Cho & Bengio (2013), How to construct deep recurrent neural networks, arXiv 1312.6026; for
    gated cells as in Miceli Barone et al. (2017), arXiv 1707.07631.
    """

    def __init__(self, cell: AffineCell, depth: int = 2, shortcut: bool = False, **kwargs):
        super().__init__(**kwargs)
        name = type(cell).__name__
        if not isinstance(cell, Cell):
            inner = getattr(cell, "cell", None)
            hint = f"; {name} is a layer: give its cell, rnnzoo.cells.{type(inner).__name__}(...)" if inner else ""
            raise ValueError(f"a deep transition expects a cell of rnnzoo.cells, but got {cell!r:.80}{hint}")
        if not getattr(cell, "runs_without_inputs", False):
            raise ValueError(f"{name} does not support a deep transition: it cannot run without inputs")
        if depth < 1:
            raise ValueError(f"depth must be at least 1, got {depth!r}")
        if shortcut and depth < 2:
            raise ValueError("a shortcut skips intermediate steps: it needs a depth of at least 2")
        if shortcut and not getattr(cell, "has_additive_recurrence", False):
            raise ValueError(f"{name} with these options multiplies by the previous state twice: set shortcut=False")
        self.cells = [cell, *(_clone_cell(cell) for _ in range(depth - 1))]
        self.shortcut_cell = _clone_cell(cell, use_bias=False) if shortcut else None
        self.state_size, self.output_size = cell.state_size, cell.output_size

    def build(self, input_shape: Any) -> None:
        first, *rest = self.cells
        if not first.built:
            first.build(input_shape)
        for cell in rest:
            cell.build((*input_shape[:-1], 0))
        if self.shortcut_cell is not None:
            self.shortcut_cell.build_recurrent(first.blocks * first.units)

    def get_initial_state(self, batch_size: Any) -> list[tf.Tensor]:
        return self.cells[0].get_initial_state(batch_size)

    def project(self, inputs: tf.Tensor, training: Any = False) -> Any:
        first, *rest = self.cells
        no_inputs = inputs[..., :0]
        return (first.project(inputs, training), *(cell.project(no_inputs, training) for cell in rest))

    def constants(self, inputs: tf.Tensor, training: Any = False, memory: Any = None) -> Any:
        cells = self.cells if self.shortcut_cell is None else [*self.cells, self.shortcut_cell]
        return tuple(cell.constants(inputs, training, memory) for cell in cells)

    def recurrent(self, state: tuple, consts: Any) -> Any:
        r = self.cells[0].recurrent(state, consts[0])
        return (r,) if self.shortcut_cell is None else (r, self.shortcut_cell.recurrent(state, consts[-1]))

    def state_symbols(self) -> list[str]:
        return self.cells[0].state_symbols()

    def unit_equations(self, x: Any, r: Any, state: tuple, consts: Any) -> list[UnitEquation]:
        equations: list[UnitEquation] = []

        def visit(k: int, cell: Any, *step: Any) -> None:
            part = f"step {k + 1}, h_{{t-1}} from step {k}" if k else "step 1"
            equations.extend(in_part(part, cell.unit_equations(*step)))

        self._run_steps(x, r, state, consts, visit)
        return equations

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        return self._run_steps(x, r, state, consts)

    def _run_steps(self, x: Any, r: Any, state: tuple, consts: Any, visit: Any = None) -> tuple[tf.Tensor, tuple]:
        """Runs the steps of a transition; `visit(k, cell, x, r, state, consts)` is called before each."""
        output, inner = None, r[0]
        for k, cell in enumerate(self.cells):
            if k:
                inner = cell.recurrent(state, consts[k])
                if self.shortcut_cell is not None and cell is self.cells[-1]:
                    inner = tree.map_structure(tf.add, inner, r[1])
            if visit is not None:
                visit(k, cell, x[k], inner, state, consts[k])
            output, state = cell.step(x[k], inner, state, consts[k])
        return output, state


def _clone_cell(cell: Any, **changes: Any) -> Any:
    """Creates a cell with the same configuration and its own weights."""
    config = cell.get_config()
    del config["name"]
    return type(cell).from_config({**config, **changes})
