"""The async twin: the same verbs, and the loop goes on."""

import asyncio
import inspect
import threading

import pytest

import delible
from delible import InvalidInput
from delible.recall.encoders.hashing import HashEncoder


class Gated(HashEncoder):
    """Encodes when it is let to: as slow as the test wants it."""

    name = "gated"

    def __init__(self):
        super().__init__(64)
        self.gate = threading.Event()
        self.asked = threading.Event()

    def late(self, items, role="passage"):
        self.asked.set()
        assert self.gate.wait(30)
        return super().late(items, role)


def test_the_loop_goes_on_while_a_slow_encoder_encodes(folder):
    encoder = Gated()

    async def main():
        async with await delible.open_async(folder, encoder=encoder) as memory:
            writing = asyncio.create_task(memory.write("apple pie"))
            ticks = 0
            while not encoder.asked.is_set() or ticks < 100:
                await asyncio.sleep(0)
                ticks += 1
            assert not writing.done()
            encoder.gate.set()
            (record,) = await writing
            return record, await memory.recall("apple")

    record, hits = asyncio.run(main())
    assert [hit.record.id for hit in hits] == [record.id]


def test_every_verb_has_its_twin_with_the_same_arguments():
    verbs = {
        name: value
        for name, value in vars(delible.Memory).items()
        if callable(value) and not name.startswith("_") and name != "attach"
    }
    for name, verb in verbs.items():
        twin = getattr(delible.AsyncMemory, name)
        assert inspect.iscoroutinefunction(twin) or inspect.iscoroutinefunction(inspect.unwrap(twin)) or callable(twin)
        assert inspect.signature(twin) == inspect.signature(verb) and twin.__doc__ == verb.__doc__, name


def test_all_verbs_can_be_awaited(folder, tmp_path):
    async def main():
        async with await delible.open_async(folder, encoder="hash") as memory:
            first, second = await memory.write(["apple one", "apple two"])
            await memory.revise(first.id, "apple three")
            assert len(await memory.recall("apple")) == 2 and "apple" in await memory.context("apple")
            assert (await memory.get(second.id)).text == "apple two" and len(await memory.history(first.id)) == 2
            assert (await memory.hold(second.id, reason="odd")).held and len(await memory.list()) == 1
            await memory.release(second.id, reason="fine")
            assert (await memory.spaces())[0].records == 2 and (await memory.stats())["records"] == 2
            assert len((await memory.preview(second.id)).ids) == 1
            assert (await memory.forget(second.id, reason="asked")).confirmed and len(await memory.receipts()) == 1
            assert (await memory.export(tmp_path / "out.zip")).records
            assert (await memory.load(tmp_path / "out.zip")).records == 0
            assert await memory.reembed("hash:128") and (await memory.encoder())["dimension"] == 128
            assert await memory.ledger() and all(finding.ok for finding in await memory.verify())
            assert (await memory.diff("2020-01-01")).added and await memory.compact()
            await memory.expire("main", None)
            assert await memory.rollback("2020-01-01") == []

    asyncio.run(main())


def test_many_at_once_lose_nothing(folder):
    async def main():
        async with await delible.open_async(folder, encoder="hash") as memory:
            written = await asyncio.gather(*(memory.write(f"note {i}") for i in range(60)))
            assert len({records[0].id for records in written}) == 60
            await asyncio.gather(*(memory.recall(f"note {i}") for i in range(20)))
            return (await memory.stats())["records"]

    assert asyncio.run(main()) == 60


def test_errors_come_through(folder):
    async def main():
        async with await delible.open_async(folder, encoder="hash") as memory:
            with pytest.raises(InvalidInput):
                await memory.write("")
        with pytest.raises(delible.Closed):
            await memory.list()
        (folder.parent / "a file").write_text("x")
        with pytest.raises(delible.NotAStore):
            await delible.open_async(folder.parent / "a file")

    asyncio.run(main())
