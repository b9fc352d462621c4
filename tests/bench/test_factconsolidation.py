"""Facts that overwrite each other: which contradict, which answers, and where old and new stand before and after."""

import gzip
import json

import pytest

from delible.bench.conversations import Facts
from delible.bench.factconsolidation import Target, claim_of, context_of, figures_of, run
from delible.bench.results import load
from delible.core.errors import InvalidInput

FACTS = (
    "Ana Sol was born in the city of Oslo.",
    "The author of Grey Tides is Bo Lund.",
    "Bo Lund is a citizen of Norway.",
    "Ana Sol is married to Bo Lund.",
    "Ana Sol was born in the city of Bergen.",
    "The pope is Francis.",
    "Bo Lund is a citizen of Chad.",
    "Cy Ek is a citizen of Chad.",
    "It rains.",
)
ONE_HOP = ("Which city was Ana Sol born in?", "Which country is Bo Lund a citizen of?", "Who wrote Blue Tides?")
ONE_HOP_ANSWERS = (["Bergen"], ["Chad"], ["Bo Lund"])
SEVERAL = ("What is the country of citizenship of the author of Grey Tides?",)


def context(name, questions, answers, facts=FACTS):
    listed = "\n".join(f"{number}. {fact}" for number, fact in enumerate(facts))
    return {
        "context": f"Here is a list of facts:\n{listed}",
        "questions": list(questions),
        "answers": list(answers),
        "metadata": {"source": f"factconsolidation_{name}"},
    }


def put(folder, *contexts):
    (folder / "factconsolidation").mkdir(parents=True)
    packed = gzip.compress(json.dumps(contexts).encode())
    (folder / "factconsolidation" / "conflict_resolution.json.gz").write_bytes(packed)
    return folder


def test_a_run_counts_what_is_contradicted_and_measures_before_and_after_revision(tmp_path, capsys):
    contexts = context("sh_tiny", ONE_HOP, ONE_HOP_ANSWERS), context("mh_tiny", SEVERAL, [["Chad"]])
    data = put(tmp_path / "data", *contexts)
    assert run(data, tmp_path / "out", encoder="hash") == 0
    result = load("factconsolidation", tmp_path / "out")
    assert dict(result.n) == {
        "facts": 9,
        "superseded": 2,
        "facts of no form": 1,
        "questions": 3,
        "left out": 1,
        "with an old one": 3,
    }
    figures = result.figures
    # Nine facts, so every recall of ten brings all that share a word: the newest is among them before and after.
    assert figures["one hop, told, at 10"] == figures["one hop, revised, at 10"] == 1.0
    # Once revised, no old fact can stand above.
    assert figures["one hop, revised, old above"] == figures["several hops, revised, old above"] == 0.0
    assert figures["one hop, revised, at 1"] == 1.0
    tables = {table.key: table for table in result.tables}
    assert tables["contexts"].rows == (("sh_tiny", 9, 2, 1, 3, 1, 2), ("mh_tiny", 9, 2, 1, 1, 0, 1))
    assert [row[:2] for row in tables["told"].rows] == [
        ("sh_tiny", 2), ("mh_tiny", 1), ("all, one hop", 2), ("all, several hops", 1)
    ]  # fmt: skip
    assert "Newest fact found, old revised" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fact", "subject", "object"),
    [
        ("The author of Grey Tides is Bo Lund.", "Grey Tides", "Bo Lund"),
        ("QuickTime was developed by Apple Inc..", "QuickTime", "Apple Inc."),
        ("The headquarters of University of Oslo is located in the city of Oslo.", "University of Oslo", "Oslo"),
        ("Jo Park is a citizen of United States of America.", "Jo Park", "United States of America"),
        ("Ana Sol's child is Bo Sol.", "Ana Sol", "Bo Sol"),
        ("The Prime Minister of Sweden is Ana Sol.", "Prime Minister of Sweden", "Ana Sol"),
    ],
)
def test_a_fact_is_read_by_the_form_that_it_has(fact, subject, object):
    claim = claim_of(fact)
    assert (claim.about[0], claim.object) == (subject, object)


def test_a_fact_of_no_form_and_facts_of_two_forms_contradict_nothing():
    assert claim_of("It rains.") is None
    assert claim_of("Ana Sol is married to Bo Lund.").about != claim_of("Ana Sol is a citizen of Chad.").about
    read = context_of(
        Facts("factconsolidation_sh_1k", ("Ana Sol is married to Bo.", "Ana Sol is famous for Bo."), (), ())
    )
    assert read.superseded == 0


def test_the_answer_is_the_newest_fact_at_the_end_of_the_shortest_way():
    told = Facts("factconsolidation_mh_1k", FACTS, (*ONE_HOP, *SEVERAL), (*map(tuple, ONE_HOP_ANSWERS), ("Chad",)))
    read = context_of(told)
    chad = Target("Bo Lund is a citizen of Chad.", frozenset({"Bo Lund is a citizen of Norway."}))
    born = Target("Ana Sol was born in the city of Bergen.", frozenset({"Ana Sol was born in the city of Oslo."}))
    # Nobody wrote Blue Tides. The newest fact that says "Chad" is about Cy Ek, whom no question names.
    assert read.targets == (born, chad, None, chad)
    assert (read.name, read.kind, read.superseded, read.unread) == ("mh_1k", "several hops", 2, 1)


def test_an_answer_that_only_an_old_fact_gives_has_no_target():
    read = context_of(Facts("factconsolidation_sh_1k", FACTS, ("Which city was Ana Sol born in?",), (("Oslo",),)))
    assert read.targets == (None,)


@pytest.mark.parametrize(
    ("texts", "figures"),
    [
        (["new", "old"], {"at 1": 1, "at 10": 1, "old above": 0}),
        (["other", "old", "new"], {"at 1": 0, "at 10": 1, "old above": 1}),
        (["other", "old"], {"at 1": 0, "at 10": 0, "old above": 1}),
        (["other", "new"], {"at 1": 0, "at 10": 1, "old above": 0}),
        (["other"], {"at 1": 0, "at 10": 0}),
        ([], {"at 1": 0, "at 10": 0}),
    ],
)
def test_an_old_fact_above_the_newest_counts_also_where_the_newest_is_missing(texts, figures):
    assert figures_of(texts, Target("new", frozenset({"old", "older"}))) == figures


def test_a_fact_that_is_told_again_after_its_opposite_is_revised_back(tmp_path):
    facts = (FACTS[0], FACTS[4], FACTS[0])
    data = put(tmp_path / "data", context("sh_tiny", ONE_HOP[:1], [["Oslo"]], facts))
    assert run(data, tmp_path / "out", encoder="hash") == 0
    result = load("factconsolidation", tmp_path / "out")
    assert result.n["superseded"] == 1 and result.figures["one hop, revised, at 1"] == 1.0


def test_a_set_of_which_no_question_is_answered_is_refused(tmp_path):
    data = put(tmp_path / "data", context("sh_tiny", ONE_HOP[2:], ONE_HOP_ANSWERS[2:]))
    with pytest.raises(InvalidInput, match="nothing was measured"):
        run(data, tmp_path / "out", encoder="hash")


def test_without_the_data_one_line_names_what_is_missing(tmp_path):
    with pytest.raises(InvalidInput, match=r"^no factconsolidation/\*\.json\.gz in the data folder.*$"):
        run(tmp_path, tmp_path / "out", encoder="hash")
    assert not (tmp_path / "out").exists()
