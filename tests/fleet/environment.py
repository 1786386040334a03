"""Three issuers over one PostgreSQL behind nginx, configured as deploy/ says, and services in other processes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server_process.process import ServerProcess
from services.nginx import Nginx
from services.ports import free_port
from services.postgres import Postgres

NGINX_CONFIG = Path(__file__).parents[2] / "deploy" / "nginx" / "keyturn.conf"
SERVICE_PROGRAM = Path(__file__).with_name("service.py")
SERVICE_TOKEN = "0f6d2c5be1a94e3794c3d7a85b1e6f20"
SECRET = "b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfef"
PUBLISH_SECONDS = 4


@dataclass
class Fleet:
    """Issuers behind nginx. ``url``: of nginx, which is the issuer's identifier."""

    url: str
    issuers: list[ServerProcess]
    postgres: Postgres

    def command(self, *arguments: str) -> str:
        """Run ``keyturn ARGUMENTS`` with the issuers' settings."""
        first = self.issuers[0]
        done = subprocess.run(
            [sys.executable, "-c", "from keyturn.cli import app; app()", *arguments, "--data-dir", str(first.data)],
            env=first.environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout


@contextmanager
def run_fleet(folder: Path, count: int = 3, **settings: str) -> Iterator[Fleet]:
    """Run nginx, ``count`` issuers and PostgreSQL. ``settings``: as for ``run_server``."""
    with ExitStack() as stack:
        postgres = Postgres()
        stack.callback(postgres.remove)
        postgres.start()
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        common = {
            "issuer": url,
            "audience": url,
            "store": postgres.database(),
            "secret": SECRET,
            "service_token": SERVICE_TOKEN,
            "trusted_proxies": "127.0.0.1",
            "algorithm": "ES256",
            "key_publish_ahead_seconds": str(PUBLISH_SECONDS),
            "hash_threads": "1",
            **settings,
        }
        named = {f"KEYTURN_{name.upper()}": value for name, value in common.items()}
        issuers = [ServerProcess(folder / f"issuer-{number}", settings=named) for number in range(count)]
        for each in issuers:
            each.start()
            stack.callback(_stop, each)
        nginx = Nginx(port, _configuration(port, issuers))
        stack.callback(nginx.remove)
        nginx.start()
        yield Fleet(url, issuers, postgres)


class Service:
    """A verifier in another process. ``verdicts`` ends the process and returns its results."""

    def __init__(self, issuer: str, bound_seconds: float = 5.0) -> None:
        command = [sys.executable, str(SERVICE_PROGRAM), issuer, SERVICE_TOKEN, str(bound_seconds)]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.child.stdout is not None
        assert self.child.stdout.readline() == "ready\n"

    def watch(self, sid: str, token: str) -> None:
        """Have the service verify ``token`` repeatedly."""
        self._send(f"{sid} {token}\n")

    def has_refused(self, sid: str) -> bool:
        """Return True if the service has refused the token of ``sid`` as revoked."""
        self._send(f"? {sid}\n")
        assert self.child.stdout is not None
        return self.child.stdout.readline() == "yes\n"

    def set_clock(self, off_seconds: float) -> None:
        """Offset the service's wall clock by ``off_seconds``."""
        self._send(f"clock {off_seconds}\n")

    def verdicts(self) -> dict[str, Any]:
        self._send("end\n")
        assert self.child.stdout is not None
        verdicts: dict[str, Any] = json.loads(self.child.stdout.readline())
        self.close()
        return verdicts

    def close(self) -> None:
        """Kill the process."""
        self.child.kill()
        self.child.communicate()

    def _send(self, line: str) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(line)
        self.child.stdin.flush()


def _configuration(port: int, issuers: list[ServerProcess]) -> str:
    text = NGINX_CONFIG.read_text().replace("listen 8080", f"listen 127.0.0.1:{port}")
    for number, each in enumerate(issuers, 1):
        text = text.replace(f"issuer-{number}:8000", f"127.0.0.1:{each.port}")
    return text


def _stop(server: ServerProcess) -> None:
    if server.process is not None and server.process.poll() is None:
        server.stop()
