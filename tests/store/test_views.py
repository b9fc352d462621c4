"""What recall searches: the living, unheld, trusted rows of a scope, kept up to date by what changed."""

import random
import threading

import numpy as np
import pytest

from delible.store import ledger, lives, views
from delible.store import spaces as spaces_
from delible.store.bits import sign_bits
from delible.store.holds import hold, recompute, release
from delible.store.spaces import EVERYTHING, Scope
from delible.store.sqlite import SQLite
from delible.store.turns import UNKNOWN
from delible.store.views import NEVER, Views
from delible.store.writing import Draft, Embedded, write

ALICE, BOB = Scope("user/alice"), Scope("user/bob")
D = 24


class House:
    """A store with a toy encoder; each text gets a vector of its own."""

    def __init__(self, folder):
        self.store = SQLite(folder)
        with self.store.writing() as c:
            c.execute(
                "INSERT INTO encoders(encoder, name, version, dimension, spec) VALUES (1, 'toy', '1', ?, 'toy')", (D,)
            )

    def write(self, *texts, space="user/alice", parts=1, **fields):
        drafts = [Draft(text, space, **fields) for text in texts]
        for draft in drafts:
            X = np.random.default_rng(len(draft.text)).standard_normal((parts, D)).astype(np.float32)
            draft.embedded = [Embedded(1, [(0, len(draft.text))] * parts, X / np.linalg.norm(X, axis=1, keepdims=True))]
        with self.store.writing() as c:
            return [written.row for written in write(c, self.store.key, drafts, "test")]

    def event(self, verb="change"):
        return ledger.append(self._c, self.store.key, "test", verb)[0]

    def change(self, do):
        with self.store.writing() as c:
            self._c = c
            return do(c)

    def hold(self, row):
        self.change(lambda c: (hold(c, row, "looks odd", 1, pin=False), recompute(c, {row}, self.event())))

    def release(self, row):
        self.change(lambda c: recompute(c, release(c, row, "looked at"), self.event()))

    def close(self, row):
        self.change(lambda c: lives.close_life(c, {row}, self.event()))

    def seal(self, row):
        def do(c):
            seq = self.event("seal")
            c.execute("INSERT INTO erasures(receipt, row, reach, phase) VALUES ('r', ?, 'derived', 0)", (row,))
            lives.close_life(c, {row}, seq)
            c.execute("UPDATE records SET changed = ? WHERE row = ?", (seq, row))

        self.change(do)

    def revive(self, row):
        self.change(lambda c: c.execute("INSERT INTO lives(row, since) VALUES (?, ?)", (row, self.event())))

    def set(self, row, **columns):
        def do(c):
            for name, value in columns.items():
                c.execute(f"UPDATE records SET {name} = ?, changed = ? WHERE row = ?", (value, self.event(), row))

        self.change(do)

    def view(self, scope=ALICE, encoder=1, cache=None):
        with self.store.reading() as c:
            return (cache or Views()).view(c, scope, encoder)

    def rows(self, scope=ALICE, now=0, cache=None):
        view = self.view(scope, cache=cache)
        return view.rows[view.visible(now)].tolist()

    def past(self, seq, scope=ALICE):
        with self.store.reading() as c:
            return Views().past(c, scope, 1, seq).rows.tolist()

    def last(self):
        with self.store.reading() as c:
            return views.last_event(c)


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path / "agent.mem")
    yield house
    house.store.close()


@pytest.fixture
def cached(monkeypatch):
    """Every scope is kept and advanced, however small."""
    monkeypatch.setattr(views, "SMALL", -1)
    return Views()


def same(one, other):
    """Whether two views show the same records and vectors, whatever dead rows lie between."""

    def shown(view):
        owners = view.owners
        lines = {}
        for at in np.flatnonzero(view.alive):
            mine = np.flatnonzero(owners == at)
            lines[int(view.rows[at])] = (
                [view.records[name][at].item() for name in ("space", "happened", "expires", "trust", "length")],
                [
                    (view.vectors["part"][v].item(), view.vectors["vector"][v].item(), view.bits[:, v].tolist())
                    for v in mine
                ],
            )
        return lines

    assert (np.diff(one.rows) > 0).all() and (np.diff(one.owners) >= 0).all()
    assert one.seq == other.seq
    return shown(one) == shown(other)


def test_an_empty_store_has_an_empty_view(house):
    view = house.view()
    assert len(view) == 0 and view.bits.shape[1] == 0 and view.visible(0).tolist() == []


