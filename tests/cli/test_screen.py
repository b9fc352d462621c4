from datetime import UTC, datetime

from delible.cli.screen import clean, columns, short, stamp, table, wrapped


def test_what_a_terminal_would_obey_is_written_out():
    assert clean("a\x1b[31mred\x9b0m\u202egnp.exe") == "a\\x1b[31mred\\x9b0m\\u202egnp.exe"


def test_ordinary_text_of_any_script_is_left_alone():
    text = "line\n\tשלום नमस्ते 北京 e\u0301 👩‍👩‍👧"
    assert clean(text) == text


def test_wide_characters_take_two_columns():
    assert columns("北京") == 4
    assert columns("e\u0301") == 1


def test_long_text_is_folded_to_80_columns():
    lines = wrapped("many words " * 30 + "x" * 200 + "北京" * 100, indent="    ", first="  > ").split("\n")
    assert max(columns(line) for line in lines) <= 80
    assert lines[0].startswith("  > many") and lines[1].startswith("    many")


def test_folding_loses_no_character():
    text = "x" * 200 + " " + "北京" * 100
    assert "".join(wrapped(text).split()) == "".join(text.split())


def test_the_beginning_of_a_text_fits_its_room():
    assert short("one\ntwo   three", 20) == "one two three"
    assert short("北京" * 30, 11) == "北京北京..."
    assert columns(short("a long text of many words", 10)) <= 10


def test_times_are_short_and_exact_where_asked():
    assert stamp(datetime(2026, 3, 14, 9, 30, tzinfo=UTC), UTC) == "2026-03-14 09:30"
    assert stamp(datetime(2026, 3, 14, tzinfo=UTC), UTC) == "2026-03-14"
    assert stamp(datetime(2026, 3, 14, tzinfo=UTC), UTC, exact=True) == "2026-03-14 00:00:00"
    assert stamp(None, UTC) == "no date"


def test_a_table_in_a_pipe_is_plain_and_narrow(capsys):
    table(("space", "records"), [("user/" + "long" * 40, 12), ("[bold]main[/bold]", 3)], right=(1,))
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 and "\x1b" not in line for line in lines)
    assert lines[-1].startswith("[bold]main[/bold]")
