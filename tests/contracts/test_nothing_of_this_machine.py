"""Nothing committed names a path of the machine it was written on, or a package registry."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# In pieces, or this file would be the first to be found.
MACHINE = re.compile(
    rb"(?<![\w.*~-])/(?:" + rb"|".join([b"wo" + b"rk", b"fa" + b"rm", b"ro" + b"ot", b"ho" + b"me/\\w+"]) + rb")/\w"
)
REGISTRY = re.compile(
    rb"py"
    + rb"pi\.org|python"
    + rb"hosted\.org|download\.py"
    + rb"torch\.org|conda\.ana"
    + rb"conda|registry\.npm"
    + rb"js",
    re.IGNORECASE,
)


def committed() -> list[Path]:
    """Files that git has or would add; in an sdist, which has no git, all files."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode == 0 and listed.stdout:
        return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]
    return [
        file
        for file in ROOT.rglob("*")
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(ROOT).parts)
    ]


def named(data: bytes) -> list[bytes]:
    return [match.group() for pattern in (MACHINE, REGISTRY) for match in pattern.finditer(data)]


def test_no_committed_file_names_this_machine_or_a_registry():
    found = {file.relative_to(ROOT).as_posix(): named(file.read_bytes()) for file in committed()}
    assert {name: hits for name, hits in found.items() if hits} == {}


@pytest.mark.parametrize(
    ("data", "hits"),
    [
        (b"see /wo" + b"rk/main/x.py", 1),
        (b"https://py" + b"pi.org/simple", 1),
        (b"user/alice/work/notes is a space", 0),
        (b"../shared/data and ~/ro" + b"ot/x", 0),
    ],
)
def test_a_machine_path_or_registry_is_found(data, hits):
    assert len(named(data)) == hits