def test_a_record_comes_with_its_columns_and_the_sign_bits_of_each_part(house):
    (row,) = house.write("The cellar key lies under the green pot.", parts=3, happened=1_700_000_000_000_000)
    view = house.view()
    assert view.rows.tolist() == [row] and view.happened.tolist() == [1_700_000_000_000_000]
    assert view.records["expires"].tolist() == [NEVER] and view.trust.tolist() == [0.9] and view.lengths.tolist() == [8]
    X = np.random.default_rng(40).standard_normal((3, D)).astype(np.float32)
    assert view.bits.T.tobytes() == sign_bits(X).tobytes()
    assert view.owners.tolist() == [0, 0, 0] and view.vectors["part"].tolist() == [0, 1, 2]


def test_a_time_before_1970_and_an_unknown_one_are_kept_apart(house):
    house.write("first", happened=-62_135_596_800_000_000)
    house.write("second")
    assert house.view().happened.tolist() == [-62_135_596_800_000_000, UNKNOWN]


def test_nothing_of_another_space_is_in_a_view(house):
    (mine,) = house.write("mine")
    (other,) = house.write("hers", space="user/bob")
    (below,) = house.write("work", space="user/alice/work")
    assert house.rows(ALICE) == [mine] and house.rows(BOB) == [other]
    assert house.rows(Scope("user/alice", True)) == [mine, below]
    assert house.rows(EVERYTHING) == [mine, other, below]
    assert house.rows(Scope("nobody")) == []


def test_held_superseded_and_sealed_records_are_not_in_it(house, cached):
    kept, held, closed, sealed = house.write("one", "two", "three", "four")
    house.view(cache=cached)
    house.hold(held)
    house.close(closed)
    house.seal(sealed)
    assert house.rows(cache=cached) == [kept] and house.rows() == [kept]


def test_a_record_below_the_trust_that_its_space_asks_for_is_not_in_it(house, cached):
    (high,) = house.write("said by the user")
    (low,) = house.write("read in a document", channel="document")
    (other,) = house.write("read elsewhere", channel="document", space="user/bob")
    assert house.rows(EVERYTHING, cache=cached) == [high, low, other]
    house.change(lambda c: (c.execute("UPDATE spaces SET read_trust = 0.5 WHERE path = 'user/alice'"), house.event()))
    assert house.rows(EVERYTHING, cache=cached) == [high, other]
    assert house.rows(ALICE) == [high]


def test_expiry_of_a_record_or_its_space_is_compared_at_each_recall(house, cached):
    (soon,) = house.write("parked on level 3", expires=100)
    (never,) = house.write("prefers tea")
    assert house.rows(now=99, cache=cached) == [soon, never] and house.rows(now=100, cache=cached) == [never]
    house.change(lambda c: (c.execute("UPDATE spaces SET expires = 200 WHERE path = 'user/alice'"), house.event()))
    assert house.rows(now=199, cache=cached) == [never] and house.rows(now=200, cache=cached) == []


def test_a_released_record_comes_back_between_the_others_with_its_vectors(house, cached):
    house.write("one")
    (held,) = house.write("two", hold=1)
    house.write("three")
    assert held not in house.rows(cache=cached)
    house.release(held)
    assert same(house.view(cache=cached), house.view())
    assert house.rows(cache=cached) == [1, 2, 3]


def test_a_view_that_was_advanced_equals_one_that_was_read_anew(house, cached):
    r = random.Random(3)
    house.write(*(f"record {n}" for n in range(40)), duplicates="keep")
    sealed = set()
    for step in range(150):
        row = r.randint(1, max(1, house.rows(EVERYTHING)[-1]))
        what = r.choice(["write", "hold", "release", "close", "seal", "revive", "expires", "trust", "parts"])
        if what in ("write", "parts"):
            house.write(
                f"new {step}" * r.randint(1, 9),
                space=r.choice(["user/alice", "user/bob"]),
                parts=1 + 2 * (what == "parts"),
            )
        elif what == "revive":
            if row not in sealed and row not in house.rows(EVERYTHING):
                with house.store.reading() as c:
                    living = c.execute("SELECT 1 FROM lives WHERE row = ? AND until IS NULL", (row,)).get
                if not living:
                    house.revive(row)
        elif what == "seal" and step % 3 == 0 and row not in sealed:
            sealed.add(row)
            house.seal(row)
        elif what in ("hold", "release", "close"):
            getattr(house, what)(row)
        elif what in ("expires", "trust"):
            house.set(row, **{what: r.choice([0.25, 0.5]) if what == "trust" else r.randint(1, 99)})
        if r.random() < 0.7:
            for scope in (ALICE, Scope("user", True), EVERYTHING):
                assert same(house.view(scope, cache=cached), house.view(scope)), (step, what, scope)


