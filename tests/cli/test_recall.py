import re
from dataclasses import replace

import delible
from delible.cli.recall import breakdown, legend


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


def test_explain_shows_what_a_score_is_made_of_in_columns_and_what_each_part_says(shell):
    shell.write("The lathe cost 340 euros.", "Maya found the lathe in Porto.")
    shell.write("Jonas repairs clocks in the old town hall.", "--author", "Jonas")
    (answer,) = shell.json("recall", "Where was the lathe?")
    shown = shell("recall", "Where was the lathe?", "--explain").stdout.splitlines()
    first, *others = answer["hits"]
    at = next(at for at, line in enumerate(shown) if line.split()[:2] == list(first["parts"])[:2])
    names, values = shown[at], shown[at + 1]
    assert names.split() == list(first["parts"])[: len(names.split())]
    assert values.split() == [f"{value:.2f}" for value in first["parts"].values()][: len(names.split())]
    assert [found.end() for found in re.finditer(r"\S+", names)] == [
        found.end() for found in re.finditer(r"\S+", values)
    ]
    assert sum(line == names for line in shown) == len(others) + 1
    legend = shown[len(shown) - shown[::-1].index("") :]
    assert [line.split()[0] for line in legend] == list(
        dict.fromkeys(name for hit in answer["hits"] for name in hit["parts"])
    )
    assert all(len(line.split()) > 3 and "added by a ranker" not in line for line in legend)
    assert max(map(len, shown)) <= 80


def test_parts_of_any_name_and_number_are_shown_in_their_order_within_the_screen(tmp_path):
    with delible.open(tmp_path, encoder="hash") as memory:
        memory.write("The lathe cost 340 euros.")
        [hit] = memory.recall("lathe")
    parts = {f"part-{number}": number - 7.5 for number in range(15)}
    hit = replace(hit, parts=parts)
    lines = breakdown(hit).splitlines()
    assert [name for line in lines[::2] for name in line.split()] == list(parts)
    assert [float(value) for line in lines[1::2] for value in line.split()] == list(parts.values())
    assert max(map(len, [*lines, *legend([hit]).splitlines()])) <= 80
    assert breakdown(replace(hit, parts={})) == legend([]) == ""


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
