"""Start of the server: preparation in the supervisor, then the workers."""

import errno
import os
import shutil
import socket
import sys

import uvicorn

from keyturn.cli.output import console, print_lines
from keyturn.config.data_dir import PreparedSettings, complete_settings
from keyturn.config.settings import PREFIX, Settings, read_settings, split_list
from keyturn.core.cors import parse_origins
from keyturn.errors import ConfigurationError
from keyturn.issuer import Issuer
from keyturn.passwords import default_hash_threads
from keyturn.server.logs import configure_logs
from keyturn.web.client_address import parse_networks

GRACEFUL_SECONDS = 5
WORKER_SECONDS = 30


def run_server(host: str, port: int, data_dir: str | None, workers: int, environment: str | None) -> None:
    """Run the server until a signal stops it. Raises as ``prepare`` does."""
    prepared = prepare(read_settings(data_dir=data_dir, environment=environment), host, port, workers)
    # Never put a generated secret into the environment, where other programs could read it: workers read the files.
    _export_settings(prepared.settings, workers)
    configure_logs(os.environ.get("LOG_LEVEL", "INFO"), human=sys.stderr.isatty())
    _print_banner(prepared, host, port)
    uvicorn.run(
        "keyturn.server.app:create_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        # ``trusted_proxies`` governs forwarding headers: uvicorn would trust those of every local client.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        ws="none",
        http="keyturn.server.protocol:BoundedProtocol",
        timeout_keep_alive=30,
        # On a busy machine a worker may take longer to start than uvicorn's 5 s, after which it would be killed.
        timeout_worker_healthcheck=WORKER_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )


def prepare(settings: Settings, host: str, port: int, workers: int) -> PreparedSettings:
    """Create secrets, schema and first keys, once, before any worker starts. Return the complete settings.

    Raises ``ConfigurationError``; in production with every setting that is generated, weak or missing.
    """
    problems = [*_problems(settings, workers), *_port_problems(host, port)]
    if problems and settings.environment == "development":
        raise ConfigurationError(*problems)
    try:
        prepared = complete_settings(settings, _local_url(host, port))
    except ConfigurationError as failure:
        raise ConfigurationError(*failure.problems, *problems) from None
    if problems:
        raise ConfigurationError(*problems)
    with Issuer.open(prepared.settings, background=False):
        return prepared


def _problems(settings: Settings, workers: int) -> list[str]:
    """Return problems that otherwise only a worker would detect, which would be restarted again and again."""
    problems: list[str] = []
    for check in (
        lambda: parse_networks(split_list(settings.trusted_proxies)),
        lambda: parse_origins(split_list(settings.trusted_origins)),
    ):
        try:
            check()
        except ConfigurationError as failure:
            problems.extend(failure.problems)
    if workers > 1 and settings.store.startswith("memory:"):
        problems.append("a memory store cannot be shared by workers; use --workers 1 or set KEYTURN_STORE")
    return problems


def _port_problems(host: str, port: int) -> list[str]:
    """Return problems of the address. Each worker binds it only after the banner was printed, so test it before."""
    location = f"{host} port {port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does, or a restart would wait
            probe.bind(address)
    except (OSError, UnicodeError) as failure:
        if getattr(failure, "errno", None) == errno.EADDRINUSE:
            return [f"{location} is in use by another program; stop it, or choose another port with --port"]
        return [f"cannot listen on {location}: {getattr(failure, 'strerror', None) or failure}"]
    return []


def _local_url(host: str, port: int) -> str:
    name = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _export_settings(settings: Settings, workers: int) -> None:
    values = {
        "data_dir": str(settings.folder.absolute()),
        "environment": settings.environment,
        "issuer": settings.issuer,
    }
    values["hash_threads"] = str(settings.hash_threads or max(1, default_hash_threads() // workers))
    for name, value in values.items():
        os.environ[PREFIX + name.upper()] = value
        os.environ.pop(f"{PREFIX}{name.upper()}_FILE", None)
    if workers > 1:
        directory = settings.folder.absolute() / "metrics"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700, parents=True)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)


def _print_banner(prepared: PreparedSettings, host: str, port: int) -> None:
    print_lines(prepared.lines, console)
    url, settings = _local_url(host, port), prepared.settings
    if settings.environment == "production":
        print_lines([f"Keyturn serves {settings.issuer} on {url} (production). Send SIGTERM to stop it."], console)
        return
    body = """'{"email": "alan@example.com", "password": "violet umbrella 7 o clock"}'"""
    send = "-H 'Content-Type: application/json'"
    lines = (
        f"Keyturn serves on {url} ({settings.environment}). Press Ctrl-C to stop it.",
        f"Open {url}/ in a browser. Try:" if settings.pages == "on" else "Try:",
        "",
        f"  curl -c jar {send} -d {body} {url}/auth/signup",
        f"  curl -b jar {url}/auth/session",
        f"  curl -b jar -X POST {url}/auth/logout-all",
        "",
    )
    print_lines(lines, console)
