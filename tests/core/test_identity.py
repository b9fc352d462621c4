"""Ids sort by time and are never given twice."""

import time

from delible.core import identity


def test_later_ids_sort_after_earlier_ones_within_one_millisecond():
    ids = [identity.fresh_id() for _ in range(5000)]
    assert ids == sorted(ids) and len(set(ids)) == 5000


def test_ids_go_on_when_the_clock_is_set_back(monkeypatch):
    before = identity.fresh_id()
    real = time.time_ns
    monkeypatch.setattr(identity.time, "time_ns", lambda: real() - 3_600 * 10**9)
    assert identity.fresh_id() > before


def test_an_id_is_a_uuid_of_version_7_and_goes_there_and_back():
    id = identity.fresh_id()
    assert id[14] == "7" and len(id) == 36
    assert identity.from_bytes(identity.to_bytes(id) or b"") == id


def test_what_is_no_id_has_no_bytes():
    assert [identity.to_bytes(each) for each in ("", "unknown", "1" * 31)] == [None, None, None]
