import pytest


def test_forgetting_prints_a_confirmed_receipt(shell):
    (id,) = shell.write("Viktor can be reached on 0151 555 0148.")
    done = shell("forget", id, "--reason", "he asked for it")
    assert "confirmed" in done.stdout and "NOT" not in done.stdout and "he asked for it" in done.stdout
    assert "passed" in done.stdout and "0148" not in done.stdout + done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    shell("show", id, code=2)


def test_the_receipt_is_kept(shell):
    (id,) = shell.write("Viktor can be reached on 0151 555 0148.")
    (receipt,) = shell.json("forget", id, "--reason", "he asked for it")
    assert receipt["confirmed"] and receipt["removed"] and all(check["passed"] for check in receipt["checks"])
    assert [kept["id"] for kept in shell.json("receipts")] == [receipt["id"]]
    assert shell.json("receipts", receipt["id"]) == [receipt]
    assert receipt["id"] in shell("receipts").stdout and "checks:" in shell("receipts", receipt["id"]).stdout
    shell("receipts", "none", code=2)


def test_a_dry_run_changes_nothing_and_binds_the_forget(shell):
    (parent,) = shell.write("Viktor lives in Rose Lane 8.", "--author", "Viktor")
    (child,) = shell.write("Viktor gives us machines.", "--parent", parent)
    (other,) = shell.write("Viktor lives in Rose Lane, said Mara.", "--author", "Mara")
    (preview,) = shell.json("forget", "--where", "author=Viktor", "--dry-run")
    assert set(preview["ids"]) == {parent, child}
    shown = shell("forget", "--where", "author=Viktor", "--dry-run")
    assert preview["digest"] in shown.stdout and child in shown.stdout and other not in preview["ids"]
    assert len(shell.json("list")) == 3
    (more,) = shell.write("Viktor has a broken bell.", "--author", "Viktor")
    stale = shell("forget", "--where", "author=Viktor", "--preview", preview["digest"], "--reason", "x", code=2)
    assert stale.stderr.startswith("error:") and shell.json("show", more)
    (fresh,) = shell.json("forget", "--where", "author=Viktor", "--dry-run")
    shell("forget", "--where", "author=Viktor", "--preview", fresh["digest"], "--reason", "he asked")
    assert [record["id"] for record in shell.json("list")] == [other]


def test_a_source_or_a_whole_space_can_be_forgotten(shell):
    shell.write("From a page.", "--reference", "page.html")
    shell.write("Tea for Ann.", "More tea for Ann.", "--space", "user/ann")
    shell.write("Tea for Ben.", "--space", "user/ben")
    shell("forget", "--source", "page.html", "--reason", "outdated")
    shell("forget", "--space", "user/ann", "--reason", "she left", "--yes")
    assert [record["text"] for record in shell.json("list", "-s", "**")] == ["Tea for Ben."]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--reason", "why"],
        ["ID"],
        ["ID", "--where", "kind=note", "--reason", "why"],
        ["ID", "--reach", "all", "--reason", "why"],
    ],
)
def test_an_unclear_request_is_refused(shell, arguments):
    (id,) = shell.write("Stays.")
    shell("forget", *[id if argument == "ID" else argument for argument in arguments], code=2)
    assert shell.json("show", id)


def test_a_space_in_the_environment_is_no_request_to_erase_it(shell):
    (id,) = shell.write("Stays.", "--space", "user/ann")
    shell.env["DELIBLE_SPACE"] = "user/ann"
    assert "name what to forget" in shell("forget", "--reason", "why", code=2).stderr
    assert shell.json("show", id)


class Terminal:
    """Makes the process look as if a person sat there."""

    def __init__(self, monkeypatch, answer):
        import typer

        monkeypatch.setattr("delible.cli.forget.person_present", lambda: True)
        monkeypatch.setattr(typer, "confirm", lambda question, err: answer)


def test_a_person_is_asked_before_more_than_one_record_goes(shell, monkeypatch):
    shell.write("One by Viktor.", "Two by Viktor.", "--author", "Viktor")
    Terminal(monkeypatch, answer=False)
    refused = shell("forget", "--where", "author=Viktor", "--reason", "why", code=2)
    assert "2 records" in refused.stderr and len(shell.json("list")) == 2
    Terminal(monkeypatch, answer=True)
    shell("forget", "--where", "author=Viktor", "--reason", "why")
    assert shell.json("list") == []


def test_one_record_goes_without_asking(shell, monkeypatch):
    (id,) = shell.write("Only one.")
    Terminal(monkeypatch, answer=False)
    shell("forget", id, "--reason", "why")


def test_what_was_forgotten_comes_back_only_after_a_release(shell):
    (id,) = shell.write("A text of more than five plain words.", "--channel", "tool")
    (receipt,) = shell.json("forget", id, "--reason", "why")
    again = shell("write", "A text of more than five plain words.", "--channel", "tool", code=2)
    assert receipt["id"] in again.stderr
    shell("quarantine", "release", receipt["id"], "--reason", "asked again")
    shell("write", "A text of more than five plain words.", "--channel", "tool")
