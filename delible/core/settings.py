"""Settings from the environment (`DELIBLE_*`); arguments win over them."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _cache_home() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "delible"


class Settings(BaseSettings):
    """What the environment may set. `encoder` as in `delible.open`; `cache` holds the encoder's graph, no record."""

    model_config = SettingsConfigDict(env_prefix="DELIBLE_", extra="ignore")

    path: str = "agent.mem"
    space: str | None = None
    encoder: str | None = None
    timezone: str = "UTC"
    cache: Path = Field(default_factory=_cache_home)
    threads: int = Field(default=0, ge=0, description="threads of the encoder; 0: as many as cores")


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
