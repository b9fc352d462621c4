"""Conversation sets are read as talks: what was said, and questions whose evidence names turns that exist."""

import gzip
import json
from datetime import UTC, datetime

import pytest

from delible.bench.conversations import (
    SCORED,
    Asked,
    beam,
    factconsolidation,
    locomo,
    longmemeval,
    memorybank,
    realtalk,
    session,
)
from delible.core.errors import InvalidInput
from delible.store.intake import Defaults, drafts_of

CANARY = "zanzibar-canary-7f3a"


def put(folder, name, document):
    """Write a document at its place in a data folder, packed where its name says so."""
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)


def said(*texts, start=1, of=1):
    speakers = ("Ana", "Bo")
    return [{"speaker": speakers[i % 2], "dia_id": f"D{of}:{i}", "text": text} for i, text in enumerate(texts, start)]


def sample(*questions, name="conv-1", turns=None):
    """A conversation in LoCoMo's format of two sessions, three turns each."""
    return {
        "sample_id": name,
        "conversation": {
            "speaker_a": "Ana",
            "speaker_b": "Bo",
            "session_1_date_time": "1:56 pm on 8 May, 2023",
            "session_1": turns or said("The boat leaks.", "Since when?", "Since the storm."),
            "session_2_date_time": "9:00 am on 2 July, 2023",
            "session_2": said("It floats again!", "Who helped?", "My uncle did.", of=2),
        },
        "qa": list(questions),
    }


def asks(*evidence, category=4, **others):
    return {"question": "What leaks?", "answer": "the boat", "evidence": list(evidence), "category": category} | others


def test_a_locomo_talk_has_its_turns_and_questions_by_named_category(tmp_path):
    questions = [
        asks("D1:1"),
        asks("D1:3", category=2, answer=2023),
        asks("D2:3", "D1:1", "D2:3", category=1),
        asks("D1:1", category=3),
        {"question": "Who sank?", "adversarial_answer": "Bo", "evidence": ["D1:2"], "category": 5},
    ]
    put(tmp_path, "locomo/locomo1.json", [sample(*questions)])
    [talk] = locomo(tmp_path)
    assert (talk.name, talk.speakers, talk.dropped) == ("conv-1", ("Ana", "Bo"), 0)
    assert talk.order == ("D1:1", "D1:2", "D1:3", "D2:1", "D2:2", "D2:3")
    assert talk.turns[3]["happened"] == datetime(2023, 7, 2, 9, 0, tzinfo=UTC)
    assert talk.questions[:3] == (
        Asked("What leaks?", "the boat", ("D1:1",), "single-hop", answerable=True),
        Asked("What leaks?", "2023", ("D1:3",), "temporal", answerable=True),
        Asked("What leaks?", "the boat", ("D2:3", "D1:1"), "multi-hop", answerable=True),
    )
    assert talk.questions[3].category == "open-domain" and talk.questions[3].scorable
    assert talk.questions[4] == Asked("Who sank?", None, ("D1:2",), "adversarial", answerable=False)
    assert not talk.questions[4].scorable


@pytest.mark.parametrize(
    ("written", "found", "dropped"),
    [
        ("D1:1; D2:2", ("D1:1", "D2:2"), 0),
        ("D1:1;D2:2", ("D1:1", "D2:2"), 0),
        ("D2:2 D2:3 D1:1", ("D2:2", "D2:3", "D1:1"), 0),
        ("D1:1, D1:1", ("D1:1",), 0),
        ("D1:1. D2:2", ("D1:1", "D2:2"), 0),
        ("D1:1:D2:2", ("D1:1", "D2:2"), 0),
        ("D:1:2", ("D1:2",), 0),
        ("D 1:2", ("D1:2",), 0),
        ("D01:02", ("D1:2",), 0),
        ("D1;2", ("D1:2",), 0),
        ("1:2", ("D1:2",), 0),
        (" D1:2. ", ("D1:2",), 0),
        ("D1:1-D1:3", ("D1:1", "D1:2", "D1:3"), 0),
        ("D1:2 – D1:3;D2:1-D2:2", ("D1:2", "D1:3", "D2:1", "D2:2"), 0),
        ("D1:3-D1:1", ("D1:3", "D1:1"), 0),
        ("D1:2-D2:2", ("D1:2", "D2:2"), 0),
        ("D1:2-D1:9", ("D1:2",), 1),
        ("D1:1; D9:9", ("D1:1",), 1),
        ("D1:1:2", (), 1),
        ("D1:1; see above", (), 1),
        ("-D1:1", (), 1),
        ("D9:9", (), 1),
        ("D", (), 1),
        ("D:2", (), 1),
        ("", (), 1),
    ],
)
def test_evidence_written_carelessly_names_its_turns_and_the_rest_is_counted(tmp_path, written, found, dropped):
    put(tmp_path, "locomo/locomo1.json", [sample(asks(written))])
    [talk] = locomo(tmp_path)
    assert (talk.questions[0].evidence, talk.dropped) == (found, dropped)
    assert talk.questions[0].scorable == bool(found)


