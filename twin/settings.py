"""Settings of one twin or gateway process: frozen, refuse unknown keys, passed in and never global."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from twin.clock import parse_duration
from twin.errors import Fault, InvalidError

ENVIRONMENT_PREFIX = "QTWIN_"
URL_PREFIX = "/api/v1/digital-twin"
AUTH_PREFIX = "/api/v1/auth"
SHORTEST_RETENTION_S = 3600.0
ORIGIN = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")


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
    max_auth_body_bytes: int = Field(default=16 * 2**10, gt=0, description="of a login and its like: anybody may ask")
    max_source_bytes: int = Field(default=2**20, gt=0, description="one circuit's source")
    max_json_shots: int = Field(default=4096, gt=0, description="shots of a session that answers in JSON")
    max_json_outcomes: int = Field(default=2**20, gt=0, description="shots times qubits of a round as JSON")
    max_session_shots: int = Field(default=10_000_000, gt=0)
    max_open_sessions: int = Field(default=1000, gt=0, description="sessions of one user that have not ended")
    max_live_sessions: int = Field(default=256, gt=0, description="sessions in memory; others rest on disk")
    max_live_session_bytes: int = Field(default=2**30, gt=0, description="of all sessions in memory")
    login_attempts_per_minute: int = Field(default=10, gt=0, description="failed logins, per address and email")
    check_time_limit_s: float = Field(default=20.0, gt=0, description="parsing and transpiling one job")
    job_time_limit_s: float = Field(default=600.0, gt=0)
    max_result_bytes: int = Field(default=2**28, gt=0, description="of one job, as JSON")
    max_metadata_bytes: int = Field(default=2**20, gt=0, description="of one job, with all that was attached")
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

    retention: str | None = Field(
        default=None, description="what has ended is deleted after so long, such as 30d; None: it is kept"
    )

    executor: str = "local"
    num_workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    replica: str = Field(default="twin", pattern=r"^[A-Za-z0-9.-]{1,64}$", description="unique per database")
    lease_s: float = Field(default=15.0, gt=0, description="a replica silent for so long has died")

    sse_heartbeat_s: float = Field(default=15.0, gt=0)
    stream_grace_s: float = Field(default=2.0, ge=0, description="an open stream outlives its token by so long")
    ticket_ttl_s: float = Field(default=30.0, gt=0, description="of a ticket to open one stream with")
    upstreams: tuple[str, ...] = Field(default=(), description="twins behind a gateway of its own process")
    cors_origins: tuple[str, ...] = Field(default=(), description="whose pages may call: https://HOST[:PORT], or *")
    trusted_proxies: tuple[str, ...] = Field(
        default=(), description="addresses or networks whose X-Forwarded-For and -Proto are believed"
    )
    drain_s: float = Field(default=0.0, ge=0, description="told to stop, serve on for so long, but be not ready")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    limits: Limits = Limits()

    @field_validator("executor")
    @classmethod
    def _check_executor(cls, value: str) -> str:
        if not re.fullmatch(r"local|(tcp|tls|ws|wss|inproc)://.+", value):
            raise ValueError(f"expected local, or a Dask scheduler's address such as tcp://HOST:8786, got {value!r}")
        return value

    @field_validator("retention")
    @classmethod
    def _check_retention(cls, value: str | None) -> str | None:
        if value is not None and (seconds := parse_duration(value)) < SHORTEST_RETENTION_S:
            raise ValueError(f"got {value} ({seconds:g} s), expected an hour (1h) or longer")
        return value

    @field_validator("data_dir", "config_dir")
    @classmethod
    def _expand_home(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser()  # no shell expands what comes from a file of settings

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if origin != "*" and not ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"an origin is SCHEME://HOST[:PORT] without a path, such as http://localhost:3000; got {origin!r}"
                )
        return tuple(origin.lower() for origin in value)  # as browsers send it

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in value:
            try:
                ipaddress.ip_network(proxy)
            except ValueError as error:
                raise ValueError(
                    f"a proxy is an IP address or network, such as 127.0.0.1 or 10.0.0.0/8; got {proxy!r} ({error})"
                ) from error
        return value

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
            if name not in {"limits", "upstreams", "cors_origins", "trusted_proxies"}
            and environment.get(ENVIRONMENT_PREFIX + name.upper())
        }
        values |= {name: value for name, value in given.items() if value is not None}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            faults = [Fault(fault["loc"], fault["msg"].removeprefix("Value error, ")) for fault in error.errors()]
            raise InvalidError("; ".join(map(_fault_text, faults)), faults) from error

    @property
    def retention_s(self) -> float | None:
        return None if self.retention is None else parse_duration(self.retention)

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{(self.data_dir / 'twin.sqlite').absolute()}"


def _fault_text(fault: Fault) -> str:
    """What is wrong with a setting and where it comes from; never its value, which may be a secret."""
    name = str(fault.loc[0]) if fault.loc else None
    return f"{name} ({ENVIRONMENT_PREFIX}{name.upper()}): {fault.message}" if name else fault.message
