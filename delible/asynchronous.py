"""The async twin: every verb of `Memory` as a coroutine, run in a thread, so that the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import update_wrapper
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from delible.core.shapes import Carrier
from delible.memory import Memory, open

P = ParamSpec("P")
R = TypeVar("R")


def _awaited(verb: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], Awaitable[R]]:
    async def run(self: AsyncMemory, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.to_thread(verb, self.memory, *args, **kwargs)

    update_wrapper(run, verb)
    return run


class AsyncMemory:
    """A `Memory` for an event loop; `.memory` is the one behind it."""

    def __init__(self, memory: Memory):
        self.memory = memory

    write = _awaited(Memory.write)
    revise = _awaited(Memory.revise)
    recall = _awaited(Memory.recall)
    context = _awaited(Memory.context)
    get = _awaited(Memory.get)
    list = _awaited(Memory.list)
    spaces = _awaited(Memory.spaces)
    history = _awaited(Memory.history)
    receipts = _awaited(Memory.receipts)
    ledger = _awaited(Memory.ledger)
    stats = _awaited(Memory.stats)
    hold = _awaited(Memory.hold)
    release = _awaited(Memory.release)
    expire = _awaited(Memory.expire)
    preview = _awaited(Memory.preview)
    forget = _awaited(Memory.forget)
    diff = _awaited(Memory.diff)
    rollback = _awaited(Memory.rollback)
    export = _awaited(Memory.export)
    load = _awaited(Memory.load)
    verify = _awaited(Memory.verify)
    compact = _awaited(Memory.compact)
    reembed = _awaited(Memory.reembed)
    encoder = _awaited(Memory.encoder)
    close = _awaited(Memory.close)

    def attach(self, carrier: Carrier) -> None:
        """As `Memory.attach`."""
        self.memory.attach(carrier)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def open_async(*args: Any, **options: Any) -> AsyncMemory:
    """`open()` as a coroutine; the same arguments."""
    return AsyncMemory(await asyncio.to_thread(open, *args, **options))