def test_where_two_turns_differ_by_padding_only_the_exact_id_names_one(tmp_path):
    turns = said("One.", "Two.")
    turns[1]["dia_id"] = "D1:01"
    put(tmp_path, "locomo/locomo1.json", [sample(asks("D1:1", "D1:01"), asks("D1:001"), turns=turns)])
    [talk] = locomo(tmp_path)
    assert [one.evidence for one in talk.questions] == [("D1:1", "D1:01"), ()] and talk.dropped == 1


def test_every_file_of_the_folder_is_read_and_the_audited_key_replaces_the_questions(tmp_path):
    put(tmp_path, "locomo/locomo1.json", [sample(asks("D1:1"), asks("D1:2"))])
    put(tmp_path, "locomo/locomo2.json", [sample(asks("D1:1"), name="conv-2")])
    corrected = [asks("D2:1", answer="nothing")]
    key = [{"sample_id": name, "qa": corrected} for name in ("conv-2", "conv-1")]
    put(tmp_path, "locomo/locomo1_audited_qa.json", key)
    assert [(talk.name, len(talk.questions)) for talk in locomo(tmp_path)] == [("conv-1", 2), ("conv-2", 1)]
    for talk in locomo(tmp_path, audited=True):
        assert talk.questions == (Asked("What leaks?", "nothing", ("D2:1",), "single-hop", answerable=True),)
    put(tmp_path, "locomo/locomo1_audited_qa.json", key[:1])
    with pytest.raises(InvalidInput, match=r"locomo/locomo1\.json, conversation 1"):
        locomo(tmp_path, audited=True)


def test_a_conversation_that_stands_twice_is_refused(tmp_path):
    for name in ("locomo1", "locomo2"):
        put(tmp_path, f"locomo/{name}.json", [sample()])
    with pytest.raises(InvalidInput, match="two conversations of locomo have one name"):
        locomo(tmp_path)


CHAT = {
    "sample_id": "Chat_4_Ana_Bo",
    "sessions": [
        {
            "session": "session_10",
            "date_time": "02.01.2024, 08:00:00",
            "turns": [{"clean_text": "Back again.", "speaker": "Bo", "dia_id": "D10:1"}],
        },
        {
            "session": "session_9",
            "date_time": "31.12.2023, 20:00:00",
            "turns": [
                {
                    "clean_text": "Fireworks!",
                    "speaker": "Ana",
                    "date_time": "31.12.2023, 23:59:30",
                    "dia_id": "D9:1",
                    "blip_caption": "a photo of a rocket",
                }
            ],
        },
    ],
    "qa": [asks("D9:1", "D9:77", category=1), asks("D10:01", category="3")],
}


