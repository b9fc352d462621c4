"""Times: what was known when, revisions, rollback, expiry, zones, a clock that goes back."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from delible import InvalidInput, UnknownId
from delible.core import identity
from delible.store import ledger


def moment(memory):
    """The time of the last event; the next one comes later."""
    last = memory.ledger()[-1].time
    while datetime.now(UTC) <= last:
        pass
    return last


def texts(hits):
    return {hit.record.text for hit in hits}


def test_a_revision_replaces_in_recall_and_stays_in_history(memory):
    (old,) = memory.write("Ada lives in Porto", key="home", meta={"a": 1}, author="Ada", happened="2026-01-01T00:00Z")
    before = moment(memory)
    new = memory.revise(old.id, "Ada lives in Lisbon", reason="she moved")
    assert texts(memory.recall("Where does Ada live?")) == {"Ada lives in Lisbon"}
    assert texts(memory.recall("Where does Ada live?", as_of=before)) == {"Ada lives in Porto"}
    assert (new.key, new.source.author, new.happened, new.revises) == ("home", "Ada", old.happened, old.id)
    assert new.meta == {"a": 1, "revised": "she moved"}
    first, second = memory.history(old.id)
    assert first.valid == (old.written, new.written) and second.valid == (new.written, None)
    assert memory.history(new.id) == [first, second]
    assert memory.get(old.id).text == "Ada lives in Porto" and [r.id for r in memory.list()] == [new.id]


def test_only_the_newest_revision_can_be_revised(memory):
    (old,) = memory.write("one")
    memory.revise(old.id, "two")
    with pytest.raises(InvalidInput, match="newest"):
        memory.revise(old.id, "three")
    assert [record.text for record in memory.history(old.id)] == ["one", "two"]


def test_a_revision_that_is_refused_changes_nothing(memory):
    (old,) = memory.write("one")
    for wrong in ("", "  ", "a\x00b", "\ud800", None):
        with pytest.raises(InvalidInput):
            memory.revise(old.id, wrong)
    with pytest.raises(UnknownId):
        memory.revise("0198f0c2-0000-7000-8000-000000000000", "two")
    assert [record.text for record in memory.list()] == ["one"] and len(memory.ledger()) == 1


def test_a_revision_may_say_the_same_again(memory):
    (old,) = memory.write("ada lives here")
    memory.recall("ada")
    new = memory.revise(old.id, "Ada lives here", channel="model")
    assert new.parents == () and new.duplicate_of is None and new.notes == ()


def test_as_of_knows_nothing_before_the_first_event_and_all_after_the_last(memory):
    memory.write("apple")
    assert memory.recall("apple", as_of="2020-01-01T00:00Z") == []
    assert texts(memory.recall("apple", as_of="2999-01-01T00:00Z")) == {"apple"}
    assert texts(memory.recall("apple", as_of=memory.ledger()[0].time)) == {"apple"}, "at the very moment"


def test_trust_holds_and_forgetting_are_todays_in_a_recall_of_the_past(memory):
    kept, held, gone = memory.write(["apple kept", "apple held", "apple gone"])
    then = moment(memory)
    memory.hold(held.id, reason="odd")
    memory.forget(gone.id, reason="asked")
    assert texts(memory.recall("apple", as_of=then)) == {"apple kept"}
    memory.release(held.id, reason="fine")
    assert texts(memory.recall("apple", as_of=then)) == {"apple kept", "apple held"} and kept


def test_a_diff_tells_what_came_what_went_and_what_was_revised(memory):
    (old,) = memory.write("old")
    (ended,) = memory.write("ended", key="k", expires="2020-01-01T00:00Z")
    then = moment(memory)
    new = memory.revise(old.id, "new")
    newer = memory.revise(new.id, "newer")
    (added,) = memory.write("added")
    memory.write("taker", key="k")
    diff = memory.diff(then)
    assert [(a.id, b.id) for a, b in diff.revised] == [(old.id, newer.id)]
    assert added.id in {r.id for r in diff.added} and [r.id for r in diff.closed] == [ended.id]
    none = memory.diff(moment(memory))
    assert none.added == none.closed == none.revised == ()


def test_a_rollback_brings_back_what_lived_and_closes_what_came(memory, whole):
    (one,) = memory.write("one apple")
    then = moment(memory)
    two = memory.revise(one.id, "two apples")
    (three,) = memory.write("three apples")
    middle = moment(memory)
    assert [record.id for record in memory.rollback(then)] == [one.id]
    assert texts(memory.recall("apples")) == {"one apple"}
    assert [record.text for record in memory.history(one.id)] == ["one apple", "two apples"], "history is not cut"
    assert {record.id for record in memory.rollback(middle)} == {two.id, three.id}
    assert texts(memory.recall("apples")) == {"two apples", "three apples"}
    assert memory.ledger()[-1].verb == "recall" and [e.verb for e in memory.ledger()].count("rollback") == 2
    whole(memory)


def test_a_rollback_never_brings_back_what_was_forgotten(memory):
    (one,) = memory.write("one apple that was to be forgotten")
    then = moment(memory)
    memory.forget(one.id, reason="asked")
    assert memory.rollback(then) == [] and memory.recall("apple") == []


def test_a_rollback_stays_in_the_spaces_of_its_handle(memory, opened):
    (bobs,) = memory.write("bob's", space="user/bob")
    then = moment(memory)
    alice = opened(space="user/alice")
    alice.write("alice's")
    memory.revise(bobs.id, "bob's own")
    assert alice.rollback(then) == [] and alice.list() == []
    assert [record.text for record in memory.list(space="user/bob")] == ["bob's own"]


def test_expiry_is_compared_at_each_recall_and_closes_no_life(memory):
    (record,) = memory.write("apple of today", expires="2030-01-01T00:00Z")
    assert texts(memory.recall("apple")) == {"apple of today"}
    assert memory.recall("apple", now="2030-01-01T00:00Z") == [], "at the moment itself it is over"
    assert texts(memory.recall("apple", now="2029-12-31T23:59:59Z")) == {"apple of today"}
    assert memory.get(record.id).expires == datetime(2030, 1, 1, tzinfo=UTC) and record.valid[1] is None
    (over,) = memory.write("apple of yesterday", expires="2020-01-01T00:00Z")
    assert texts(memory.recall("apple")) == {"apple of today"} and memory.get(over.id).text == "apple of yesterday"
    assert [r.id for r in memory.list()] == [record.id] and memory.list(where={"expired": True})[0].id == over.id
    assert memory.stats()["expired"] == 1


def test_a_naive_time_is_read_in_the_handles_zone_and_noted(opened):
    berlin = opened(timezone="Europe/Berlin")
    (record,) = berlin.write("walk", happened="2026-07-01T12:00:00")
    assert record.happened == datetime(2026, 7, 1, 10, tzinfo=UTC) and "Europe/Berlin" in record.notes[0]
    (winter,) = berlin.write("walk in snow", happened=datetime(2026, 1, 1, 12))
    assert winter.happened == datetime(2026, 1, 1, 11, tzinfo=UTC)
    assert len(berlin.recall("walk", happened=("2026-07-01T12:00", "2026-07-01T12:00"))) == 1
    (aware,) = berlin.write("swim", happened="2026-07-01T12:00:00+09:00")
    assert aware.happened == datetime(2026, 7, 1, 3, tzinfo=UTC) and aware.notes == ()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (datetime(2026, 5, 1, 12, tzinfo=ZoneInfo("America/New_York")), datetime(2026, 5, 1, 16, tzinfo=UTC)),
        (date(2026, 5, 1), datetime(2026, 5, 1, tzinfo=UTC)),
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1.5, datetime(1969, 12, 31, 23, 59, 58, 500000, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        (datetime(2399, 1, 1, tzinfo=UTC), datetime(2399, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_of_any_year_from_1_to_9999_is_kept_to_the_microsecond(memory, given, meant):
    (record,) = memory.write("when", happened=given)
    assert memory.get(record.id).happened == meant
    assert [hit.record.id for hit in memory.recall("when", happened=(meant, meant))] == [record.id]


@pytest.mark.parametrize(
    "given",
    [
        "0000-01-01",
        "10000-01-01",
        "2026-02-30",
        "soon",
        "",
        float("nan"),
        float("inf"),
        1e20,
        True,
        {},
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-14))),
    ],
)
def test_a_time_outside_of_the_years_1_to_9999_is_refused(memory, given):
    for verb in (
        lambda: memory.write("x", happened=given),
        lambda: memory.write("x", expires=given),
        lambda: memory.recall("x", as_of=given),
        lambda: memory.diff(given),
        lambda: memory.rollback(given),
        lambda: memory.expire("a", given),
    ):
        with pytest.raises(InvalidInput, match="years 1 to 9999"):
            verb()
    assert memory.list() == [] and memory.ledger() == []


@pytest.mark.parametrize("name", ["Middle/Earth", "../etc/passwd", ""])
def test_an_unknown_time_zone_is_refused(opened, name):
    with pytest.raises(InvalidInput, match="Europe/Berlin"):
        opened(timezone=name)


def test_a_clock_set_back_loses_nothing_and_the_order_stays(memory, opened, monkeypatch, whole):
    (first,) = memory.write("apple before")
    back = datetime(2001, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(ledger, "now", lambda: back)
    monkeypatch.setattr(identity.time, "time_ns", lambda: int(back.timestamp() * 1e9))
    (second,) = memory.write("apple after")
    third = memory.revise(first.id, "apple revised")
    assert first.id < second.id < third.id
    assert first.written == second.written == third.written == memory.ledger()[-1].time, (
        "time stands, it never goes back"
    )
    assert texts(memory.recall("apple")) == {"apple after", "apple revised"}
    monkeypatch.undo()
    again = opened()
    (fourth,) = again.write("apple again")
    assert fourth.id > third.id and fourth.written > third.written
    assert [r.id for r in again.list()] == [second.id, third.id, fourth.id]
    whole(again)


def test_a_clock_far_ahead_and_back_again_keeps_as_of_in_order(memory, monkeypatch, whole):
    monkeypatch.setattr(ledger, "now", lambda: datetime(2400, 1, 1, tzinfo=UTC))
    memory.write("apple of the future")
    monkeypatch.undo()
    (record,) = memory.write("apple of today")
    assert record.written == datetime(2400, 1, 1, tzinfo=UTC)
    assert memory.recall("apple", as_of="2399-01-01T00:00Z") == [] and len(memory.recall("apple")) == 2
    whole(memory)
