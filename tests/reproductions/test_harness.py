"""A reproduction is judged by its own bounds, over seeds, and shows nothing where the method is not needed."""

import json
from dataclasses import replace
from types import ModuleType

import pytest

from delible.bench.results import Result
from delible.core.cards import cards
from delible.core.errors import InvalidInput, UnknownField
from delible.core.expect import Expect
from delible.reproductions import harness
from delible.reproductions.harness import Setup, keep, parse_options, parse_seeds, reproduce, state

MODULE = "delible.reproductions.memreranker"  # whose code the results of these tests are said to come from


def grow(setup, *, rate: float = 2.0, steps: int = 1, start: str = "low", on: bool = True):
    """Without `on` nothing grows."""
    return {"size": 1 + setup.seed + (rate * steps if on else 0.0), "seen": 1.0}


def reproduction(bound=3.0):
    module = ModuleType(MODULE)
    module.EXPECT, module.CONTROL = [Expect("size", ">=", bound, "ours")], {"on": False}
    module.measure = grow
    return module


def test_every_seed_is_measured_with_the_method_and_without():
    result = reproduce(reproduction(), seeds=[0, 4])
    tables = {table.key: table.rows for table in result.tables}
    assert tables["seeds"][0] == ("size", 3.0, 7.0) and tables["control"][0] == ("size", 1.0, 5.0)
    assert result.figures["size"] == 5.0 and result.options["seeds"] == [0, 4]


def test_a_bound_that_is_kept_where_the_control_misses_it_holds():
    result = reproduce(reproduction(), seeds=[0, 1])
    assert result.held and result.figures["control misses"] == 1


def test_a_bound_that_is_missed_does_not_hold():
    assert not reproduce(reproduction(bound=99.0), seeds=[0]).held


def test_a_control_that_holds_as_well_shows_nothing():
    result = reproduce(reproduction(bound=0.5), seeds=[0])
    assert result.targets[0].held and not result.targets[-1].held and not result.held


def test_a_smoke_is_not_judged():
    result = reproduce(reproduction(bound=99.0), scale="smoke")
    assert result.targets == () and result.held and result.n == {"seeds": 1}


def test_rows_beside_show_the_mean_of_the_seeds():
    module = reproduction()
    module.ROWS = {"grown": {"size": "size", "seen": "seen"}, "seen": {"seen": "seen"}}
    [rows] = [table for table in reproduce(module, seeds=[0, 1]).tables if table.key == "rows"]
    assert rows.columns == ("", "size", "seen")
    assert rows.rows == (("grown", "3.500", "1.000"), ("seen", "-", "1.000"))


def test_what_is_missed_is_recorded_with_its_reason():
    module = reproduction(bound=99.0)
    assert reproduce(module, seeds=[0]).notes == ("size: not explained yet",)
    module.REASONS = {"size": "seeds are small", "seen": "never missed"}
    assert reproduce(module, seeds=[0]).notes == ("size: seeds are small",)


def test_an_unknown_scale_is_refused():
    with pytest.raises(InvalidInput, match="smoke, scaled, full"):
        reproduce(reproduction(), scale="huge")


def test_only_a_claim_as_it_stands_is_recorded_beside_the_code(tmp_path, monkeypatch):
    monkeypatch.setattr(harness, "FOLDER", tmp_path / "results")
    assert keep(reproduce(reproduction(), scale="smoke"), None) is None
    assert keep(reproduce(reproduction(), seeds=[0], options={"rate": 3.0}), None) is None
    assert keep(reproduce(reproduction(), seeds=[0]), None) == tmp_path / "results" / "memreranker.json"
    assert keep(reproduce(reproduction(), scale="smoke"), tmp_path / "out") == tmp_path / "out" / "memreranker.json"


def test_a_result_has_the_environment_the_commit_and_the_hash_of_its_code(tmp_path):
    written = json.loads(keep(reproduce(reproduction(), seeds=[0]), tmp_path).read_text())
    assert written["environment"]["python"] and "commit" in written and len(written["code"]) == 64
    assert written["options"]["seeds"] == [0] and written["options"]["control"] == {"on": False}
    assert written["options"]["expect"][0]["source"] == "ours"


def test_a_card_is_not_measured_then_holds_or_does_not_and_is_stale_when_its_code_changed(tmp_path):
    def of(result: Result):
        keep(result, tmp_path)
        return state("memreranker", tmp_path)

    assert state("memreranker", tmp_path) == "not measured"
    assert of(reproduce(reproduction(bound=99.0), scale="smoke")) == "not measured"
    good = reproduce(reproduction(), seeds=[0])
    assert of(good) == "holds"
    assert of(reproduce(reproduction(bound=99.0), seeds=[0])) == "does not hold"
    assert of(replace(good, code="of another day")) == "stale"


def test_every_card_has_a_state(tmp_path):
    assert harness.states(tmp_path) == dict.fromkeys(cards(), "not measured")


@pytest.mark.parametrize(
    ("pair", "value"),
    [("rate=3", 3.0), ("rate=.5", 0.5), ("steps=4", 4), ("start=high", "high"), ("start=7", "7"), ("on=false", False)],
)
def test_options_take_the_type_of_their_default(pair, value):
    [given] = parse_options(reproduction(), [pair]).values()
    assert given == value and type(given) is type(value)


@pytest.mark.parametrize("pair", ["rate=fast", "steps=1.5", "steps=True", "on=1", "rate=", "rate=[1]"])
def test_an_option_of_another_type_is_refused(pair):
    with pytest.raises(InvalidInput, match=r"of the type (float|int|bool)"):
        parse_options(reproduction(), [pair])


@pytest.mark.parametrize("pair", ["size=3", "rate", "setup=1", "=3"])
def test_an_option_that_is_none_is_refused_by_those_that_are(pair):
    with pytest.raises(UnknownField, match="rate, steps, start, on"):
        parse_options(reproduction(), [pair])


@pytest.mark.parametrize(("text", "seeds"), [(None, None), ("0-2", [0, 1, 2]), ("7", [7]), ("0,3,7", [0, 3, 7])])
def test_seeds_are_a_range_or_a_list(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "2-0", "1,1", "one", "-3", "1.5"])
def test_other_seeds_are_refused(text):
    with pytest.raises(InvalidInput, match="--seeds takes"):
        parse_seeds(text)


def test_a_set_that_is_not_in_the_data_folder_is_named(tmp_path):
    (tmp_path / "locomo").mkdir()
    assert Setup(folder=tmp_path).data("locomo") == tmp_path
    with pytest.raises(InvalidInput, match="no 'tofu': say with --data"):
        Setup(folder=tmp_path).data("tofu")


def test_what_reproduces_a_card_is_found_by_its_slug():
    assert isinstance(harness.reproduction("memreranker"), ModuleType) and "harness" not in harness.reproductions()
    with pytest.raises(UnknownField, match=r"nothing reproduces 'ar-9'; one of .*memreranker"):
        harness.reproduction("ar-9")
