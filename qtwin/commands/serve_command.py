"""`qtwin serve`, `qtwin twin`, `qtwin gateway`: twin and gateway in one process, or each in its own."""

import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from qtwin.commands.parsing import MAX_WORKERS

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port to listen on; 0 for any free one.", min=0, max=65535)]
DataDir = Annotated[Path, typer.Option(help="Where jobs, sessions, users and keys are kept.")]
ConfigDir = Annotated[Path | None, typer.Option(help="YAML files in place of the shipped ones.")]
DatabaseUrl = Annotated[
    str | None, typer.Option(envvar="QTWIN_DATABASE_URL", help="SQLAlchemy URL in place of SQLite in the data folder.")
]
Executor = Annotated[str, typer.Option(help="local, or the address of a Dask scheduler: tcp://HOST:PORT.")]
Workers = Annotated[int | None, typer.Option(help="Worker processes; default: one a core.", min=1, max=MAX_WORKERS)]
Replica = Annotated[str, typer.Option(help="This twin's name, unique among those that share a database.")]
ReadOnly = Annotated[bool, typer.Option("--read-only-config", help="Answer 501 to configuration writes.")]
Certificate = Annotated[Path | None, typer.Option("--tls-cert", help="PEM certificate with its chain: serve https.")]
Key = Annotated[Path | None, typer.Option("--tls-key", help="PEM private key of the certificate.")]
CorsOrigins = Annotated[
    list[str] | None,
    typer.Option(
        "--cors-origin",
        envvar="QTWIN_CORS_ORIGINS",
        help="Whose pages may call, such as http://localhost:3000, or *; give it again for each further one.",
    ),
]
TrustedProxies = Annotated[
    list[str] | None,
    typer.Option(
        "--trusted-proxy",
        envvar="QTWIN_TRUSTED_PROXIES",
        help="Address or network of a reverse proxy whose X-Forwarded-For is believed; give it again for each.",
    ),
]
ReadyFile = Annotated[Path | None, typer.Option(help="Write the port here when ready.", hidden=True)]
StopWithStdin = Annotated[bool, typer.Option(help="Stop when standard input closes.", hidden=True)]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    data_dir: DataDir = Path("data"),
    config_dir: ConfigDir = None,
    database_url: DatabaseUrl = None,
    executor: Executor = "local",
    workers: Workers = None,
    replica: Replica = "twin",
    read_only_config: ReadOnly = False,
    tls_cert: Certificate = None,
    tls_key: Key = None,
    cors_origin: CorsOrigins = None,
    trusted_proxy: TrustedProxies = None,
    ready_file: ReadyFile = None,
    stop_with_stdin: StopWithStdin = False,
) -> None:
    """Serve gateway and twin in one process.

    The admin comes from QTWIN_ADMIN_EMAIL and QTWIN_ADMIN_PASSWORD; without a password one is made and shown once.
    """
    if stop_with_stdin:
        threading.Thread(target=_stop_when_stdin_closes, daemon=True).start()
    given = {
        "data_dir": data_dir,
        "config_dir": config_dir,
        "database_url": database_url,
        "executor": executor,
        "num_workers": workers,
        "replica": replica,
        "config_read_only": read_only_config,
        "cors_origins": tuple(cors_origin or ()),
        "trusted_proxies": tuple(trusted_proxy or ()),
    }
    _serve("app", given, host, port, _tls(tls_cert, tls_key), ready_file)


def serve_twin(
    host: Host = "127.0.0.1",
    port: Port = 8001,
    data_dir: DataDir = Path("data"),
    config_dir: ConfigDir = None,
    database_url: DatabaseUrl = None,
    executor: Executor = "local",
    workers: Workers = None,
    replica: Replica = "twin",
    read_only_config: ReadOnly = False,
    tls_cert: Certificate = None,
    tls_key: Key = None,
    ready_file: ReadyFile = None,
) -> None:
    """Serve the twin alone, behind a gateway of its own process; both need the same QTWIN_API_KEY."""
    given = {
        "data_dir": data_dir,
        "config_dir": config_dir,
        "database_url": database_url,
        "executor": executor,
        "num_workers": workers,
        "replica": replica,
        "config_read_only": read_only_config,
    }
    _serve("twin", given, host, port, _tls(tls_cert, tls_key), ready_file)


def serve_gateway(
    upstream: Annotated[list[str], typer.Option(help="URL of a twin; give it again for each further one.")],
    host: Host = "127.0.0.1",
    port: Port = 8000,
    data_dir: DataDir = Path("data"),
    database_url: DatabaseUrl = None,
    tls_cert: Certificate = None,
    tls_key: Key = None,
    cors_origin: CorsOrigins = None,
    trusted_proxy: TrustedProxies = None,
    ready_file: ReadyFile = None,
) -> None:
    """Serve the gateway alone, in front of one or several twins; all need the same QTWIN_API_KEY."""
    given = {
        "data_dir": data_dir,
        "database_url": database_url,
        "upstreams": tuple(upstream),
        "cors_origins": tuple(cors_origin or ()),
        "trusted_proxies": tuple(trusted_proxy or ()),
    }
    _serve("gateway", given, host, port, _tls(tls_cert, tls_key), ready_file)


def _serve(
    kind: Literal["app", "twin", "gateway"],
    given: Mapping[str, object],
    host: str,
    port: int,
    tls: tuple[Path, Path] | None,
    ready_file: Path | None,
) -> None:
    from qtwin.options import judge, setting_faults

    judge(setting_faults(given, tls or (None, None)))
    from qtwin.serving import serve_until_stopped

    serve_until_stopped(kind, given, host, port, tls, ready_file)


def _tls(certificate: Path | None, key: Path | None) -> tuple[Path, Path] | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise typer.BadParameter("--tls-cert and --tls-key go together")
    return certificate, key


def _stop_when_stdin_closes() -> None:
    while os.read(0, 4096):  # not sys.stdin: a thread inside it cannot be left at exit
        pass
    os.kill(os.getpid(), signal.SIGTERM)
