"""Joins small requests that wait for the same signature into one call."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import NamedTuple

import numpy as np

from rnnzoo.server.tensors import Arrays

MAX_ROWS = 256  # of a joined call
Call = Callable[[Arrays], Awaitable[Arrays]]


class _Waiting(NamedTuple):
    arrays: Arrays
    rows: int
    answer: asyncio.Future


class Batcher:
    """Runs one call of each key at a time; requests that arrive meanwhile are joined in the next.

    There is no waiting for others: a request that is alone is answered at once.
    """

    def __init__(self) -> None:
        self._queues: dict[Hashable, list[_Waiting]] = {}
        self._tasks: set[asyncio.Task] = set()

    async def run(self, key: Hashable, arrays: Arrays, call: Call) -> Arrays:
        """Returns the rows of the answer that belong to these inputs.

        Args:
            key: requests of equal keys can be joined.
            arrays: the inputs, `[rows, ...]`, equal in all but the number of rows for equal keys.
            call: runs joined inputs.
        """
        waiting = _Waiting(arrays, len(next(iter(arrays.values()))), asyncio.get_running_loop().create_future())
        if key in self._queues:
            self._queues[key].append(waiting)
        else:
            self._queues[key] = [waiting]
            task = asyncio.create_task(self._drain(key, call))
            self._tasks.add(task)  # which the event loop alone would not keep
            task.add_done_callback(self._tasks.discard)
        return await waiting.answer

    async def _drain(self, key: Hashable, call: Call) -> None:
        while queue := [waiting for waiting in self._queues[key] if not waiting.answer.done()]:
            rows = np.cumsum([waiting.rows for waiting in queue])
            count = max(1, int(np.searchsorted(rows, MAX_ROWS, "right")))
            self._queues[key] = queue[count:]
            await _answer(queue[:count], call)
        del self._queues[key]


async def _answer(joined: list[_Waiting], call: Call) -> None:
    names = joined[0].arrays
    try:
        arrays = joined[0].arrays
        if len(joined) > 1:
            arrays = {name: np.concatenate([waiting.arrays[name] for waiting in joined]) for name in names}
        outputs = await call(arrays)
        if len(joined) > 1 and {len(value) for value in outputs.values()} != {sum(w.rows for w in joined)}:
            raise ValueError("the outputs do not have the rows of the inputs")
    except Exception as error:
        if len(joined) > 1:  # one of them is at fault: each alone
            for waiting in joined:
                await _answer([waiting], call)
        elif not joined[0].answer.done():
            joined[0].answer.set_exception(error)
        return
    first = 0
    for waiting in joined:
        if not waiting.answer.done():
            waiting.answer.set_result({name: value[first : first + waiting.rows] for name, value in outputs.items()})
        first += waiting.rows
