"""`python -m delible.bench.render [--check]`: fill the tables of README.md and docs from the recorded results."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from delible.bench.code import PACKAGE
from delible.bench.results import FOLDER, render, say, state


def main(arguments: Sequence[str]) -> int:
    """Exit code: 1 when `--check` finds a file that does not show what was recorded."""
    check = "--check" in arguments
    changed = render(check)
    for file in changed:
        say(f"{file.relative_to(PACKAGE.parent)}: {'differs from the results' if check else 'filled'}")
    for result in sorted(FOLDER.glob("*.json")):
        say(f"{result.stem}: {state(result.stem)}")
    if check and changed:
        say("to fill them: python -m delible.bench.render")
    return int(check and bool(changed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
