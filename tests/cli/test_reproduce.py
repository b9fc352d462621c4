"""`delible reproduce` and `delible cards`."""

import json

import pytest

from delible.core.cards import cards


def test_a_smoke_runs_without_data_and_records_nothing(shell):
    done = shell("reproduce", "memreranker", "--scale", "smoke")
    assert "1. above the rule" in done.stdout and "no neighbours" in done.stdout
    assert "nothing was recorded" in done.stderr and max(map(len, done.stdout.splitlines())) <= 80


def test_the_figures_go_where_they_are_wanted(shell, tmp_path):
    [given] = shell.json("reproduce", "memreranker", "--scale", "smoke", "--seeds", "3", "--set", "penalty=0.1",
                         "--out", tmp_path / "out")  # fmt: skip
    written = json.loads((tmp_path / "out" / "memreranker.json").read_text())
    assert given == written and written["options"]["set"] == {"penalty": 0.1} and written["options"]["seeds"] == [3]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ar-9",), "nothing reproduces 'ar-9'"),
        (("memreranker", "--scale", "huge"), "no scale 'huge'"),
        (("memreranker", "--seeds", "x"), "--seeds takes"),
        (("memreranker", "--set", "penalty=much"), "of the type float"),
        (("memreranker", "--set", "pace=1"), "of penalty, clip, shuffled"),
        (("memreranker", "--data", "nowhere"), "no 'locomo': say with --data"),
    ],
)
def test_what_cannot_be_measured_is_one_line(shell, arguments, said):
    done = shell("reproduce", *arguments, code=2)
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1 and said in done.stderr


def test_every_card_is_listed_with_its_state(shell):
    shown = shell.json("cards")
    assert [each["slug"] for each in shown] == list(cards())
    assert {each["state"] for each in shown} <= {"holds", "does not hold", "not measured", "stale"}
    assert "memreranker" in shell("cards").stdout