def test_a_realtalk_talk_is_in_the_order_of_sessions_under_a_number_instead_of_names(tmp_path):
    put(tmp_path, "rerank/realtalk_2.json.gz", [CHAT, CHAT | {"sample_id": "another"}])
    talk, other = realtalk(tmp_path)
    assert (talk.name, other.name, talk.speakers) == ("realtalk-4", "realtalk-2", ("Ana", "Bo"))
    assert talk.turns == (
        {
            "text": "Fireworks!",
            "author": "Ana",
            "happened": datetime(2023, 12, 31, 23, 59, 30, tzinfo=UTC),
            "reference": "D9:1",
            "meta": {"session": 9, "caption": "a photo of a rocket"},
        },
        {
            "text": "Back again.",
            "author": "Bo",
            "happened": datetime(2024, 1, 2, 8, 0, tzinfo=UTC),
            "reference": "D10:1",
            "meta": {"session": 10},
        },
    )
    assert [(one.evidence, one.category) for one in talk.questions] == [
        (("D9:1",), "multi-hop"),
        (("D10:1",), "open-domain"),
    ]
    assert talk.dropped == 1


def turn(number, role, text, **others):
    return {"role": role, "id": number, "content": text} | others


BATCHES = [
    {
        "batch_number": 1,
        "time_anchor": None,
        "turns": [
            [turn(0, "user", "I keep bees."), turn(1, "assistant", "How many hives?")],
            [turn(2, "user", "Two.", time_anchor="March-05-2024"), turn(3, "assistant", "Noted.")],
        ],
    },
    {
        "batch_number": 2,
        "time_anchor": "sometime in spring",
        "turns": [[turn(4, "user", "Three now."), turn(5, "assistant", "Well done.", time_anchor="June-31-2024")]],
    },
    {"batch_number": 3, "time_anchor": "April-02-2024", "turns": [[turn(6, "user", "Honey!")]]},
]
PROBES = {
    "abstention": [{"question": "Who sold them?", "ideal_response": "That was not said."}],
    "knowledge_update": [
        {"question": "How many?", "answer": "three", "source_chat_ids": {"original_info": [2], "updated_info": [4]}}
    ],
    "information_extraction": [
        {"question": "Which animal?", "answer": "bees", "source_chat_ids": [["0", 0], {"a": 99}]}
    ],
    "contradiction_resolution": [{"question": "Any?", "ideal_answer": "Both were said.", "source_chat_ids": 6}],
    "summarization": [{"question": "Sum up.", "ideal_summary": "Bees.", "source_chat_ids": []}],
    "preference_following": [{"question": "Tell me.", "expected_compliance": "briefly", "source_chat_ids": ["no id"]}],
}


def test_a_beam_talk_has_channels_batches_and_times_carried_forward(tmp_path):
    put(tmp_path, "beam_100k/chat_07.json.gz", BATCHES)
    put(tmp_path, "beam_100k/questions_07.json", PROBES)
    [talk] = beam(tmp_path)
    assert (talk.name, talk.speakers, talk.order) == ("chat_07", ("user", "assistant"), tuple("0123456"))
    assert [each["channel"] for each in talk.turns] == ["user", "model"] * 3 + ["user"]
    assert [each["meta"]["session"] for each in talk.turns] == [1, 1, 1, 1, 2, 2, 3]
    march = datetime(2024, 3, 5, tzinfo=UTC)
    april = datetime(2024, 4, 2, tzinfo=UTC)
    assert [each["happened"] for each in talk.turns] == [None, None, march, march, march, march, april]
    assert {each["author"] for each in talk.turns} == {None} and talk.turns[6]["text"] == "Honey!"


def test_every_id_in_the_sources_of_a_beam_question_is_evidence_however_nested(tmp_path):
    put(tmp_path, "beam_100k/chat_07.json.gz", BATCHES)
    put(tmp_path, "beam_100k/questions_07.json", PROBES)
    [talk] = beam(tmp_path)
    assert [(one.category, one.answer, one.evidence, one.answerable) for one in talk.questions] == [
        ("abstention", "That was not said.", (), False),
        ("knowledge_update", "three", ("2", "4"), True),
        ("information_extraction", "bees", ("0",), True),
        ("contradiction_resolution", "Both were said.", ("6",), True),
        ("summarization", "Bees.", (), True),
        ("preference_following", "briefly", (), True),
    ]
    assert talk.dropped == 2  # 99 and "no id"
    assert [one.category for one in talk.questions if one.scorable and one.category in SCORED] == [
        "knowledge_update",
        "information_extraction",
        "contradiction_resolution",
    ]


