"""Devices and processes over which the rows of each batch are divided, through `tf.distribute`."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from keras import tree

from rnnzoo.cells.noise import rows_of_batch
from rnnzoo.data.batch import Batch
from rnnzoo.errors import UserError
from rnnzoo.training.metrics import weighted_mean

MISMATCH = "the workers differ in {what}: give all of them the same command, data and versions"


class Distribution:
    """Divides the rows of a batch over replicas of a model, and sums their gradients.

    Replica r of n has the rows `numpy.array_split(rows, n)[r]`. Random numbers of a row are those that it has on one
    device, so that the weights after a step are the same for any n, up to the order of the sums.

    Args:
        strategy: `tf.distribute.MirroredStrategy` or `MultiWorkerMirroredStrategy`; None: one device.
        worker: number of this process among those that train together; number 0, the chief, writes the files.
        addresses: addresses of those processes; none: this process trains alone.
        stop: returns True when this process is asked to stop.
    """

    def __init__(
        self,
        strategy: Any = None,
        worker: int = 0,
        addresses: Sequence[str] = (),
        stop: Callable[[], bool] = lambda: False,
    ):
        self.strategy, self.worker, self.addresses, self._stop = strategy, worker, addresses, stop
        self.num_workers = max(1, len(addresses))
        self.num_replicas = strategy.num_replicas_in_sync if strategy else 1
        self._stop_agreed = False
        self._gather = tf.function(lambda value: strategy.gather(value, axis=0), autograph=False, reduce_retracing=True)

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the files of the run."""
        return self.worker == 0

    def is_asked_to_stop(self) -> bool:
        """Returns whether this process was asked to stop."""
        return self._stop()

    def should_stop(self) -> bool:
        """Returns whether any process was asked to stop: the same in all processes after the same step."""
        return self._stop() if self.num_workers == 1 else self._stop_agreed

    def scope(self) -> Any:
        """Returns the context in which the variables of a model and of its optimizer are created."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def adapt_optimizer(self, optimizer: Any) -> None:
        """Makes an optimizer apply gradients as they are: `sum` has summed them already, for the norm to be known."""
        if self.strategy is not None:
            optimizer._all_reduce_sum_gradients = lambda gradients_and_variables: gradients_and_variables

    def compile(self, function: Callable, **options: Any) -> Callable:
        """Compiles a function of a batch and states.

        Args:
            function: called for each replica, with tensors of its rows; returns values that are equal on all replicas,
                a nest of tensors with one row for each row of the batch, and new states.
            **options: arguments of `tf.function`.

        Returns:
            A function of a batch of arrays, and states as `divide` returns them. It returns the equal values, the rows
            of all replicas, and the states of each replica.
        """
        if self.strategy is None:
            compiled = tf.function(function, autograph=False, **options)
            return lambda batch, state: compiled(self.divide(batch), state)

        def run_replica(first: Any, total: Any, stop: Any, batch: Batch, state: Any) -> Any:
            with rows_of_batch(first, total):
                equal, rows, state = function(batch, state)
            return self.sum(tf.identity(stop)), equal, rows, state

        distributed = tf.function(
            lambda *arguments: self.strategy.run(run_replica, arguments), autograph=False, **options
        )

        def call(batch: Batch, state: Any) -> Any:
            total = len(batch.targets)
            first = self._values(lambda r: tf.constant(self._bounds(total, r)[0]))
            stop = self._values(lambda _: tf.constant(float(self._stop())))
            stop, equal, rows, state = distributed(first, tf.constant(total), stop, self.divide(batch), state)
            self._stop_agreed = self._first(stop).numpy() > 0
            return tree.map_structure(self._first, equal), self.gather(rows), state

        return call

    def divide(self, values: Any) -> Any:
        """Returns a nest of arrays as tensors, with their rows divided over the replicas; None stays None.

        Raises:
            UserError: there are fewer rows than replicas.
        """
        if isinstance(values, Batch):
            return Batch(*(None if value is None else self.divide(value) for value in values))
        return tree.map_structure(tf.convert_to_tensor if self.strategy is None else self._divide, values)

    def gather(self, values: Any) -> Any:
        """Returns a nest of tensors of `divide` or `compile` with the rows of all replicas."""
        return values if self.strategy is None else tree.map_structure(self._gather, values)

    def sum(self, values: Any) -> Any:
        """Returns the sums of tensors over the replicas; called in a function of `compile`."""
        if self.strategy is None:
            return values
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values)

    def share_of_mean(self, values: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
        """Returns the part of a replica in the weighted mean; its sum over the replicas is the mean."""
        if self.strategy is None:
            return weighted_mean(values, weights)
        weights = tf.ones_like(values) if weights is None else weights
        return tf.math.divide_no_nan(tf.reduce_sum(values * weights), self.sum(tf.reduce_sum(weights)))

    def broadcast(self, data: bytes | None) -> bytes:
        """Returns the bytes of the chief; in the other processes `data` is ignored. All processes call it."""
        if self.num_workers == 1:
            return data or b""
        own = (data or b"") if self.is_chief else b""
        padding = -len(own) % 4
        words = np.frombuffer(own + bytes(padding), "int32")
        length = self._gather_arrays(np.array([len(own)] if self.is_chief else [], "int32"))
        return self._gather_arrays(words).tobytes()[: int(length[0])]

    def check_equal(self, what: str, value: int) -> None:
        """Raises `UserError` unless a number of 31 bits is the same in all processes, which all call it."""
        if self.num_workers > 1 and len(set(self._gather_arrays(np.array([value], "int32")).tolist())) > 1:
            raise UserError(MISMATCH.format(what=what))

    def _bounds(self, total: int, replica: int) -> tuple[int, int]:
        """Returns the first row of a replica, and the row after its last one."""
        if total < self.num_replicas:
            raise UserError(
                f"a batch of {total} rows cannot be divided over {self.num_replicas} devices: give a larger "
                "--batch_size, or fewer devices"
            )
        size, larger = divmod(total, self.num_replicas)
        first = replica * size + min(replica, larger)
        return first, first + size + (replica < larger)

    def _divide(self, value: Any) -> Any:
        return self._values(lambda r: tf.convert_to_tensor(value[slice(*self._bounds(len(value), r))]))

    def _values(self, of_replica: Callable[[int], tf.Tensor]) -> Any:
        return self.strategy.experimental_distribute_values_from_function(
            lambda context: of_replica(context.replica_id_in_sync_group)
        )

    def _first(self, value: Any) -> Any:
        return self.strategy.experimental_local_results(value)[0]

    def _gather_arrays(self, array: np.ndarray) -> np.ndarray:
        """Returns the arrays of all processes, one after the other."""
        return self._gather(self._values(lambda _: tf.constant(array))).numpy()
