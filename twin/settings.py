"""Settings of one twin or gateway process: frozen, refuse unknown keys, passed in and never global."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from twin.errors import Fault, InvalidError

ENVIRONMENT_PREFIX = "QTWIN_"
URL_PREFIX = "/api/v1/digital-twin"


def default_config_dir() -> Path:
    """The shipped configuration: `twin/_config` in an installed wheel, `config` beside it in a checkout.

    Raises InvalidError when neither is there.
    """
    package = Path(__file__).resolve().parent
    for candidate in (package / "_config", package.parent / "config"):
        if candidate.is_dir():
            return candidate
    raise InvalidError(
        f"no configuration directory: looked for {package / '_config'} and {package.parent / 'config'}; "
        "reinstall qtwin, or pass config_dir"
    )


class Limits(BaseModel):
    """What one caller may ask for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_body_bytes: int = Field(default=16 * 2**20, gt=0)
    max_source_bytes: int = Field(default=2**20, gt=0, description="one circuit's source")
    max_json_shots: int = Field(default=4096, gt=0, description="shots of a session that answers in JSON")
    max_session_shots: int = Field(default=10_000_000, gt=0)
    max_live_sessions: int = Field(default=256, gt=0, description="sessions in memory; others rest on disk")
    login_attempts_per_minute: int = Field(default=10, gt=0, description="failed logins, per address and email")
    check_time_limit_s: float = Field(default=20.0, gt=0, description="parsing and transpiling one job")
    job_time_limit_s: float = Field(default=600.0, gt=0)
    worker_memory_bytes: int = Field(default=6 * 2**30, gt=0)
    max_job_attempts: int = Field(default=3, gt=0, description="runs of a job whose worker dies")


class Settings(BaseModel):
    """Everything that a twin (with its gateway, when it has one) is told from outside."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Path = Path("data")
    config_dir: Path | None = Field(default=None, description="None: the shipped one, copied to data_dir on write")
    config_read_only: bool = False
    database_url: str | None = Field(default=None, description="SQLAlchemy URL; None: SQLite in data_dir")

    admin_email: str = "admin@qcraft.local"
    admin_password: SecretStr | None = Field(default=None, description="None: one is generated, shown once")
    api_key: SecretStr | None = Field(default=None, description="gateway to twin; None: kept in data_dir")
    token_secret: SecretStr | None = Field(default=None, description="signs tokens; None: kept in data_dir")
    access_token_ttl_s: float = Field(default=900.0, gt=0)
    refresh_token_ttl_s: float = Field(default=14 * 86400.0, gt=0)

    executor: str = "local"
    num_workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    replica: str = Field(default="twin", pattern=r"^[A-Za-z0-9.-]{1,64}$", description="unique per database")
    lease_s: float = Field(default=15.0, gt=0, description="a replica silent for so long has died")

    sse_heartbeat_s: float = Field(default=15.0, gt=0)
    upstreams: tuple[str, ...] = Field(default=(), description="twins behind a gateway of its own process")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    limits: Limits = Limits()

    @field_validator("executor")
    @classmethod
    def _check_executor(cls, value: str) -> str:
        if not re.fullmatch(r"local|(tcp|tls|ws|wss|inproc)://.+", value):
            raise ValueError(f"expected local, or a Dask scheduler's address such as tcp://HOST:8786, got {value!r}")
        return value

    @field_validator("data_dir", "config_dir")
    @classmethod
    def _expand_home(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser()  # no shell expands what comes from a file of settings

    @model_validator(mode="after")
    def _check_remote_parts(self) -> Self:
        for url in self.upstreams:
            if not re.fullmatch(r"https?://[^/\s]+/?", url):
                raise ValueError(f"an upstream is the URL of a twin, such as http://127.0.0.1:8001; got {url!r}")
        if self.upstreams and self.api_key is None:
            raise ValueError("a gateway of its own process needs its twins' key: give all the same QTWIN_API_KEY")
        return self

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None, **given: object) -> Settings:
        """Settings from `QTWIN_<FIELD>` variables; `given` values that are not None win over them.

        Raises InvalidError for values that do not fit.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, object] = {
            name: environment[ENVIRONMENT_PREFIX + name.upper()]
            for name in cls.model_fields
            if name not in {"limits", "upstreams"} and environment.get(ENVIRONMENT_PREFIX + name.upper())
        }
        values |= {name: value for name, value in given.items() if value is not None}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            faults = [Fault(fault["loc"], fault["msg"].removeprefix("Value error, ")) for fault in error.errors()]
            raise InvalidError("; ".join(map(_fault_text, faults)), faults) from error

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{(self.data_dir / 'twin.sqlite').absolute()}"


def _fault_text(fault: Fault) -> str:
    """What is wrong with a setting and where it comes from; never its value, which may be a secret."""
    name = str(fault.loc[0]) if fault.loc else None
    return f"{name} ({ENVIRONMENT_PREFIX}{name.upper()}): {fault.message}" if name else fault.message
