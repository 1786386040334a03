"""Forms as a browser sends them, and the tokens of their pages."""

from keyturn.flows import drive
from keyturn.web.form_token import FormToken, form_token
from keyturn.web.message import Reply, Request
from web.browser import Browser

SAME = {"sec_fetch_site": "same-origin"}


def submit(browser: Browser, path: str, fields: dict[str, str] | None = None, **headers: str) -> Reply:
    return browser.form(path, fields or {}, **(headers or SAME))


def page(browser: Browser, *headers: tuple[bytes, bytes]) -> FormToken:
    """Return what a page that ``browser`` asks for puts into its forms."""
    cookie = (b"cookie", "; ".join(f"{name}={value}" for name, value in browser.cookies.items()).encode())
    request = Request("GET", "/login", headers=(*headers, cookie) if browser.cookies else headers)
    return drive(form_token(request, browser.now, browser.site), browser.ports)
