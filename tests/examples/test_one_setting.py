"""One application, ``examples/sqlalchemy_app``, and one set of tests in three modes: only a setting differs."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import httpx
import pytest

from examples.running import App, commands_of, running

PASSWORD = "violet umbrella 7 o clock"
DELIVERIES = ("cookie", "tokens", "token-cookies", "both")
MODES = {"session": ("cookie",), "jwt": ("tokens", "token-cookies"), "hybrid": DELIVERIES}
"""Each mode with the deliveries that it offers."""
SERVE = commands_of("sqlalchemy_app")[0]
NUMBERS = count()


@pytest.fixture(scope="module", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def app(mode: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp(mode)
    setting = {"KEYTURN_CREDENTIALS": mode, "KEYTURN_ACCEPTED_CREDENTIALS": mode}
    with running(SERVE, folder / "data", SHOP=f"sqlite:///{folder}/shop.db", **setting) as started:
        yield started


@pytest.fixture
def email() -> str:
    return f"iris{next(NUMBERS)}@example.com"


class Client:
    """A client that presents what a login gave it: a cookie, or a token."""

    def __init__(self, http: httpx.Client, path: str, email: str, deliver: str | None = None) -> None:
        self._http = http
        account = {"email": email, "password": PASSWORD} | ({"deliver": deliver} if deliver else {})
        self.login: dict[str, Any] = http.post(f"/auth/{path}", json=account).json()
        if "access_token" in self.login:
            http.headers["Authorization"] = f"Bearer {self.login['access_token']}"

    def call(self, method: str, path: str) -> tuple[int, Any]:
        answer = self._http.request(method, path)
        return answer.status_code, answer.json()


@contextmanager
def entered(app: App, path: str, email: str, deliver: str | None = None) -> Iterator[Client]:
    with httpx.Client(base_url=app.url, timeout=30) as http:
        yield Client(http, path, email, deliver)


def test_a_visitor_is_refused(app: App) -> None:
    answer = httpx.get(f"{app.url}/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_a_login_is_the_customer_of_the_request(app: App, email: str) -> None:
    with entered(app, "signup", email) as client:
        assert client.call("POST", "/orders") == (200, {"points": 10})
        assert client.call("GET", "/me") == (200, {"email": email, "points": 10})
        assert client.call("GET", "/auth/session")[1]["sid"] == client.login["sid"]


def test_every_delivery_of_the_mode_is_accepted_and_no_other_is_issued(app: App, mode: str, email: str) -> None:
    with entered(app, "signup", email):
        pass
    for deliver in DELIVERIES:
        with entered(app, "login", email, deliver) as client:
            if deliver in MODES[mode]:
                assert client.call("GET", "/me")[0] == 200
            else:
                assert client.login["code"] == "credentials_not_offered"


def test_a_login_ends_another_one_of_the_list(app: App, email: str) -> None:
    with entered(app, "signup", email) as lost, entered(app, "login", email) as client:
        listed = client.call("GET", "/auth/sessions")[1]["sessions"]
        assert {each["sid"] for each in listed} == {lost.login["sid"], client.login["sid"]}
        assert client.call("DELETE", f"/auth/sessions/{lost.login['sid']}")[0] == 200
        assert lost.call("GET", "/me")[0] == 401
        assert client.call("GET", "/me")[0] == 200


def test_a_logout_everywhere_ends_every_login(app: App, email: str) -> None:
    with entered(app, "signup", email) as one, entered(app, "login", email) as two:
        assert one.call("POST", "/auth/logout-all")[1]["within_seconds"] == 5
        assert [each.call("GET", "/me")[0] for each in (one, two)] == [401, 401]
