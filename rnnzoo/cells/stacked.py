"""Several cells run as one cell."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.base import Cell, split_states
from rnnzoo.cells.noise import sample_dropout_mask
from rnnzoo.cells.unit_equations import UnitEquation, in_part


@keras.saving.register_keras_serializable(package="rnnzoo")
class StackedCells(Cell):
    """Cells stacked at the same time step and run as one cell; replaces `keras.layers.StackedRNNCells`.

        h_t^1 = cell_1(x_t, h_{t-1}^1),   h_t^k = cell_k(h_t^{k-1}, h_{t-1}^k) for k > 1

    `rnnzoo.layers.RNN([cell, cell])` creates one from its list. Only the first cell's input projection can be
    computed before the loop, so a `rnnzoo.layers.Stack` of layers, which gives the same numbers, is faster.

    Shapes: inputs `[batch, time, features]`; states those of the cells, from bottom to top, in a list for a cell with
    several states, as in Keras; output that of the top cell; weights those of the cells, in their order.

    Args:
        cells: the cells, from bottom to top.

    Raises:
        ValueError: no cell, something other than a cell of `rnnzoo.cells`, or zoneout in a cell above the first.

    >>> import tensorflow as tf, rnnzoo
    >>> layer = rnnzoo.layers.RNN([rnnzoo.cells.LSTMCell(4), rnnzoo.cells.GRUCell(3)], return_state=True)
    >>> output, (h, c), h2 = layer(tf.zeros([2, 7, 5]))
    >>> output.shape, c.shape
    (TensorShape([2, 3]), TensorShape([2, 4]))

    El Hihi & Bengio (1996), Hierarchical recurrent neural networks for long-term dependencies, NIPS 8.
    """

    def __init__(self, cells: list[Any], **kwargs):
        super().__init__(**kwargs)
        if not cells or not all(isinstance(cell, Cell) for cell in cells):
            raise ValueError(f"StackedCells expects a list of cells of rnnzoo.cells, but got {cells!r:.200}")
        if any(getattr(cell, "zoneout", 0) or getattr(cell, "zoneout_cell", 0) for cell in cells[1:]):
            raise ValueError(
                "a cell above the first cannot have zoneout, whose noise is sampled before the loop: use "
                "rnnzoo.layers.Stack([rnnzoo.layers.LSTM(...), ...])"
            )
        self.cells = list(cells)
        self.state_size = [cell.state_size for cell in cells]
        self.output_size = _output_size(cells[-1])
        self.causal = all(cell.causal for cell in cells)

    def build(self, input_shape: Any) -> None:
        shape = tuple(input_shape)
        for cell in self.cells:
            if not cell.built:
                cell.build(shape)
            shape = (*shape[:-1], _output_size(cell))

    def get_initial_state(self, batch_size: Any) -> list[tf.Tensor]:
        states = [keras.tree.flatten(cell.get_initial_state(batch_size)) for cell in self.cells]
        return keras.tree.pack_sequence_as(self.state_size, keras.tree.flatten(states))

    def project(self, inputs: tf.Tensor, training: Any = False) -> Any:
        return self.cells[0].project(inputs, training)

    def constants(self, inputs: tf.Tensor, training: Any = False, memory: Any = None) -> Any:
        """Returns the constants of each cell, and the input dropout mask of each cell above the first."""
        inputs = tf.cast(inputs, self.compute_dtype)
        own = tuple(cell.constants(inputs, training=training, memory=memory) for cell in self.cells)
        return own, tuple(self._input_mask(k, inputs, training) for k in range(1, len(self.cells)))

    def _input_mask(self, k: int, inputs: tf.Tensor, training: Any) -> Any:
        cell: Any = self.cells[k]
        if not (training and getattr(cell, "dropout", 0)):
            return ()
        shape = [tf.shape(inputs)[-2], _output_size(self.cells[k - 1])]
        return (sample_dropout_mask(shape, cell.dropout, cell.seed_generator, inputs.dtype),)

    def recurrent(self, state: tuple, consts: Any) -> Any:
        parts = zip(self.cells, split_states(self.cells, state), consts[0], strict=True)
        return tuple(cell.recurrent(own, const) for cell, own, const in parts)

    def state_symbols(self) -> list[str]:
        return [f"{symbol}^{k}" for k, cell in enumerate(self.cells, 1) for symbol in cell.state_symbols()]

    def unit_equations(self, x: Any, r: Any, state: tuple, consts: Any) -> list[UnitEquation]:
        equations, parts = [], zip(self.cells, r, split_states(self.cells, state), consts[0], strict=True)
        for k, (cell, *step) in enumerate(parts, 1):
            x = x if k == 1 else cell.project(x)
            equations += in_part(f"layer {k}", cell.unit_equations(x, *step))
            x, _ = cell.step(x, *step)
        return equations

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        output, new = x, []
        for k, (cell, own, const) in enumerate(
            zip(self.cells, split_states(self.cells, state), consts[0], strict=True)
        ):
            if k:
                mask = consts[1][k - 1]
                x = cell.project(output * mask[0] if mask else output)
            output, states = cell.step(x, r[k], own, const)
            new += states
        return output, tuple(new)


def _output_size(cell: Any) -> int:
    size = getattr(cell, "output_size", None)
    return keras.tree.flatten(cell.state_size)[0] if size is None else size


def _is_cell(value: Any) -> bool:
    return hasattr(value, "state_size") and not isinstance(value, keras.layers.RNN)


def as_single_cell(cell: Any) -> Cell:
    """Returns a cell, or a list of cells as one. Raises `ValueError` for anything else."""
    cells = cell.cells if isinstance(cell, keras.layers.StackedRNNCells) else cell
    if isinstance(cells, (list, tuple)) and cells and all(isinstance(c, Cell) for c in cells):
        return StackedCells(list(cells))
    if isinstance(cell, Cell):
        return cell
    hint = "for other cells use keras.layers.RNN"
    if isinstance(cell, keras.layers.RNN):
        hint = f"it is a layer already: use it directly, or use its cell, {cell.name}.cell"
    elif isinstance(cells, (list, tuple)) and not (cells and all(map(_is_cell, cells))):
        hint = "a list must contain cells only; to stack layers use rnnzoo.layers.Stack"
    raise ValueError(f"rnnzoo.layers.RNN needs a cell of rnnzoo.cells, got {cell!r:.200}; {hint}")