def test_dead_rows_are_dropped_when_a_quarter_is_dead(house, cached):
    rows = house.write(*(f"record {n}" for n in range(40)))
    for closed, row in enumerate(rows[:15], 1):
        house.view(cache=cached)
        house.close(row)
        view = house.view(cache=cached)
        assert 4 * np.count_nonzero(~view.alive) <= len(view) and np.count_nonzero(view.alive) == 40 - closed
    assert len(view) < 40 and len(view.owners) == len(view)


def test_many_changes_are_read_anew(house, cached):
    house.write(*(f"record {n}" for n in range(20)))
    assert len(house.view(cache=cached)) == 20
    house.write(*(f"later {n}" for n in range(400)))
    assert same(house.view(cache=cached), house.view())


def test_what_a_view_worked_out_of_its_rows_is_kept_where_only_recalls_happened(house, cached):
    house.write("tea", "coffee")
    view = house.view(cache=cached)
    known = view.turns, view.sessions, view.session_lengths
    later = view.later(view.seq + 1, view.places, view.last_vector)
    assert all(
        one is other for one, other in zip(known, (later.turns, later.sessions, later.session_lengths), strict=True)
    )


def test_an_older_snapshot_sees_what_it_saw_when_others_have_gone_on(house, cached):
    house.write(*(f"record {n}" for n in range(50)))
    with house.store.reading() as old:
        before = views.build(old, ALICE, 1, views.last_event(old))
        house.view(BOB, cache=cached)
        (row,) = house.write("written later")
        house.close(7)
        ahead = house.view(cache=cached)
        assert row in ahead.rows and 7 not in ahead.rows[ahead.visible(0)]
        late = cached.view(old, ALICE, 1)
        assert same(late, before)
        house.write("and later still")
        assert same(house.view(cache=cached), house.view()) and same(cached.view(old, ALICE, 1), before)
    assert np.count_nonzero(ahead.alive) == 50


def test_a_view_in_use_does_not_change_when_it_is_advanced(house, cached):
    house.write(*(f"record {n}" for n in range(30)))
    view = house.view(cache=cached)
    before = (view.rows.tolist(), view.alive.tolist(), view.trust.tolist(), view.bits.tolist())
    house.write("one more")
    house.set(3, trust=0.1)
    house.close(5)
    house.view(cache=cached)
    house.write("another")
    house.view(cache=cached)
    assert before == (view.rows.tolist(), view.alive.tolist(), view.trust.tolist(), view.bits.tolist())


