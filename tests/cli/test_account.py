import pytest


def test_the_ledger_lists_what_was_done_and_no_text(shell):
    (id,) = shell.write("A canary sings in the cellar.")
    shell("recall", "canary")
    events = shell.json("ledger")
    assert "write" in {event["verb"] for event in events} and any(id in event["ids"] for event in events)
    assert all(event["hash"] for event in events)
    for shown in (shell("ledger"), shell("ledger", "--json")):
        assert "cellar" not in shown.output and "write" in shown.stdout
    assert max(map(len, shell("ledger").stdout.splitlines())) <= 80


def test_the_ledger_goes_on_where_it_stopped(shell):
    shell.write("One.")
    shell.write("Two.")
    first = shell("ledger", "--limit", 1)
    seq = shell.json("ledger", "--limit", 1)[0]["seq"]
    assert f"ledger --after {seq}" in first.stderr
    assert shell.json("ledger", "--after", seq)[0]["seq"] > seq


def test_a_sound_memory_verifies(shell):
    shell.write("Tea.")
    done = shell("verify")
    assert "holds" in done.stdout and "BROKEN" not in done.stdout
    (report,) = shell.json("verify")
    assert report["holds"] and all(set(f) == {"code", "ok", "detail", "advice"} for f in report["findings"])
    (chain,) = shell.json("ledger", "--verify")
    assert chain["holds"] and chain["findings"]


def test_a_changed_ledger_is_found_and_the_exit_code_is_1(shell):
    import apsw

    shell.write("Tea.")
    with apsw.Connection(str(shell.path / "store.db")) as connection:
        connection.execute("UPDATE events SET actor = 'somebody else' WHERE seq = 1")
    connection.close()
    done = shell("verify", code=1)
    assert "BROKEN" in done.stdout and "Next:" in done.stderr
    assert shell.json("ledger", "--verify", code=1)[0]["holds"] is False


def test_a_file_that_is_no_database_is_corrupt(shell):
    shell.write("Tea.")
    (shell.path / "store.db").write_bytes(b"not a database" * 1000)
    done = shell("list", code=1)
    assert done.stderr.startswith("error:") and done.stdout == ""


def test_compact_gives_its_figures(shell):
    shell.write("Tea.")
    (figures,) = shell.json("compact")
    assert figures["before"] > 0 and figures["after"] > 0
    assert "bytes" in shell("compact").stdout


def test_an_archive_restores_a_memory_elsewhere(shell, tmp_path):
    shell.write("Tea for Ann.", "Tea for Ben.")
    archive, other = tmp_path / "tea.zip", tmp_path / "other.mem"
    (written,) = shell.json("export", archive)
    assert written["bytes"] == archive.stat().st_size and written["records"] == 2
    (report,) = shell.json("load", archive, "-p", other)
    assert report["records"] == 2 and report["refused"] == []
    assert {record["text"] for record in shell.json("list", "-p", other)} == {"Tea for Ann.", "Tea for Ben."}


def test_one_persons_records_can_be_exported(shell, tmp_path):
    shell.write("Tea for Ann.", "--author", "Ann")
    shell.write("Tea for Ben.", "--author", "Ben")
    shell("export", tmp_path / "ann.zip", "--where", "author=Ann")
    shell("load", tmp_path / "ann.zip", "-p", tmp_path / "ann.mem")
    assert [record["text"] for record in shell.json("list", "-p", tmp_path / "ann.mem")] == ["Tea for Ann."]


def test_chats_of_other_programs_are_loaded(shell, tmp_path):
    chat = tmp_path / "chat.jsonl"
    chat.write_text(
        '{"role": "user", "content": "I like tea.", "name": "Ann"}\n{"role": "assistant", "content": "Noted."}\n'
    )
    shell("load", chat, "--from", "chat-jsonl")
    assert {record["source"]["channel"] for record in shell.json("list")} == {"import"}


def test_a_file_that_is_nothing_is_refused(shell, tmp_path):
    (tmp_path / "noise.bin").write_bytes(b"\x00\x01" * 100)
    assert shell("load", tmp_path / "noise.bin", code=2).stderr.startswith("error:")
    assert shell("load", tmp_path / "absent.zip", code=2).stderr.startswith("error:")


def test_the_encoder_is_shown_and_can_be_changed(shell):
    shell.write("Tea.", "Coffee.")
    assert "hash" in shell("encoder").stdout and shell.json("encoder", "show")[0]["name"] == "hash"
    del shell.env["DELIBLE_ENCODER"]
    shell("encoder", "use", "hash:128")
    assert "128" in shell("encoder", "show").stdout
    assert shell.json("recall", "tea")[0]["hits"]


@pytest.mark.parametrize("command", ["store", "crash"])
def test_the_benches_have_their_help(shell, command):
    assert "--resume" in shell("bench", command, "--help").stdout


@pytest.mark.parametrize(
    ("command", "options"),
    [(name, {"--data", "--transfer", "--peers"}) for name in ("locomo", "realtalk", "beam")]
    + [("prompts", {"--data", "--set", "--peers"}), ("refusals", {"--data", "--out"})],
)
def test_the_benches_of_evidence_say_what_else_they_measure(shell, command, options):
    assert options <= set(shell("bench", command, "--help").stdout.split())


def test_prompts_of_an_unknown_set_are_refused(shell):
    assert "no set 'atlantis'" in shell("bench", "prompts", "--set", "atlantis", code=2).stderr
