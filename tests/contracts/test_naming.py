"""One method is four files of one name; folders are shallow; files are short."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 600  # lines; ours: what is longer holds more than one idea
FRONT_DOOR = 900  # lines of memory.py, which has every verb twice (for threads and for a loop), with its docstring
DEEPEST = 2  # folders below delible/
IDEA = 8  # words of a card's idea


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"), str(file))


def card(tree: ast.Module) -> dict[str, str] | None:
    """The fields of the module's CARD literal, or None: read, never imported."""
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="CARD")], value=ast.Call(keywords=fields)):
                return {field.arg or "**": ast.literal_eval(field.value) for field in fields}
    return None


def methods(root: Path) -> dict[Path, dict[str, str]]:
    files = sorted((root / "delible").rglob("*.py"))
    cards = {file: card(parsed(file)) for file in files if "reproductions" not in file.parts}
    return {file: fields for file, fields in cards.items() if fields is not None}


def complaints(root: Path) -> list[str]:
    """What the names of the tree under `root` get wrong, one line each."""
    return [*_cards(root), *_shape(root)]


def _cards(root: Path) -> Iterator[str]:
    package = root / "delible"
    cards = methods(root)
    modules = {file.relative_to(root).with_suffix("").as_posix().replace("/", ".") for file in cards}
    for file, fields in cards.items():
        where, stem = file.relative_to(root), file.stem
        room = file.relative_to(package).parts[0]
        if fields.get("slug", "").replace("-", "_") != stem:
            yield f"{where}: the card's slug is {fields.get('slug')!r}"
        if fields.get("room") != room:
            yield f"{where}: the card's room is {fields.get('room')!r}"
        if len(fields.get("idea", "").split()) > IDEA:
            yield f"{where}: the card's idea has more than {IDEA} words"
        for other in (
            f"tests/{room}/test_{stem}.py",
            f"delible/reproductions/{stem}.py",
            f"delible/reproductions/results/{stem}.json",
        ):
            if not (root / other).is_file():
                yield f"{where}: {other} is missing"
        for name in sorted(imported(parsed(file)) & modules):
            yield f"{where}: a method imports another, {name}"
    slugs = [fields.get("slug", "") for fields in cards.values()]
    yield from (
        f"two cards have the slug {slug!r}" for slug in sorted({slug for slug in slugs if slugs.count(slug) > 1})
    )
    for result in sorted((package / "reproductions" / "results").glob("*.json")):
        if not (package / "reproductions" / f"{result.stem}.py").is_file():
            yield f"{result.relative_to(root)}: nothing reproduces it"


def _shape(root: Path) -> Iterator[str]:
    package = root / "delible"
    for file in sorted(package.rglob("*.py")):
        where = file.relative_to(root)
        if file.stem in {"util", "utils", "helpers", "misc", "common"}:
            yield f"{where}: what is shared has a name of its own"
        if len(file.relative_to(package).parts) - 1 > DEEPEST:
            yield f"{where}: folders go {DEEPEST} deep"
        lines = len(file.read_text("utf-8").splitlines())
        limit = FRONT_DOOR if file == package / "memory.py" else LONGEST
        if lines > limit:
            yield f"{where}: {lines} lines, more than {limit}"


def imported(tree: ast.Module) -> set[str]:
    """Dotted names that a module imports, both `a.b` and `a.b.c` of `from a.b import c`."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                names |= {alias.name for alias in aliases}
            case ast.ImportFrom(module=str(module), names=aliases):
                names |= {module, *(f"{module}.{alias.name}" for alias in aliases)}
    return names


def test_names_and_sizes_of_the_house_are_right():
    assert complaints(ROOT) == []


METHOD = '''"""A method."""

CARD = Card(slug="gs-lora", title="T", arxiv="2501.09705", room="unlearning", claim="C", idea="adapters forget")
'''
FOUR = {
    "delible/unlearning/gs_lora.py": METHOD,
    "delible/reproductions/gs_lora.py": "",
    "delible/reproductions/results/gs_lora.json": "{}",
    "tests/unlearning/test_gs_lora.py": "",
}


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


def test_a_method_of_four_files_passes(tmp_path):
    assert complaints(tree(tmp_path, FOUR)) == []


@pytest.mark.parametrize("missing", [name for name in FOUR if name != "delible/unlearning/gs_lora.py"])
def test_a_method_without_one_of_its_files_is_found(tmp_path, missing):
    found = complaints(tree(tmp_path, {name: text for name, text in FOUR.items() if name != missing}))
    assert any(missing.split("/", 1)[1] in line for line in found)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("delible/unlearning/rna.py", METHOD, "the card's slug is 'gs-lora'"),
        ("delible/continual/gs_lora.py", METHOD, "the card's room is 'unlearning'"),
        (
            "delible/unlearning/gs_lora.py",
            METHOD.replace("adapters forget", "one two three four five six seven eight nine"),
            "8 words",
        ),
        ("delible/unlearning/gs_lora.py", METHOD + "from delible.unlearning import gs_lora\n", "imports another"),
        ("delible/store/utils.py", "", "a name of its own"),
        ("delible/a/b/c/deep.py", "", "folders go 2 deep"),
        ("delible/store/long.py", "x = 1\n" * (LONGEST + 1), "601 lines"),
        ("delible/reproductions/results/lost.json", "{}", "nothing reproduces it"),
    ],
)
def test_a_wrong_name_or_size_is_found(tmp_path, name, text, said):
    assert any(said in line for line in complaints(tree(tmp_path, FOUR | {name: text})))
