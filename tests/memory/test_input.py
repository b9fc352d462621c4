"""What is accepted comes back byte for byte; what is refused is refused in one typed line, and nothing is lost."""

import pytest

from delible import DelibleError, InvalidInput, UnknownField, UnknownId

ACCEPTED = {
    "right to left": "שלום עולם، مرحبا بالعالم ‮abc‬",
    "emoji": "👩‍👩‍👧‍👦 🏴󠁧󠁢󠁷󠁬󠁳󠁿 🧑🏽‍🚀 ☺️",
    "combining marks": "é é ा ि ẛ̣ Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢",
    "not normalised": "ﬁ Ａ ① Å Å Å",
    "Han, kana, Thai": "北京医者ラーメン ภาษาไทย ខ្មែរ",
    "quotes": "'single' \"double\" “curly” `back` \\ \\\\ \\' ''",
    "FTS syntax": 'NEAR("a b", 3) text:(a OR b*) ^c NOT {d} AND "e" - + :',
    "SQL syntax": "'); DROP TABLE records; -- ' OR 1=1 /* ? ?1 :a @b $c */",
    "line ends": "a\r\nb\nc\rd\u2028e\u2029f\x0bg\x0ch\x85i",
    "white space around": "  \t leading and trailing \n ",
    "controls": "".join(map(chr, range(1, 32))) + "x\x7f\x80\x9f",
    "zero width": "a\u200bb\u200cc\u200dd\ufeffe",
    "beyond the first plane": "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 \U0010fffd \U000e0041",
    "not characters": "\ufffe\uffff\U0001fffe\ufdd0x",
    "private use": "\ue000\uf8ff\U00100000",
    "one letter": "a",
    "only punctuation": "?!",
    "a lone joiner": "\u200d",
    "scope words": "x1 u1 u2 x7 scope",
    "braces": "{} {0} %s %(a)s ${b} \\u0000 \\x00",
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_text_comes_back_byte_for_byte(memory, opened, whole, name):
    text = ACCEPTED[name]
    (record,) = memory.write(
        text, author=text[:100], reference=text[:100], kind=text[:50], key=text[:100], meta={"k": text, text: [text]}
    )
    again = opened().get(record.id)
    assert again.text == text and again == record and again.meta == {"k": text, text: [text]}
    assert (again.source.author, again.kind, again.key) == (text[:100], text[:50], text[:100])
    for hit in memory.recall(text, k=3):
        assert hit.record.text[hit.evidence.start : hit.evidence.end] == hit.evidence.text
    assert [r.id for r in memory.list(where={"author": text[:100], "meta.k": text})] == [record.id]
    assert memory.context("what is there?")
    assert memory.forget(record.id, reason=text[:100]).confirmed
    whole(memory)


def test_ten_megabytes_come_back_and_one_character_more_is_refused(memory):
    text = "wörter und Wörter " * 560_000
    text = text[:10_000_000]
    (record,) = memory.write(text)
    assert memory.get(record.id).text == text
    with pytest.raises(InvalidInput, match="more than 10,000,000"):
        memory.write(text + "x")
    assert len(memory.list()) == 1


META = {
    "text": 'a "quoted" b',
    "deep": {"a": {"b": {"c": [1, [2, [3]], {"d": None}]}}},
    "numbers": [0, -1, 1.5, 1e300, 10**30, -0.0],
    "booleans": [True, False, None],
    "empty": [{}, [], ""],
    "backslash u0000": "\\u0000 and \\\\u0000",
    "a.b": 1,
    "": 2,
    "$": 3,
}


def test_meta_comes_back_as_json_gives_it_back(memory, opened):
    (record,) = memory.write("x", meta=META)
    assert opened().get(record.id).meta == META
    assert (
        memory.list(where={"meta.deep.a.b.c": None}) == [] and len(memory.list(where={"meta.text": META["text"]})) == 1
    )
    assert memory.write("y", meta={"t": (1, 2), 5: "n"})[0].meta == {"t": [1, 2], "5": "n"}


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"a": value}
    return value


cycle = {}
cycle["a"] = cycle

