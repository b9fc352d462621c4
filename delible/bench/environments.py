"""An environment for each system that ours is compared with: made once in the user's cache, pinned, telemetry off."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PINS: Mapping[str, tuple[str, ...]] = {
    "mem0": ("mem0ai==2.2.1", "qdrant-client==1.20.0", "numpy==2.4.6"),
    "langgraph": (
        "langgraph-checkpoint-sqlite==3.1.2",
        "sqlite-vec==0.1.9",
        "pysqlite3-binary==0.5.4.post2",
        "numpy==2.4.6",
    ),
    "chroma": ("chromadb==1.5.9", "numpy==2.4.6"),
}
NO_TELEMETRY = {
    "MEM0_TELEMETRY": "False",
    "ANONYMIZED_TELEMETRY": "False",
    "DO_NOT_TRACK": "1",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "HF_HUB_OFFLINE": "1",
}


class NotInstalled(Exception):
    """The environment could not be made; the message has the installer's last line."""


def python_of(system: str, folder: Path) -> Path:
    """The Python of the system's environment under `folder`, made when missing. Raises NotInstalled."""
    pins = PINS[system]
    mark = hashlib.sha256(" ".join((*pins, *map(str, sys.version_info[:2]))).encode()).hexdigest()[:8]
    home = folder / f"{system}-{mark}"
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    stamp = home / "installed"
    if stamp.is_file():
        return python
    shutil.rmtree(home, ignore_errors=True)
    for command in (
        [sys.executable, "-m", "venv", str(home)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", *pins],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
            raise NotInstalled(said[-1][:200] if said else f"exit code {done.returncode}")
    stamp.write_text(" ".join(pins), "utf-8")
    return python


def variables(home: Path) -> dict[str, str]:
    """Environment variables of a peer's process: nothing of the user's but the search path; its home is `home`."""
    home.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "MEM0_DIR": str(home / "mem0"),
    } | NO_TELEMETRY
