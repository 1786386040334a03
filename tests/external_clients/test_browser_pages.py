"""The pages of a server in Chromium: without a script, by keyboard, in every size and scheme, and by axe."""

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect

from server_process import ServerProcess, run_server
from server_process.process import PASSWORD

AXE = Path(__file__).parents[1] / "interop" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = ("/account/devices", "/account/password", "/account/confirm")
ENTRIES = (
    "/",
    "/login",
    "/signup",
    "/login?error=login_failed",
    "/login?error=throttled&retry_after=42",
    "/login?done=signed_out",
    "/inspect",
)
WIDTHS = (390, 768, 1280)
_numbers = count()
expect.set_options(timeout=20_000)  # milliseconds, for a busy machine: nothing waits longer than it must


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with run_server(tmp_path_factory.mktemp("pages") / "data") as server:
        yield server


class Problems:
    """What a browser complains of: its console, and reports of the content security policy."""

    def __init__(self, context: BrowserContext) -> None:
        self.found: list[str] = []
        context.on("console", lambda message: self.found.append(message.text))
        context.on("weberror", lambda error: self.found.append(str(error.error)))


def sign_up(page: Page, url: str) -> str:
    email = f"ada{next(_numbers)}@example.com"
    page.goto(f"{url}/signup")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your devices")
    return email


def sign_in(page: Page, url: str, email: str) -> None:
    page.goto(f"{url}/login")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your devices")


@pytest.mark.parametrize("scripts", [True, False])
def test_two_browsers_see_each_other_and_one_ends_the_other(
    browser: Browser, server: ServerProcess, scripts: bool
) -> None:
    with browser.new_context(java_script_enabled=scripts) as first, browser.new_context() as second:
        laptop, phone = first.new_page(), second.new_page()
        problems = Problems(first)
        email = sign_up(laptop, server.url)
        sign_in(phone, server.url, email)
        laptop.reload()
        expect(laptop.locator(".device")).to_have_count(2)
        laptop.locator(".device:not(.current)").get_by_role("button").click()
        expect(laptop.get_by_role("status")).to_contain_text("The last copy of it stops within 5 seconds.")
        expect(laptop.locator(".device")).to_have_count(1)
        phone.reload()
        expect(phone.get_by_role("heading", level=1)).to_have_text("Sign in")
        laptop.get_by_role("navigation").get_by_role("button", name="Sign out").click()
        expect(laptop.get_by_role("status")).to_have_text("You are signed out.")
        assert problems.found == []


def test_a_keyboard_is_enough(browser: Browser, server: ServerProcess) -> None:
    with browser.new_context(reduced_motion="reduce") as context:
        page = context.new_page()
        email = sign_up(page, server.url)
        context.clear_cookies()
        page.goto(f"{server.url}/login")
        expect(page.get_by_label("E-mail address")).to_be_focused()
        page.keyboard.type(email)
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Your devices")
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text("Skip to the content")
        for _ in range(4):
            page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text("Sign out")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_have_text("You are signed out.")


def test_a_password_can_be_shown(browser: Browser, server: ServerProcess) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{server.url}/login")
        field = page.get_by_label("Password")
        show = page.get_by_role("button", name="Show")
        expect(show).to_have_attribute("aria-pressed", "false")
        show.click()
        expect(field).to_have_attribute("type", "text")
        page.get_by_role("button", name="Hide").click()
        expect(field).to_have_attribute("type", "password")


