"""Other people's memory files: what becomes of a line, what is refused by its number, and that nothing fills memory."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from delible.core.errors import InvalidInput
from delible.store import json_objects
from delible.store.importers import chat_jsonl, locomo, mcp_memory, sniff
from delible.store.intake import Defaults, drafts_of
from delible.store.locomo import session_time

ROOT = Path(__file__).parents[2]
CANARY = "zanzibar-canary"


def lines(path, *values):
    path.write_text("".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values), "utf-8")
    return path


ENTITY = {"type": "entity", "name": "Ana Brühl", "entityType": "person", "observations": ["lives in Köln", "likes tea"]}
RELATION = {"type": "relation", "from": "Ana Brühl", "to": "Acme", "relationType": "works_at"}


def test_each_observation_and_each_relation_of_an_mcp_memory_is_a_record(tmp_path):
    path = lines(
        tmp_path / "memory.json",
        ENTITY,
        {"type": "entity", "name": "Acme", "entityType": "company", "observations": []},
        RELATION,
    )
    items = list(mcp_memory(path))
    assert [item["text"] for item in items] == [
        "Ana Brühl: lives in Köln", "Ana Brühl: likes tea", "Acme (company)", "Ana Brühl works at Acme",
    ]  # fmt: skip
    assert [item["kind"] for item in items] == ["entity", "entity", "entity", "relation"]
    assert [item["reference"] for item in items] == ["memory.json:1", "memory.json:1", "memory.json:2", "memory.json:3"]
    assert {item["channel"] for item in items} == {"import"}
    assert items[0]["meta"] == {"entity": "Ana Brühl", "entity_type": "person"}
    assert items[3]["meta"] == {"from": "Ana Brühl", "relation": "works_at", "to": "Acme"}


def test_a_chat_becomes_records_whose_roles_are_claims(tmp_path):
    path = lines(
        tmp_path / "chat.jsonl",
        {"role": "system", "content": "You are helpful."},
        {"role": "user", "content": "I moved to Porto.", "name": "Ana", "timestamp": "2026-03-01T10:00:00+01:00"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Noted."},
                {"type": "image_url"},
                {"type": "text", "text": "Boa sorte!"},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [{}]},
        {"role": "tool", "content": "ok", "timestamp": 1772359200},
        {"role": "user", "content": "Later.", "timestamp": 1772359200000},
    )
    notes = []
    items = list(chat_jsonl(path, notes=notes))
    assert [(item["text"], item["author"], item["meta"]["role"]) for item in items] == [
        ("I moved to Porto.", "Ana", "user"), ("Noted.\nBoa sorte!", None, "assistant"),
        ("ok", None, "tool"), ("Later.", None, "user"),
    ]  # fmt: skip
    assert {item["channel"] for item in items} == {"import"}
    when = datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert [item["happened"] for item in items] == [when, None, when + timedelta(hours=1), when + timedelta(hours=1)]
    assert items[0]["reference"] == "chat.jsonl:2"
    assert notes == ["2 messages were left out: from the system, or without text"]


def test_a_timestamp_without_a_zone_is_read_in_the_given_one(tmp_path):
    path = lines(tmp_path / "chat.jsonl", {"role": "user", "content": "Hi.", "timestamp": "2026-07-01 12:00"})
    [item] = chat_jsonl(path, ZoneInfo("Europe/Berlin"))
    assert item["happened"] == datetime(2026, 7, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("count", [0, 1, 700])
def test_a_chat_may_be_one_json_array(tmp_path, count, indent):
    messages = [
        {"role": "user", "content": f"Message {n} with [brackets], {{braces}} and ü北" * (n % 40 + 1)}
        for n in range(count)
    ]
    (tmp_path / "chat.json").write_text(json.dumps(messages, indent=indent, ensure_ascii=n_is_odd(count)), "utf-8")
    assert [item["text"] for item in chat_jsonl(tmp_path / "chat.json")] == [message["content"] for message in messages]


def n_is_odd(n):
    return n % 2 == 1


@pytest.mark.parametrize(
    "broken", ["[", "[{}", '[{"role": "user"}', "[{},]", "[{} {}]", "[{}] x", "[1]", '[{"a": NaN}]', "[,{}]", "[\xff]"]
)
def test_a_broken_array_is_refused(tmp_path, broken):
    (tmp_path / "chat.json").write_bytes(broken.encode("latin-1"))
    with pytest.raises(InvalidInput, match=r"^chat\.json, line \d+: .*; nothing was loaded$"):
        list(chat_jsonl(tmp_path / "chat.json"))


def test_items_pass_the_store_s_intake_as_they_are(tmp_path):
    chat = lines(tmp_path / "chat.jsonl", {"role": "assistant", "content": "Sure.", "name": "Bot", "timestamp": 5})
    graph = lines(tmp_path / "memory.jsonl", ENTITY, RELATION)
    drafts, _ = drafts_of([*chat_jsonl(chat), *mcp_memory(graph)], Defaults("main", "user", UTC))
    assert [draft.channel for draft in drafts] == ["import"] * 4
    assert drafts[0].happened == 5_000_000 and drafts[0].author == "Bot"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("{not json " + CANARY, "no JSON"),
        (f'"{CANARY}"', "no JSON object"),
        ('{"role": "user", "content": NaN}', "no JSON"),
        (json.dumps({"role": CANARY, "content": "x"}), "role is none of"),
        (json.dumps({"role": ["user"], "content": "x"}), "role is none of"),
        (json.dumps({"content": CANARY}), "role is none of"),
        (json.dumps({"role": "user", "content": {"text": CANARY}}), "content is neither"),
        (json.dumps({"role": "user", "content": [7]}), "content is neither"),
        (json.dumps({"role": "user", "content": CANARY + "\x00"}), "content holds a NUL character at 15"),
        (json.dumps({"role": "user", "content": CANARY + "\ud800"}), "content holds a lone surrogate at 15"),
        (json.dumps({"role": "user", "content": "x", "name": 5}), "name must be a string"),
        (json.dumps({"role": "user", "content": "x", "name": CANARY * 99}), "name has more than 1,000"),
        (json.dumps({"role": "user", "content": "x", "timestamp": CANARY}), "timestamp is no time"),
        (json.dumps({"role": "user", "content": "x", "timestamp": 1e300}), "timestamp is no time"),
        (json.dumps({"role": "user", "content": "x", "timestamp": True}), "timestamp is no time"),
        (json.dumps({"role": "user", "content": "x", "timestamp": {}}), "timestamp is no time"),
        ("[" * 100_000, "no JSON"),
        ('{"role": "user", "content": ' + "9" * 5000 + "}", "no JSON"),
    ],
)
def test_a_malformed_line_is_named_by_its_number_and_nothing_is_given(tmp_path, bad, said):
    good = json.dumps({"role": "user", "content": "fine"})
    (tmp_path / "chat.jsonl").write_text(f"{good}\n\n{bad}\n{good}\n", "utf-8")
    with pytest.raises(InvalidInput) as caught:
        chat_jsonl(tmp_path / "chat.jsonl")  # already here, not at the third item
    told = str(caught.value)
    assert told.startswith(f"chat.jsonl, line 3: {said}") and told.endswith("; nothing was loaded")
    assert CANARY not in told and caught.value.__cause__ is None and caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"type": "note", "name": CANARY}, "type is neither"),
        ({"type": "entity", "entityType": "person"}, "name must be a string"),
        ({**ENTITY, "observations": CANARY}, "observations is no list"),
        ({**ENTITY, "observations": [""]}, "observation is empty"),
        ({**RELATION, "to": None}, "to must be a string"),
    ],
)
def test_a_malformed_line_of_an_mcp_memory_is_named_by_its_number(tmp_path, bad, said):
    path = lines(tmp_path / "memory.jsonl", ENTITY, bad)
    with pytest.raises(InvalidInput) as caught:
        mcp_memory(path)
    assert str(caught.value).startswith(f"memory.jsonl, line 2: {said}") and CANARY not in str(caught.value)


def test_byte_order_marks_and_windows_line_ends_are_read(tmp_path):
    (tmp_path / "chat.jsonl").write_bytes(
        b'\xef\xbb\xbf{"role": "user", "content": "Hi."}\r\n\r\n{"role": "user", "content": "Ho."}'
    )
    assert [item["text"] for item in chat_jsonl(tmp_path / "chat.jsonl")] == ["Hi.", "Ho."]
    assert sniff(tmp_path / "chat.jsonl") == "chat-jsonl"


def test_a_file_is_known_by_its_first_bytes(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04rest")
    assert sniff(tmp_path / "a.zip") == "delible"
    assert sniff(lines(tmp_path / "a", ENTITY)) == "mcp-memory"
    assert sniff(lines(tmp_path / "b", RELATION)) == "mcp-memory"
    assert sniff(lines(tmp_path / "c", {"role": "user", "content": "Hi."})) == "chat-jsonl"
    (tmp_path / "d").write_text('\n [ {"role": "user"')
    (tmp_path / "e").write_text('[{"role": "user", "content": "Hi."}]')
    assert sniff(tmp_path / "e") == "chat-jsonl"
    for name, content in {"f": b"", "g": b"\x00\x01" * 50, "h": b"plain words", "i": b'{"a": 1}', "d": b"[[[["}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidInput, match="nothing was loaded"):
            sniff(tmp_path / name)
    for absent in ("absent", "."):
        with pytest.raises(InvalidInput, match="nothing was loaded"):
            sniff(tmp_path / absent)


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(json_objects, "LONGEST", 100_000)
    for opening in ('{"role": "user", "content": "', '[{"role": "user", "content": "'):
        (tmp_path / "chat").write_text(opening + "x" * 1_000_000)
        with pytest.raises(InvalidInput, match="line 1: longer than 100,000"):
            chat_jsonl(tmp_path / "chat")


def test_a_large_file_is_never_held_whole(tmp_path):
    message = json.dumps({"role": "user", "content": "Something that was said, " * 400})
    for name, opening, between, end in (("a.jsonl", "", "\n", ""), ("a.json", "[", ",\n", "]")):
        with open(tmp_path / name, "w") as file:
            file.write(opening + between.join([message] * 6000) + end)  # 60 MB
    script = (
        "import resource, sys\nfrom pathlib import Path\nfrom delible.store.importers import chat_jsonl\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(sum(1 for path in sys.argv[1:] for _ in chat_jsonl(Path(path))))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    paths = [str(tmp_path / name) for name in ("a.jsonl", "a.json")]
    told = subprocess.run([sys.executable, "-c", script, *paths], cwd=ROOT, capture_output=True, text=True, check=True)
    count, grown = map(int, told.stdout.split())
    assert count == 12_000 and grown < 10_000  # KiB


TALK = {
    "sample_id": "conv-1",
    "conversation": {
        "speaker_a": "Ana", "speaker_b": "Bo",
        "session_10": [{"speaker": "Bo", "dia_id": "D10:1", "text": "See you!"}],
        "session_10_date_time": "12:05 am on 1 January, 2024",
        "session_2": [
            {"speaker": "Ana", "dia_id": "D2:1", "text": "I was at the lake."},
            {"speaker": "Bo", "dia_id": "D2:2", "text": "Look!", "blip_caption": "a photo of a lake", "query": "lake"},
        ],
        "session_2_date_time": "1:56 pm on 8 May, 2023",
        "session_11": [],
    },
    "qa": [
        {"question": "Where was Ana?", "answer": "at the lake", "evidence": ["D2:1"], "category": 4},
        {"question": "When?", "answer": 2023, "evidence": ["D2:1", "D2:2"], "category": 2},
        {"question": "Who sank?", "adversarial_answer": "Bo", "evidence": [], "category": 5},
    ],
}  # fmt: skip


def test_a_locomo_conversation_is_its_turns_in_order_and_its_questions(tmp_path):
    (tmp_path / "talk.json").write_text(json.dumps([TALK]))
    [talk] = locomo(tmp_path / "talk.json")
    assert (talk.name, talk.speakers) == ("conv-1", ("Ana", "Bo"))
    first = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
    assert talk.turns == (
        {"text": "I was at the lake.", "author": "Ana", "happened": first, "reference": "D2:1", "meta": {"session": 2}},
        {
            "text": "Look!",
            "author": "Bo",
            "happened": first,
            "reference": "D2:2",
            "meta": {"session": 2, "caption": "a photo of a lake"},
        },
        {
            "text": "See you!",
            "author": "Bo",
            "happened": datetime(2024, 1, 1, 0, 5, tzinfo=UTC),
            "reference": "D10:1",
            "meta": {"session": 10},
        },
    )
    assert [(each.answer, each.evidence, each.category) for each in talk.questions] == [
        ("at the lake", ("D2:1",), 4), ("2023", ("D2:1", "D2:2"), 2), (None, (), 5),
    ]  # fmt: skip
    drafts, notes = drafts_of(list(talk.turns), Defaults("main", "user", UTC))
    assert len(drafts) == 3 and notes == []


def test_session_times_are_read_in_any_locale_and_zone():
    assert session_time("12:30 pm on 29 February, 2024") == datetime(2024, 2, 29, 12, 30, tzinfo=UTC)
    assert session_time("9:00 am on 2 July, 2023", ZoneInfo("Asia/Tokyo")) == datetime(2023, 7, 2, tzinfo=UTC)
    for wrong in (
        "",
        "1:56 pm, 8 May 2023",
        "1:56 pm on 31 June, 2023",
        "25:00 pm on 1 May, 2023",
        "1:00 pm on 1 Mai, 2023",
    ):
        with pytest.raises(ValueError):
            session_time(wrong)


@pytest.mark.parametrize(
    "broken",
    [
        "{}",
        "[7]",
        "[{}]",
        "no json",
        "[" * 99_999,
        json.dumps([{**TALK, "conversation": {"session_1": [{"speaker": CANARY}]}}]),
    ],
)
def test_a_file_that_is_no_conversation_is_refused_without_quoting_it(tmp_path, broken):
    (tmp_path / "talk.json").write_text(broken)
    with pytest.raises(InvalidInput, match="nothing was loaded") as caught:
        locomo(tmp_path / "talk.json")
    assert CANARY not in str(caught.value) and caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_the_conversations_that_the_benches_use_are_read():
    data = ROOT.parent / "shared" / "data" / "locomo" / "locomo7.json"
    if not data.is_file():
        pytest.skip("the LoCoMo data set is not beside this checkout")
    talks = locomo(data)
    assert len(talks) == 7 and sum(len(talk.turns) for talk in talks) == 3970
    assert all(talk.turns[0]["happened"] <= talk.turns[-1]["happened"] for talk in talks)
    known = [{turn["reference"] for turn in talk.turns} for talk in talks]
    linked = [set(each.evidence) <= refs for talk, refs in zip(talks, known, strict=True) for each in talk.questions]
    assert sum(linked) / len(linked) > 0.98
