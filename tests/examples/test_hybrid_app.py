"""``examples/hybrid_app`` by the commands of its README: a website in two browsers, and the program of a phone."""

import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpx
import pytest

from docs.page import REPOSITORY
from examples.html import Page, open_browser, open_page, send
from examples.running import App, clock_variables, commands_of, environment, running

PASSWORD = "a bicycle made of rain"
SERVE, PHONE = commands_of("hybrid_app")
NUMBERS = count()


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("clock") / "offset"
    file.write_text("")
    return file


@pytest.fixture(scope="module")
def app(clock: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running(SERVE, tmp_path_factory.mktemp("hybrid_app") / "data", **clock_variables(clock)) as started:
        yield started


@pytest.fixture
def email() -> str:
    return f"ada{next(NUMBERS)}@example.com"


@pytest.fixture
def browser(app: App, email: str) -> Iterator[httpx.Client]:
    """Sign a browser up."""
    with open_browser(app.url, "Mozilla/5.0 Firefox/150.0") as client:
        send(client, open_page(client).form("Sign up"), email=email, password=PASSWORD)
        yield client


class Phone:
    """The phone's program, which has logged in."""

    def __init__(self, app: App, email: str) -> None:
        self.process = subprocess.Popen(
            ["sh", "-ec", f"exec {PHONE}"],
            cwd=REPOSITORY,
            env=environment(URL=app.url, EMAIL=email, PASSWORD=PASSWORD, NAME="Ada's phone"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.wait_for_line()

    def wait_for_line(self) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "Ada's phone is logged in as" in line

    def last_line(self) -> str:
        """Wait until the program ends. Return the last line that it printed."""
        printed, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 1
        return printed.splitlines()[-1]

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)


@pytest.fixture
def phone(app: App, browser: httpx.Client, email: str) -> Iterator[Phone]:
    started = Phone(app, email)
    try:
        yield started
    finally:
        started.stop()


def texts_of(page: Page) -> set[str]:
    return {each.strip() for each in page.text.splitlines()}


def test_the_button_logs_out_the_lost_phone_and_every_browser_but_its_own(
    app: App, browser: httpx.Client, phone: Phone, email: str
) -> None:
    with open_browser(app.url, "Mozilla/5.0 Chrome/150.0 Safari/537.36") as other:
        send(other, open_page(other).form("Log in"), email=email, password=PASSWORD)
        listed = open_page(browser)
        assert {"Ada's phone", "Firefox", "Chrome"} <= texts_of(listed)
        assert [each.button for each in listed.forms].count("Log out") == 2
        done = send(browser, listed.form("Log out all other devices"))
        assert "Every other device is logged out." in done.text
        assert not {"Ada's phone", "Chrome"} & texts_of(done)
        assert other.get("/").status_code == 303
    assert phone.last_line().startswith("401 token_revoked: ")
    assert browser.get("/api/me").json()["credential"] == "session"


def test_one_device_of_the_list_is_logged_out(app: App, browser: httpx.Client, phone: Phone, email: str) -> None:
    with open_browser(app.url, "Mozilla/5.0 Chrome/150.0 Safari/537.36") as other:
        send(other, open_page(other).form("Log in"), email=email, password=PASSWORD)
        buttons = [each for each in open_page(other).forms if each.button == "Log out"]
        [end] = [each for each in buttons if is_of_phone(each.action, other)]
        assert "That device is logged out." in send(other, end).text
        assert phone.last_line().startswith("401 token_revoked: ")
        assert [each.get("/").status_code for each in (browser, other)] == [200, 200]


def is_of_phone(action: str, browser: httpx.Client) -> bool:
    sessions = browser.get("/auth/sessions").json()["sessions"]
    return {each["client_id"] for each in sessions if action.endswith(each["sid"])} == {"phone"}


def test_a_phone_refreshes_an_expired_token_and_goes_on(
    app: App, clock: Path, phone: Phone, browser: httpx.Client
) -> None:
    clock.write_text("3600 all")
    app.wait_for('"POST /auth/token')
    phone.wait_for_line()
    send(browser, open_page(browser).form("Log out all other devices"))
    assert phone.last_line().startswith("401 token_revoked: ")


def test_a_phone_shows_why_it_was_not_let_in(app: App) -> None:
    account = {"EMAIL": "nobody@example.com", "PASSWORD": "a bicycle made of sand"}
    done = subprocess.run(
        ["sh", "-ec", PHONE],
        cwd=REPOSITORY,
        env=environment(URL=app.url, **account),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr.partition(":")[0]) == (1, "401 login_failed")


def test_a_page_needs_its_own_files_only(browser: httpx.Client) -> None:
    page = open_page(browser)
    assert page.response.headers["cache-control"] == "no-store"
    assert [each["href"] for tag, each in page.elements if tag == "link"] == ["/static/icon.svg", "/static/style.css"]
    assert "script" not in {tag for tag, _ in page.elements}
    for file in ("icon.svg", "style.css"):
        assert browser.get(f"/static/{file}").status_code == 200