def test_threads_that_recall_while_others_write_each_see_their_own_snapshot(house, cached):
    house.write(*(f"record {n}" for n in range(60)))
    failures = []
    done = threading.Event()

    def recalling():
        while not done.is_set():
            with house.store.reading() as c:
                view = cached.view(c, ALICE, 1)
                if not same(view, views.build(c, ALICE, 1, views.last_event(c))):
                    failures.append(view.seq)

    threads = [threading.Thread(target=recalling) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(40):
        house.write(f"written at {n}", parts=1 + n % 3)
        house.close(n + 1)
    done.set()
    for thread in threads:
        thread.join()
    assert not failures


def test_as_of_shows_what_lived_then_but_nothing_held_or_forgotten_today(house):
    a, b, c = house.write("a", "b", "c")
    then = house.last()
    house.close(a)
    (later,) = house.write("d")
    assert house.past(then) == [a, b, c] and house.past(house.last()) == [b, c, later] and house.past(0) == []
    house.hold(b)
    house.seal(c)
    assert house.past(then) == [a]


def test_a_record_that_lives_again_is_seen_at_both_times_and_not_between(house):
    (row,) = house.write("came and went")
    first = house.last()
    house.close(row)
    gone = house.last()
    house.revive(row)
    assert [house.past(at) for at in (first, gone, house.last())] == [[row], [], [row]]


def test_another_encoder_has_a_view_of_its_own(house, cached):
    house.write("one", "two")
    assert len(house.view(cache=cached).owners) == 2
    assert len(house.view(encoder=2, cache=cached).owners) == 0
    assert len(house.view(cache=cached).owners) == 2


def test_a_record_that_gets_its_vector_later_is_found_by_it(house, cached):
    with house.store.writing() as c:
        (written,) = write(c, house.store.key, [Draft("no vector yet", "user/alice")], "test")
    assert len(house.view(cache=cached).owners) == 0

    def add(c):
        house.event("reembed")
        c.execute(
            "INSERT INTO vectors(vector, encoder, row, part, start, stop, value) VALUES (9, 1, ?, 0, 0, 5, x'00')",
            (written.row,),
        )
        c.execute("INSERT INTO bits(vector, encoder, row, part, bits) VALUES (9, 1, ?, 0, zeroblob(8))", (written.row,))

    house.change(add)
    assert len(house.view(cache=cached).owners) == 1


def test_an_encoder_that_becomes_known_later_is_read_anew(house, cached):
    house.change(lambda c: c.execute("DELETE FROM encoders"))
    house.write("one", "two")
    assert house.view(cache=cached).bits.shape == (0, 0)
    house.change(
        lambda c: c.execute(
            "INSERT INTO encoders(encoder, name, version, dimension, spec) VALUES (1, 'toy', '1', ?, 'toy')", (D,)
        )
    )
    house.write("three")
    assert house.view(cache=cached).bits.shape == (1, 3)


def test_sign_bits_of_a_wrong_length_are_named_as_damage(house):
    from delible.core.errors import CorruptStore

    house.write("one")
    house.change(lambda c: c.execute("UPDATE bits SET bits = x'0102'"))
    with pytest.raises(CorruptStore, match="delible verify"):
        house.view()


def test_least_recently_used_views_go_when_all_take_too_much(house, monkeypatch):
    monkeypatch.setattr(views, "SMALL", -1)
    for n in range(5):
        house.write(f"of {n}", space=f"s{n}")
    one = house.view(Scope("s0")).nbytes
    cache = Views(limit_bytes=3 * one)
    for n in range(5):
        house.view(Scope(f"s{n}"), cache=cache)
    assert [scope.path for scope in cache._entries] == ["s2", "s3", "s4"]
    cache.clear()
    assert house.rows(Scope("s1"), cache=cache) == [2]


def test_a_small_scope_is_read_afresh_and_not_kept(house):
    cache = Views()
    house.write("one", "two")
    assert house.rows(cache=cache) == [1, 2] and not cache._entries
    house.write(*(f"record {n}" for n in range(300)))
    assert len(house.rows(cache=cache)) == 302 and len(cache._entries) == 1


SEALED = "SEARCH e USING INDEX erasures_open (phase<?)"
LIVING = [SEALED, "SEARCH l EXISTS USING COVERING INDEX lives_until (until=? AND row=?)"]
GIVEN = "SCAN c VIRTUAL TABLE INDEX 1:"
PLANS = {
    "walk": ["SCAN r", *LIVING],
    "index": ["SEARCH r USING INDEX records_space (space=?)", *LIVING],
    "rows": [
        *(GIVEN, "SEARCH r USING INTEGER PRIMARY KEY (rowid=?)", LIVING[0]),
        "SEARCH l EXISTS USING PRIMARY KEY (row=?)",
    ],
    "past": [
        *("SCAN r", SEALED, "SEARCH s USING INTEGER PRIMARY KEY (rowid=?)"),
        "SEARCH l EXISTS USING PRIMARY KEY (row=? AND since<?)",
    ],
    "bits": [
        GIVEN,
        "SEARCH v USING COVERING INDEX sqlite_autoindex_vectors_1 (encoder=? AND row=?)",
        "SEARCH b USING INTEGER PRIMARY KEY (rowid=?)",
    ],
    "since": ["SEARCH lives USING COVERING INDEX lives_since (since>?)"],
    "until": ["SEARCH lives USING COVERING INDEX lives_until (until>?)"],
    "changed": ["SEARCH records USING COVERING INDEX records_changed (changed>?)"],
    "late": ["SEARCH bits USING INTEGER PRIMARY KEY (rowid>?)"],
    "size": [GIVEN, "SEARCH r USING COVERING INDEX records_space (space=?)"],
    "places": [GIVEN, "SEARCH s USING INTEGER PRIMARY KEY (rowid=?)"],
}


def test_every_hot_statement_uses_the_index_it_was_written_for(house):
    statements = {way: views.statement_of(way, each=False, past=False) for way in ("walk", "index", "rows")}
    statements["past"] = views.statement_of("walk", each=True, past=True)
    statements |= dict(zip(("since", "until", "changed"), views._CHANGED, strict=True))
    statements |= {"bits": views._BITS_BY_ROWS, "late": views._LATE, "size": views._SIZE, "places": views._PLACES}
    with house.store.reading() as c:
        for name, statement in statements.items():
            numbered = [int(n) for n in "1234" if f"?{n}" in statement]
            values = [None] * (max(numbered) if numbered else statement.count("?"))
            plan = [line[3] for line in c.execute("EXPLAIN QUERY PLAN " + statement, values)]
            noise = ("CORRELATED", "LIST", "CO-ROUTINE", "SCAN (", "SCAN carray", "CREATE BLOOM")
            assert [line for line in plan if not line.startswith(noise)] == PLANS[name], name


def test_spaces_are_numbered_once(house):
    """A view trusts that a space's number never means another space."""
    house.write("one", space="a")
    with house.store.writing() as c:
        c.execute("DELETE FROM spaces WHERE path = 'a'")
        assert spaces_.make(c, "b")[0] > 1
