"""``examples/microservices`` by the commands of its README: an issuer, a service in Python and one in Node."""

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from docs.page import REPOSITORY
from examples.running import EXAMPLES, RUNNING, commands_of, running, running_on
from server_process import ServerProcess
from services.ports import free_port

FOLDER = EXAMPLES / "microservices"
SERVE, ORDERS, STOCK, CALLS = commands_of("microservices")
INSTALL = "npm install --prefix examples/microservices\n"
SETTINGS = {"KEYTURN_CREDENTIALS": "jwt", "KEYTURN_AUDIENCE": "orders,stock"}
PASSWORD = "a bicycle made of rain"
PATIENCE_SECONDS = 60.0


class Services:
    """The issuer and the URLs of its two services."""

    def __init__(self, issuer: ServerProcess, orders: str, stock: str) -> None:
        self.issuer, self.urls = issuer, (f"{orders}/orders", f"{stock}/stock")

    def call(self, token: str) -> list[tuple[int, str | None]]:
        """Return the status and the code of each service's answer to a token."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answers = [httpx.get(url, headers=headers) for url in self.urls]
        return [(each.status_code, each.json().get("code")) for each in answers]

    def wait_until(self, token: str, expected: tuple[int, str | None]) -> None:
        """Wait until both services give this answer."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (seen := self.call(token)) != [expected] * 2:
            if time.monotonic() > deadline:
                raise AssertionError(f"{seen}, not {expected}")
            time.sleep(0.1)


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the Node service beside an installed ``jose``, of the version that it names."""
    installed = REPOSITORY / "tests" / "interop"
    wanted, present = (json.loads((each / "package.json").read_text())["dependencies"] for each in (FOLDER, installed))
    assert wanted == present
    folder = tmp_path_factory.mktemp("node")
    for file in FOLDER.glob("*.mjs"):
        shutil.copy(file, folder)
    (folder / "node_modules").symlink_to(installed / "node_modules")
    return folder


@contextmanager
def running_stock(folder: Path, issuer: str, **variables: str) -> Iterator[str]:
    """Run the Node service by the command of the README. Yield its URL."""
    port = free_port()
    command = STOCK.removeprefix(INSTALL).replace("examples/microservices", str(folder))
    with running_on(port, command, RUNNING, ISSUER=issuer, PORT=str(port), **variables) as stock:
        yield stock.url


@pytest.fixture(scope="module")
def services(node_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    assert SERVE.split() == [f"{name}={value}" for name, value in SETTINGS.items()] + ["scripts/serve"]
    folder = tmp_path_factory.mktemp("microservices")
    issuer = ServerProcess(folder / "data", settings=SETTINGS)
    issuer.start()
    with ExitStack() as stack:
        stack.callback(issuer.stop)
        orders = stack.enter_context(running(ORDERS.replace(" --port 8001", ""), folder, ISSUER=issuer.url))
        stock = stack.enter_context(running_stock(node_folder, issuer.url))
        yield Services(issuer, orders.url, stock)


@pytest.fixture
def login(services: Services, request: pytest.FixtureRequest) -> dict[str, Any]:
    return enter(services, "signup", request.node.name)


def enter(services: Services, path: str, name: str) -> dict[str, Any]:
    """Sign up or log in. Return the answer, with the tokens."""
    account = {"email": f"{''.join(filter(str.isalnum, name))}@example.com", "password": PASSWORD}
    answer = httpx.post(f"{services.issuer.url}/auth/{path}", json=account).raise_for_status()
    issued: dict[str, Any] = answer.json()
    return issued


def end(services: Services, login: dict[str, Any], path: str) -> None:
    headers = {"Authorization": f"Bearer {login['access_token']}"}
    httpx.post(f"{services.issuer.url}/auth/{path}", headers=headers).raise_for_status()


def test_the_commands_of_the_readme_show_a_revocation_in_both_services(services: Services, tmp_path: Path) -> None:
    ports = (services.issuer.url, *(each.rpartition("/")[0] for each in services.urls))
    command = CALLS
    for number, url in enumerate(ports):
        command = command.replace(f"http://127.0.0.1:800{number}", url)
    done = subprocess.run(["sh", "-ec", command], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.count("orders_of") == done.stdout.count("stock_for") == 1
    assert done.stdout.count('"code":"token_revoked"') == 2


@pytest.mark.parametrize("path", ["logout", "logout-all"])
def test_a_login_that_ends_is_refused_by_both_and_another_is_not(
    services: Services, login: dict[str, Any], path: str, request: pytest.FixtureRequest
) -> None:
    services.wait_until(login["access_token"], (200, None))
    end(services, login, path)
    services.wait_until(login["access_token"], (401, "token_revoked"))
    later = enter(services, "login", request.node.name)
    assert services.call(later["access_token"]) == [(200, None)] * 2


def test_a_revoked_client_is_refused_by_both(services: Services, login: dict[str, Any]) -> None:
    data = ["--data-dir", str(services.issuer.data)]
    time.sleep(1.1)  # a revocation of a client voids what was issued in an earlier second
    command = [REPOSITORY / ".venv" / "bin" / "keyturn", "revoke", "client", "default", *data]
    subprocess.run(command, check=True, capture_output=True, env=services.issuer.environment, timeout=60)
    services.wait_until(login["access_token"], (401, "token_revoked"))


def test_a_bad_token_is_refused_by_both(services: Services, login: dict[str, Any]) -> None:
    token = login["access_token"]
    forged = token[:-8] + ("A" * 8 if token[-8:] != "A" * 8 else "B" * 8)
    assert services.call("") == [(401, "unauthenticated")] * 2
    for bad in (forged, f"{token}.", "kt_access_x", login["refresh_token"]):
        assert [status for status, _ in services.call(bad)] == [401, 401]


def test_a_service_that_starts_later_reads_a_snapshot(
    services: Services, node_folder: Path, login: dict[str, Any]
) -> None:
    end(services, login, "logout")
    with running_stock(node_folder, services.issuer.url) as stock:
        late = Services(services.issuer, services.urls[0].rpartition("/")[0], stock)
        late.wait_until(login["access_token"], (401, "token_revoked"))


class _Replay(BaseHTTPRequestHandler):
    """A cache between a service and the feed that answers every request with its first page."""

    page = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, *_: object) -> None:
        pass


def test_a_page_that_a_cache_replays_is_no_news(services: Services, node_folder: Path, login: dict[str, Any]) -> None:
    feed = httpx.get(f"{services.issuer.url}/auth/revocations?nonce=x", headers={"Accept": "application/json"})
    handler = type("_OldPage", (_Replay,), {"page": feed.content})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as cache:
        threading.Thread(target=cache.serve_forever, daemon=True).start()
        replayed = f"http://127.0.0.1:{cache.server_port}/"
        with running_stock(node_folder, services.issuer.url, FEED=replayed) as stock:
            answer = httpx.get(stock, headers={"Authorization": f"Bearer {login['access_token']}"})
        cache.shutdown()
    assert (answer.status_code, answer.json()["code"]) == (503, "revocation_unknown")


def test_both_refuse_with_503_while_the_issuer_is_away(services: Services, login: dict[str, Any]) -> None:
    services.wait_until(login["access_token"], (200, None))
    services.issuer.stop()
    services.wait_until(login["access_token"], (503, "revocation_unknown"))
    services.issuer.start()
    services.wait_until(login["access_token"], (200, None))