REFUSED = {
    "empty text": {"text": ""},
    "white space": {"text": " \n\t\u3000"},
    "no text": {},
    "NUL": {"text": "a\x00b"},
    "lone surrogate": {"text": "a\ud800b"},
    "low surrogate": {"text": "\udc00"},
    "bytes": {"text": b"abc"},
    "number": {"text": 5},
    "NUL in the author": {"text": "secret words", "author": "a\x00"},
    "surrogate in the reference": {"text": "secret words", "reference": "\ud800"},
    "NUL in the kind": {"text": "secret words", "kind": "\x00"},
    "a long kind": {"text": "secret words", "kind": "k" * 1001},
    "NUL in meta": {"text": "secret words", "meta": {"a": ["\x00"]}},
    "NUL in a name of meta": {"text": "secret words", "meta": {"\x00": 1}},
    "NUL behind a backslash in meta": {"text": "secret words", "meta": {"a": "\\\x00"}},
    "surrogate in meta": {"text": "secret words", "meta": {"a": "\ud800"}},
    "NaN in meta": {"text": "secret words", "meta": {"a": float("nan")}},
    "infinity in meta": {"text": "secret words", "meta": {"a": float("inf")}},
    "an object in meta": {"text": "secret words", "meta": {"a": object()}},
    "a set in meta": {"text": "secret words", "meta": {"a": {1}}},
    "meta that is deep": {"text": "secret words", "meta": nested(200)},
    "meta that is very deep": {"text": "secret words", "meta": nested(5000)},
    "meta with a cycle": {"text": "secret words", "meta": cycle},
    "meta that is a list": {"text": "secret words", "meta": [1]},
    "year 0": {"text": "secret words", "happened": "0000-12-31"},
    "year 10000": {"text": "secret words", "happened": "10000-01-01"},
    "a time that is none": {"text": "secret words", "expires": "tomorrow"},
    "an unknown field": {"text": "secret words", "trust": 1},
    "an unknown channel": {"text": "secret words", "channel": "root"},
    "parents that are text": {"text": "secret words", "parents": "abc"},
    "parents that are numbers": {"text": "secret words", "parents": [5]},
    "an unknown parent": {"text": "secret words", "parents": ["nobody"]},
    "itself as parent": {"text": "secret words", "id": "a", "parents": ["a"]},
    "a space without a name": {"text": "secret words", "space": "a//b"},
    "media without bytes": {"text": "secret words", "media": "abc"},
    "a message without content": {"role": "user"},
    "a message with a number": {"role": "user", "content": 5},
    "an unknown role": {"role": "root", "content": "secret words"},
    "a list": ["secret words"],
    "nothing": None,
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_kept_is_refused_in_one_line_and_nothing_of_its_batch_is_written(memory, name, whole):
    (before,) = memory.write("before")
    with pytest.raises((InvalidInput, UnknownId)) as refused:
        memory.write(["good", REFUSED[name], "good too"])
    message = str(refused.value)
    assert "\n" not in message and len(message) < 400 and "secret" not in message
    assert [record.id for record in memory.list(held=None)] == [before.id] and len(memory.ledger()) == 1
    assert memory.write("after")[0] and len(memory.list()) == 2
    whole(memory)


def test_a_cyclic_lineage_is_refused(memory):
    for length in (2, 3, 50):
        ring = [{"id": str(i), "text": f"t{i}", "parents": [str((i + 1) % length)]} for i in range(length)]
        with pytest.raises(InvalidInput, match="cyclic"):
            memory.write(ring)
    assert memory.list() == []


def test_a_long_lineage_in_one_batch_is_none(memory):
    chain = [{"id": str(i), "text": f"t{i}", "parents": [str(i + 1)] if i < 999 else []} for i in range(1000)]
    records = memory.write(chain)
    assert records[0].text == "t999" and records[-1].parents == (records[-2].id,)


@pytest.mark.parametrize("items", [[], None, 5, b"abc", "", [None], [5], {}, object()])
def test_items_that_are_none_are_refused(memory, items):
    with pytest.raises(InvalidInput):
        memory.write(items)
    assert memory.ledger() == []


@pytest.mark.parametrize(
    "id", ["", "nobody", "0198f0c2-0000-7000-8000-000000000000", "%", "\ud800", None, 5, b"x", "a\x00"]
)
def test_an_id_that_nobody_has_is_unknown_in_one_line(memory, id):
    memory.write("before")
    for verb in (
        memory.get,
        memory.history,
        lambda id: memory.revise(id, "x"),
        lambda id: memory.hold(id, reason="x"),
        lambda id: memory.release(id, reason="x"),
        lambda id: memory.forget([id], reason="x"),
        lambda id: memory.preview([id]),
    ):
        with pytest.raises(DelibleError) as refused:
            verb(id)
        assert isinstance(refused.value, UnknownId) and "\n" not in str(refused.value)
    assert len(memory.ledger()) == 1


WHERE = {
    "a word": "kind=note",
    "a list": [("kind", "note")],
    "an unknown name": {"colour": "red"},
    "a name that is none": {5: 1},
    "an unknown comparison": {"kind": {"like": "n%"}},
    "no condition": {"kind": {}},
    "a list where there is one value": {"kind": ["a"]},
    "one value where there is a list": {"kind": {"in": "abc"}},
    "an object": {"kind": object()},
    "a quote in a path": {'meta.a"b': 1},
    "an empty path": {"meta.": 1},
    "a double dot": {"meta.a..b": 1},
    "a surrogate": {"author": "\ud800"},
    "a surrogate in a path": {"meta.\ud800": 1},
    "a time that is none": {"happened": {"gte": "soon"}},
    "a number for expired": {"expired": 1},
    "more names than fit": {f"meta.a{i}": 1 for i in range(101)},
    "more values than fit": {"kind": {"in": [str(i) for i in range(10_001)]}},
}


@pytest.mark.parametrize("name", WHERE)
def test_a_filter_that_means_nothing_is_refused_by_every_verb_that_takes_one(memory, name, tmp_path):
    memory.write("before")
    for verb in (
        lambda where: memory.list(where=where),
        lambda where: memory.recall("before", where=where),
        lambda where: memory.forget(where=where, reason="x"),
        lambda where: memory.preview(where=where),
        lambda where: memory.export(tmp_path / "out.zip", where=where),
    ):
        with pytest.raises(InvalidInput) as refused:
            verb(WHERE[name])
        assert "\n" not in str(refused.value)
    assert len(memory.list()) == 1 and not (tmp_path / "out.zip").exists()


def test_what_a_forget_is_given_must_say_what(memory):
    memory.write("before", reference="r")
    for given in ({}, {"ids": []}, {"ids": 5}, {"ids": ["a"], "where": {}}, {"source": ""}, {"source": "\ud800"}):
        with pytest.raises(InvalidInput):
            memory.forget(**given, reason="x")
    for reason in ("", " ", None, "a\x00"):
        with pytest.raises(InvalidInput):
            memory.forget(source="r", reason=reason)
    with pytest.raises(InvalidInput):
        memory.forget(source="r", reason="x", reach="all")
    assert len(memory.list()) == 1


def test_numbers_that_count_nothing_are_refused(memory):
    for verb in (
        lambda: memory.list(limit=-1),
        lambda: memory.list(limit=1.5),
        lambda: memory.list(held="yes"),
        lambda: memory.context("x", max_tokens=-5),
    ):
        with pytest.raises(InvalidInput):
            verb()


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf"), "5", None, True, 10**12])
def test_a_timeout_that_is_none_is_refused(opened, folder, timeout):
    with pytest.raises(InvalidInput, match="seconds"):
        opened(timeout=timeout)
    assert not folder.exists()


def test_an_unknown_encoder_is_refused_with_the_possible_ones(opened):
    with pytest.raises(InvalidInput, match="'minilm'"):
        opened(encoder="gpt").write("x")
    with pytest.raises(InvalidInput, match="no encoder"):
        opened(encoder=object())


def test_a_channel_is_checked_where_it_is_given(memory):
    with pytest.raises(UnknownField):
        memory.write("x", channel=["user"])
