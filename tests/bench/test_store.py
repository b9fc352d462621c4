"""The bench of the store at a tiny size: it measures, judges, writes its result and goes on where it was cut off."""

import json

import pytest

from delible.bench import store
from delible.bench.results import load
from delible.bench.store import Scale, run
from delible.core.errors import InvalidInput

pytestmark = pytest.mark.xdist_group("bench")
TINY = Scale(small=40, large=80, spaces=4, writes=4, questions=8, moments=2, single=2, many=5, starts=1)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A whole run with the hash encoder, and what it left."""
    place = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(store.SCALES, "tiny", TINY)
        patch.setattr(store, "ENCODER", "hash")
        code = run(None, place / "out", "tiny", work=place / "work")
        yield place, code, patch


@pytest.mark.slow
def test_every_target_is_judged_and_the_code_is_the_exit_code(measured):
    place, code, _ = measured
    result = load("store", place / "out")
    assert all(target.measured is not None for target in result.targets) and len(result.targets) == len(store.TARGETS)
    assert code == (0 if result.held else 1)
    assert {"scale": "tiny", "small": 40}.items() <= result.options.items() and result.n["questions"] == 8


@pytest.mark.slow
def test_forgotten_texts_are_looked_for_and_none_is_left(measured):
    figures = load("store", measured[0] / "out").figures
    assert figures["looked_for_pieces"] > 100 and figures["left_pieces"] == 0 and figures["forget_unconfirmed"] == 0
    assert figures["found_large"] == 1.0


@pytest.mark.slow
def test_a_table_has_a_row_for_each_system(measured):
    tables = {table.key: table for table in load("store", measured[0] / "out").tables}
    assert set(tables) == {"targets", "small", "large", "spaces"}
    assert [row[0] for row in tables["large"].rows] == ["Delible"] and "0 of 2" in tables["large"].rows[0]


@pytest.mark.slow
def test_a_run_that_was_cut_off_goes_on_with_the_phase_that_is_missing(measured, capsys):
    place = measured[0]
    file = place / "work" / "store-tiny" / "phases.json"
    journal = json.loads(file.read_text("utf-8"))
    before = journal["phases"].pop("forget")
    file.write_text(json.dumps(journal), "utf-8")
    assert run(None, place / "out", "tiny", resume=True, work=place / "work") in (0, 1)
    after = json.loads(file.read_text("utf-8"))["phases"]
    assert after["small"] == journal["phases"]["small"] and after["forget"]["forget_many"] != before["forget_many"]
    assert "going on after fill_small" in capsys.readouterr().out


def test_a_scale_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="smoke, scaled, full"):
        run(None, tmp_path, "huge", work=tmp_path)
    assert list(tmp_path.iterdir()) == []
