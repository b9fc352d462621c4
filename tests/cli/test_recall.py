import re


def test_a_question_finds_its_evidence(shell):
    shell.write("Ann likes green tea.", "The lathe cost 340 euros.", "--author", "Jonas", "--happened", "2026-03-14")
    done = shell("recall", "How much did the lathe cost?", "-k", 1)
    assert "The lathe cost 340 euros." in done.stdout
    assert "2026-03-14" in done.stdout and "Jonas" in done.stdout and "trust 0.90" in done.stdout
    assert re.search(r"score -?\d+\.\d\d", done.stdout)
    assert "1 hit" in done.stderr and max(map(len, done.stdout.splitlines())) <= 80


def test_every_hit_has_the_documented_fields(shell):
    (id,) = shell.write("The lathe cost 340 euros.")
    (answer,) = shell.json("recall", "lathe")
    (hit,) = answer["hits"]
    assert hit["rank"] == 1 and hit["id"] == id and hit["parts"] and isinstance(hit["score"], float)
    span = hit["evidence"]
    assert hit["record"]["text"][span["start"] : span["end"]] == span["text"]
    assert isinstance(answer["notes"], list)


def test_explain_shows_what_a_score_is_made_of(shell):
    shell.write("The lathe cost 340 euros.")
    (answer,) = shell.json("recall", "lathe")
    shown = shell("recall", "lathe", "--explain").stdout
    assert all(name in shown for name in answer["hits"][0]["parts"])


def test_a_filter_and_a_range_limit_what_is_found(shell):
    shell.write("Tea in January.", "--happened", "2026-01-05", "--kind", "fact")
    shell.write("Tea in March.", "--happened", "2026-03-05")
    texts = lambda *options: [hit["record"]["text"] for hit in shell.json("recall", "tea", *options)[0]["hits"]]  # noqa: E731
    assert texts("--where", "kind=fact") == ["Tea in January."]
    assert texts("--happened", "2026-03-01..2026-03-31") == ["Tea in March."]
    assert texts("--where", "trust>=0.95") == []


def test_an_empty_memory_says_so(shell):
    shell.write("Something.")
    shell("forget", *shell.json("list")[0]["id"].split(), "--reason", "test")
    done = shell("recall", "anything")
    assert done.stdout == "" and "note:" in done.stderr
    assert shell.json("recall", "anything")[0]["notes"]


def test_an_unknown_field_names_the_nearest(shell):
    shell.write("Tea.")
    assert "'kind'" in shell("recall", "tea", "--where", "knd=note", code=2).stderr


def test_a_question_may_come_from_a_pipe(shell):
    shell.write("The lathe cost 340 euros.")
    assert "340" in shell("recall", "-", input="lathe\n").stdout


def test_recall_as_of_a_time_gives_what_was_true_then(shell):
    (id,) = shell.write("We open on the 9th of May.")
    written = shell.json("show", id)[0]["written"]
    shell("revise", id, "We open on the 23rd of May.", "--reason", "late")
    then = shell.json("recall", "open May", "--as-of", written)[0]["hits"]
    now = shell.json("recall", "open May")[0]["hits"]
    assert [hit["record"]["text"] for hit in then] == ["We open on the 9th of May."]
    assert [hit["record"]["text"] for hit in now] == ["We open on the 23rd of May."]


def test_context_is_a_block_for_a_prompt(shell):
    (id,) = shell.write("The lathe cost 340 euros.", "--happened", "2026-03-14")
    block = shell("context", "lathe", "--max-tokens", 200).stdout
    assert "340" in block and "2026-03-14" in block
    assert shell.json("context", "lathe", "--max-tokens", 200)[0]["context"].strip() == block.strip()
    assert id[-8:] in block


def test_a_space_is_recalled_alone(shell):
    shell.write("Tea for Ann.", "--space", "user/ann")
    shell.write("Tea for Ben.", "--space", "user/ben")
    found = shell.json("recall", "tea", "--space", "user/ann")[0]["hits"]
    assert [hit["record"]["space"] for hit in found] == ["user/ann"]
    assert len(shell.json("recall", "tea", "-s", "user/**")[0]["hits"]) == 2