def history(name, kind, *messages, **question):
    """A history in LongMemEval's format; each message is a role, a date and a text."""
    return {
        "id": name,
        "question_type": kind,
        "conversation": [{"role": role, "content": text, "date": date} for role, date, text in messages],
        "questions": [{"id": "q", "question": "How old is the cat?", "answer": 7} | question],
    }


def test_a_session_of_longmemeval_is_a_run_of_one_date_and_in_the_oracle_all_are_evidence(tmp_path):
    monday, tuesday = "2023/05/01 (Mon) 09:05", "2023/05/02 (Tue) 21:48"
    talked = [
        ("user", tuesday, "My cat is seven."),
        ("assistant", tuesday, "A fine age."),
        ("user", monday, "I have a cat."),
        ("user", tuesday, "She sleeps."),
    ]
    put(tmp_path, "longmemeval_sample/oracle.json", [history("one", "multi-session", *talked)])
    absent = history("two", "abstention", talked[0], answer="not said", is_abstention=True)
    put(tmp_path, "longmemeval_sample/abstention.json", [absent])
    talk, other = longmemeval(tmp_path)
    assert talk.order == ("S1:1", "S1:2", "S2:1", "S3:1")
    assert [each["meta"]["session"] for each in talk.turns] == [1, 1, 2, 3]
    assert [each["channel"] for each in talk.turns] == ["user", "model", "user", "user"]
    assert talk.turns[1]["happened"] == datetime(2023, 5, 2, 21, 48, tzinfo=UTC)
    assert talk.questions == (
        Asked("How old is the cat?", "7", ("S1", "S2", "S3"), "multi-session", answerable=True),
    )  # fmt: skip
    assert {session(reference) for reference in talk.order} == set(talk.questions[0].evidence)
    assert other.questions == (Asked("How old is the cat?", "not said", (), "abstention", answerable=False),)


def test_a_user_of_memorybank_is_a_talk_of_days_with_questions_without_evidence(tmp_path):
    days = {
        "2023-04-27": [{"query": "I run.", "response": "Good!"}, {"query": "Daily.", "response": "Great!"}],
        "2023-04-28": [{"query": "I rest.", "response": "Good too."}],
    }
    bank = {" Ivy ": {"name": "Ivy", "history": days}, "Max": {"name": "Max", "history": {}}}
    put(tmp_path, "memorybank_en/memory_bank_en.json", bank)
    put(tmp_path, "memorybank_en/probing_questions_en.json", {" Ivy ": ["Do I run?"]})
    talk, other = memorybank(tmp_path)
    assert talk.name == "Ivy" and talk.order == ("S1:1", "S1:2", "S1:3", "S1:4", "S2:1", "S2:2")
    assert [each["text"] for each in talk.turns] == ["I run.", "Good!", "Daily.", "Great!", "I rest.", "Good too."]
    assert [each["channel"] for each in talk.turns] == ["user", "model"] * 3
    assert talk.turns[4]["happened"] == datetime(2023, 4, 28, tzinfo=UTC)
    [asked] = talk.questions
    assert asked.question == "Do I run?" and asked.answerable and not asked.scorable
    assert (other.turns, other.questions) == ((), ())


def test_facts_come_in_the_order_told_without_their_numbers(tmp_path):
    context = {
        "context": "Here is a list of facts:\n0. The lake is blue.\n1. 7. is a street.\n2. The lake is green.",
        "questions": ["Which colour has the lake?"],
        "answers": [["green", "Green"]],
        "metadata": {"source": "factconsolidation_sh_6k"},
    }
    put(tmp_path, "factconsolidation/conflict_resolution.json.gz", [context])
    [facts] = factconsolidation(tmp_path)
    assert facts.name == "factconsolidation_sh_6k"
    assert facts.facts == ("The lake is blue.", "7. is a street.", "The lake is green.")
    assert (facts.questions, facts.answers) == (("Which colour has the lake?",), (("green", "Green"),))