def test_times_are_local_and_relative(browser: Browser, server: ServerProcess) -> None:
    with browser.new_context(timezone_id="Asia/Tokyo", locale="en-GB") as context:
        page = context.new_page()
        sign_up(page, server.url)
        shown = page.locator("time").first
        expect(shown).to_have_text("now")
        assert "T" in str(shown.get_attribute("datetime"))
        assert ":" in str(shown.get_attribute("title"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page_in_any_width(browser: Browser, server: ServerProcess, scheme: str) -> None:
    source = AXE.read_text()
    with browser.new_context(color_scheme=scheme, reduced_motion="reduce") as context:
        page = context.new_page()
        for path in ENTRIES:
            check(page, server.url + path, source)
        sign_up(page, server.url)
        for path in (*PAGES, "/account/devices?done=ended", "/account/confirm?error=login_failed"):
            check(page, server.url + path, source)


def check(page: Page, url: str, source: str) -> None:
    """Assert that axe finds nothing, and that no page scrolls sideways, also at 200 % zoom of the narrowest."""
    page.goto(url)
    for width in (*WIDTHS, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (url, width)
    for width in WIDTHS[::2]:
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate(source)
        found = page.evaluate("axe.run()")["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == [], (url, width)


def test_a_device_that_names_itself_in_markup_runs_no_script(browser: Browser, server: ServerProcess) -> None:
    evil = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"
    with browser.new_context(user_agent=evil) as context:
        page = context.new_page()
        problems = Problems(context)
        sign_up(page, server.url)
        expect(page.locator(".device h2")).to_contain_text("<img src=x")
        assert (page.title(), problems.found) == ("Your devices · Keyturn", [])


def test_a_page_cannot_be_framed(browser: Browser, server: ServerProcess) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        sign_up(page, server.url)
        frame = json.dumps(f"{server.url}/account/devices")
        page.goto("about:blank")
        page.set_content(f"<iframe src={frame}></iframe>")
        page.wait_for_timeout(300)
        assert all("Your devices" not in each.content() for each in page.frames[1:])


def inspect(page: Page, text: str) -> list[str]:
    page.get_by_label("Token or cookie").fill(text)
    expect(page.locator("#result")).to_be_visible()
    return page.locator("#checks li").all_inner_texts()


def access_token(server: ServerProcess) -> str:
    account = {"email": f"ada{next(_numbers)}@example.com", "password": PASSWORD, "deliver": "tokens"}
    issued: dict[str, str] = httpx.post(f"{server.url}/auth/signup", json=account).json()
    return issued["access_token"]


def test_the_inspector_checks_a_token_in_the_browser(browser: Browser, server: ServerProcess) -> None:
    token = access_token(server)
    head, body, signature = token.split(".")
    with browser.new_context() as context:
        page = context.new_page()
        problems = Problems(context)
        page.goto(f"{server.url}/inspect")
        assert [each[0] for each in inspect(page, f"Bearer {token}")] == ["✓"] * 7
        expect(page.locator("#verdict")).to_contain_text("Valid by its signature")
        expect(page.locator("#claims")).to_contain_text("Session: ending it ends this token")
        forged = f"{head}.{body}.{signature[:-4]}AAAA"
        assert [each[0] for each in inspect(page, forged)] == ["✓", "✓", "✗", "✓", "✓", "✓", "✓"]
        expect(page.locator("#verdict")).to_have_text("Not valid: see the checks.")
        assert inspect(page, "nonsense")[0].startswith("✗")
        assert inspect(page, "kt_session_" + "A" * 22 + ".0." + "B" * 52) == []
        expect(page.locator("#verdict")).to_contain_text("only the server can check it")
        page.get_by_label("Token or cookie").fill("<img src=x onerror=alert(1)>.e30.x")
        expect(page.locator("#parts")).to_contain_text("<img src=x")
        assert problems.found == []


def test_nothing_can_be_sent_from_the_inspector(browser: Browser, server: ServerProcess) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{server.url}/inspect")
        sent: list[str] = []
        page.on("requestfinished", lambda request: sent.append(request.url))
        attempts = (
            "fetch('/auth/session').catch(() => 'blocked')",
            "navigator.sendBeacon('/auth/session', 'x')",
            "(() => { const image = new Image(); image.src = '/x'; })()",
            "(() => { const form = document.createElement('form'); document.body.append(form); form.submit(); })()",
            "(() => { new WebSocket(location.origin.replace('http', 'ws')); })()",
        )
        for attempt in attempts:
            with suppress(Error):  # refused at once
                page.evaluate(attempt)
        page.wait_for_timeout(200)
        assert sent == []
        assert page.url == f"{server.url}/inspect"
