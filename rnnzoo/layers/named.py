"""Layers that create their own cell, such as `LSTM(units)`."""

import operator

import keras

from rnnzoo.cells import Cell
from rnnzoo.layers.rnn import RNN
from rnnzoo.serialization import constructor_parameters, create_signature, set_constructor

NOT_OF_CELLS = ("use_cudnn", "implementation")  # they select an implementation and change no result


class NamedRNN(RNN):
    """An `RNN` that creates its own cell, takes the arguments of both, and has the cell's arguments as attributes.

    Subclasses name their `cell_class`, and with `like` the Keras layer whose positional arguments they take.
    """

    cell_class: type[Cell]

    def __init_subclass__(cls, cell_class: type[Cell] | None = None, like: type = keras.layers.SimpleRNN, **kwargs):
        if cell_class is None:  # a user's subclass of a named layer
            super().__init_subclass__(**kwargs)
            return
        cls.cell_class = cell_class
        own = {name: p for name, p in constructor_parameters(RNN).items() if name != "cell"}
        signature = create_signature({**constructor_parameters(cell_class), **own}, like)

        def __init__(self, *args, **kwargs):
            arguments = signature.bind(*args, **kwargs).arguments
            arguments.update(arguments.pop("kwargs", {}))
            use_cudnn = arguments.get("use_cudnn", "auto")
            arguments = {name: value for name, value in arguments.items() if name not in NOT_OF_CELLS}
            shared = {name: arguments[name] for name in ("dtype", "trainable") if name in arguments}
            for_layer = {
                name: arguments.pop(name) for name in list(arguments) if name not in constructor_parameters(cell_class)
            }
            super(cls, self).__init__(cell_class(**arguments, **shared), **for_layer)
            if use_cudnn not in ("auto", True, False):
                raise ValueError(f'use_cudnn must be "auto", True or False, got {use_cudnn!r}')
            if "use_cudnn" in signature.parameters:
                self.use_cudnn = use_cudnn

        set_constructor(cls, __init__, signature)
        for name in constructor_parameters(cell_class):
            setattr(cls, name, property(operator.attrgetter(f"cell.{name}")))
        super().__init_subclass__(**kwargs)
