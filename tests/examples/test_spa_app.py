"""``examples/spa_app`` by the commands of its README: a page in Chromium, on another port than its server."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from examples.running import EXAMPLES, App, clock_variables, commands_of, running, running_on
from services.ports import free_port

PASSWORD = "a bicycle made of rain"
SERVE, PAGE = commands_of("spa_app")
SERVER = "http://127.0.0.1:8000"
REFRESH = '"POST /auth/token'
NUMBERS = count()


class Site:
    """A server and the ``origin`` of its page, whose files are in ``folder``. ``clock``: file with its offset."""

    def __init__(self, server: App, origin: str, folder: Path, clock: Path) -> None:
        self.server, self.origin, self.folder, self._clock = server, origin, folder, clock
        self._seconds = 0

    @property
    def refreshes(self) -> int:
        return self.server.log.count(REFRESH)

    def let_token_expire(self) -> None:
        self._seconds += 600
        self._clock.write_text(f"{self._seconds} all")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("spa_app")
    (folder / "clock").write_text("")
    port = free_port()
    variables = {"PAGE": f"http://127.0.0.1:{port}", **clock_variables(folder / "clock")}
    with running(SERVE, folder / "data", **variables) as server:
        write_page(folder / "page", server.url)
        with serving(folder / "page", port) as origin:
            yield Site(server, origin, folder / "page", folder / "clock")


def write_page(folder: Path, server: str) -> None:
    """Copy the page for a server on another port."""
    shutil.copytree(EXAMPLES / "spa_app" / "page", folder)
    for file in (folder / "app.js", folder / "index.html"):
        assert SERVER in file.read_text()
        file.write_text(file.read_text().replace(SERVER, server))


@contextmanager
def serving(folder: Path, port: int) -> Iterator[str]:
    """Serve a page by the command of the README. Yield its origin."""
    command = PAGE.replace("8001", str(port)).replace("examples/spa_app/page", str(folder))
    with running_on(port, command, "Serving HTTP") as page:
        yield page.url


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context() as context:
        yield context


def open_tab(context: BrowserContext, site: Site) -> Page:
    page = context.new_page()
    page.goto(site.origin)
    return page


def sign_up(page: Page, email: str) -> None:
    page.fill("[name=email]", email)
    page.fill("[name=password]", PASSWORD)
    page.click("text=Sign up")
    expect(page.locator("#account")).to_be_visible()


def keep(page: Page, text: str) -> None:
    page.fill("[name=text]", text)
    page.click("text=Keep it")
    expect(page.locator("li").first).to_have_text(text)


@pytest.fixture
def tab(context: BrowserContext, site: Site) -> Page:
    """Open a page that has signed up."""
    page = open_tab(context, site)
    sign_up(page, f"ada{next(NUMBERS)}@example.com")
    return page


def test_a_page_signs_up_refreshes_and_logs_out_by_fetch(context: BrowserContext, site: Site, tab: Page) -> None:
    keep(tab, "<b>buy milk</b>")
    assert {each["name"] for each in context.cookies() if each["httpOnly"]} >= {"kt_access", "kt_refresh"}
    before = site.refreshes
    site.let_token_expire()
    keep(tab, "water the ferns")
    assert site.refreshes == before + 1
    tab.reload()
    expect(tab.locator("li")).to_have_text(["water the ferns", "<b>buy milk</b>"])
    tab.click("text=Log out >> nth=0")
    expect(tab.locator("#message")).to_contain_text("stops working within 5 seconds")
    expect(tab.locator("#enter")).to_be_visible()
    assert not {"kt_access", "kt_refresh"} & {each["name"] for each in context.cookies()}


def test_three_tabs_refresh_once_and_show_a_logout_of_one(context: BrowserContext, site: Site, tab: Page) -> None:
    tabs = [tab, *(open_tab(context, site) for _ in range(2))]
    for each in tabs:
        expect(each.locator("#account")).to_be_visible()
    before = site.refreshes
    site.let_token_expire()
    for each in tabs:
        each.fill("[name=text]", "tea")
    for each in tabs:  # the calls of all three meet the expired token
        each.evaluate("() => { document.getElementById('write').requestSubmit(); }")
    for each in tabs:
        expect(each.locator("li").first).to_have_text("tea")
    assert site.refreshes == before + 1
    tab.click("text=Log out everywhere")
    for each in tabs:
        expect(each.locator("#enter")).to_be_visible()


def test_a_login_that_was_refused_shows_the_reason(context: BrowserContext, site: Site) -> None:
    page = open_tab(context, site)
    page.fill("[name=email]", "nobody@example.com")
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    expect(page.locator("#message")).to_contain_text("password")
    expect(page.locator("#enter")).to_be_visible()


def test_a_server_that_is_away_logs_nobody_out(context: BrowserContext, site: Site, tab: Page) -> None:
    context.route(f"{site.server.url}/notes", lambda route: route.fulfill(status=503, headers={"Retry-After": "7"}))
    tab.fill("[name=text]", "tea")
    tab.click("text=Keep it")
    expect(tab.locator("#message")).not_to_be_empty()
    expect(tab.locator("#account")).to_be_visible()


def test_a_page_of_an_untrusted_origin_is_blocked(context: BrowserContext, site: Site, tab: Page) -> None:
    blocked: list[str] = []
    with serving(site.folder, free_port()) as origin:
        page = context.new_page()
        page.on("console", lambda message: blocked.append(message.text))
        page.goto(origin)  # on the same site: the browser would send the cookies of the login
        expect(page.locator("#message")).not_to_be_empty()
        script = "(url) => fetch(url, { credentials: 'include' }).then((answer) => answer.status, ({ name }) => name)"
        assert page.evaluate(script, f"{site.server.url}/notes") == "TypeError"
        login = "(url) => fetch(url, { method: 'POST', credentials: 'include' }).then(() => 'sent', ({ name }) => name)"
        assert page.evaluate(login, f"{site.server.url}/auth/logout") == "TypeError"
    assert any("CORS policy" in each for each in blocked)
    tab.reload()
    expect(tab.locator("#account")).to_be_visible()


def test_the_files_of_the_page_are_allowed_by_its_own_policy(context: BrowserContext, site: Site) -> None:
    said: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.goto(site.origin)
    expect(page.locator("#enter")).to_be_visible()
    assert [each for each in said if "Content Security Policy" in each] == []
    assert httpx.get(f"{site.origin}/style.css").status_code == 200
