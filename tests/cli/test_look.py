def test_show_has_text_source_lineage_and_validity(shell):
    (parent,) = shell.write("The minutes.", "--channel", "document", "--reference", "minutes.txt")
    (id,) = shell.write("Ann was there.", "--parent", parent, "--author", "Ben")
    shown = shell("show", id).stdout
    assert "Ann was there." in shown and "Ben" in shown and parent in shown and "until now" in shown
    assert "0.40" in shown and "lowest over its lineage" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_list_goes_on_where_it_stopped(shell):
    ids = shell.write("One thing.", "Two things.", "Three things.")
    first = shell("list", "--limit", 2)
    assert f"--after {ids[1]}" in first.stderr
    assert [record["id"] for record in shell.json("list", "--after", ids[1])] == [ids[2]]
    assert max(map(len, first.stdout.splitlines())) <= 80


def test_list_can_filter(shell):
    shell.write("A fact.", "--kind", "fact")
    shell.write("A note.")
    assert [record["text"] for record in shell.json("list", "--where", "kind=fact")] == ["A fact."]


def test_history_has_every_version(shell):
    (id,) = shell.write("We open on the 9th.")
    (new,) = shell("revise", id, "We open on the 23rd.", "--reason", "late").stdout.split()
    versions = shell.json("history", new)
    assert [version["id"] for version in versions] == [id, new]
    assert versions[0]["valid"]["until"] and versions[1]["valid"]["until"] is None
    assert "2 versions" in shell("history", id).stderr


def test_spaces_and_stats_are_tables(shell):
    shell.write("Tea for Ann.", "--space", "user/ann")
    spaces = {space["path"]: space for space in shell.json("spaces")}
    assert spaces["user/ann"]["records"] == 1
    assert "user/ann" in shell("spaces").stdout
    assert shell("stats").stdout and isinstance(shell.json("stats")[0], dict)


def test_an_unknown_id_is_refused(shell):
    shell.write("Tea.")
    for command in ("show", "history"):
        done = shell(command, "0193b2c4-0000-7000-8000-000000000000", code=2)
        assert done.stderr.startswith("error: no record") and done.stdout == ""
    assert "no record" in shell("revise", "nobody", "text", "--reason", "why", code=2).stderr


def test_what_is_not_there_is_not_made_by_looking(shell):
    for command in (["list"], ["recall", "tea"], ["verify"], ["spaces"], ["forget", "x", "--reason", "y"]):
        done = shell(*command, code=2)
        assert done.stderr.startswith("error: no memory") and done.stderr.count("\n") == 1
    assert not shell.path.exists()