def test_what_is_read_can_be_written(tmp_path):
    put(tmp_path, "locomo/locomo1.json", [sample()])
    put(tmp_path, "rerank/realtalk_1.json.gz", [CHAT])
    put(tmp_path, "beam_100k/chat_07.json.gz", BATCHES)
    put(tmp_path, "beam_100k/questions_07.json", PROBES)
    for [talk] in (locomo(tmp_path), realtalk(tmp_path), beam(tmp_path)):
        drafts, notes = drafts_of(list(talk.turns), Defaults("main", "user", UTC))
        assert [draft.reference for draft in drafts] == list(talk.order) and notes == []


SETS = {
    locomo: "locomo/locomo1.json",
    realtalk: "rerank/realtalk_1.json.gz",
    beam: "beam_100k/chat_07.json.gz",
    longmemeval: "longmemeval_sample/oracle.json",
    memorybank: "memorybank_en/memory_bank_en.json",
    factconsolidation: "factconsolidation/conflict_resolution.json.gz",
}
KEYS = {
    beam: ("beam_100k/questions_07.json", PROBES),
    memorybank: ("memorybank_en/probing_questions_en.json", {}),
}
by_set = pytest.mark.parametrize("read", SETS, ids=lambda read: read.__name__)


@by_set
def test_a_set_that_is_not_there_is_named_with_the_option_that_finds_it(tmp_path, read):
    with pytest.raises(InvalidInput, match="in the data folder; --data names the folder") as caught:
        read(tmp_path / "nowhere")
    folder = SETS[read].partition("/")[0]
    assert f"no {folder}/" in str(caught.value) and str(tmp_path) not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [beam, longmemeval, memorybank], ids=lambda read: read.__name__)
def test_half_of_a_set_is_not_read(tmp_path, read):
    put(tmp_path, SETS[read], [])
    missing = {beam: "questions_07", longmemeval: "abstention", memorybank: "probing_questions_en"}[read]
    with pytest.raises(InvalidInput, match=rf"no {SETS[read].partition('/')[0]}/{missing}\.json in the data folder"):
        read(tmp_path)


@pytest.mark.parametrize(
    "broken",
    [
        b"no json",
        b"[" * 99_999,
        b"7",
        [CANARY],
        [{"sample_id": CANARY, "id": CANARY, "context": CANARY, "turns": CANARY}],
        [{"batch_number": 1, "turns": [[turn(0, CANARY, CANARY)]]}],
        [{"batch_number": 1, "turns": [[turn(10**400, "user", ""), turn(0, "user", CANARY)]]}],
        [history(CANARY, "kind", ("user", f"2023/02/30 {CANARY}", CANARY))],
        [history(CANARY, "kind", (CANARY, "2023/02/03 (Fri) 09:05", CANARY))],
        [sample(asks("D1:1", category=CANARY))],
        [sample(turns=said("One.", "Two.", CANARY) * 2)],
        [CHAT | {"qa": [asks("D9:1", category=0)]}],
        [CHAT | {"sessions": [{"session": "session_1", "date_time": CANARY, "turns": CHAT["sessions"][0]["turns"]}]}],
        [{"context": f"0. {CANARY}", "questions": [CANARY], "answers": [], "metadata": {"source": "s"}}],
        {CANARY: {"history": {CANARY: []}}},
    ],
)
@by_set
def test_a_malformed_set_is_refused_without_quoting_it(tmp_path, read, broken):
    put(tmp_path, SETS[read], broken)
    if read in KEYS:
        put(tmp_path, *KEYS[read])
    with pytest.raises(InvalidInput, match="othing was loaded") as caught:
        read(tmp_path)
    assert CANARY not in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_damaged_archive_is_refused(tmp_path):
    put(tmp_path, "rerank/realtalk_1.json.gz", [CHAT])
    whole = (tmp_path / "rerank/realtalk_1.json.gz").read_bytes()
    for raw in (b"[]", whole[:-9], whole[:20] + b"\xff" * 40 + whole[60:]):
        (tmp_path / "rerank/realtalk_1.json.gz").write_bytes(raw)
        with pytest.raises(InvalidInput, match=r"rerank/realtalk_1\.json\.gz is damaged or no gzip file"):
            realtalk(tmp_path)
