"""The pages of a server in this process, and a browser without JavaScript that visits them."""

import re
from html import unescape
from typing import Any, NamedTuple
from urllib.parse import urlencode

from keyturn import AsyncIssuer
from keyturn.server.app import build_app
from keyturn.web.asgi_messages import AsgiApp
from web.exchanges import FORM, HOST, PASSWORD, Answer, Sent, cheap, send_asgi, settings

EMAIL = "ada@example.com"
NAVIGATION = ((b"accept", b"text/html"), (b"sec-fetch-mode", b"navigate"), (b"sec-fetch-site", b"same-origin"))
LAPTOP = b"Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
PHONE = b"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/128.0.0.0 Mobile Safari/537.36"


class FormOfPage(NamedTuple):
    """A form of a page. ``fields``: its inputs with their values; ``button``: the text of its button."""

    action: str
    fields: dict[str, str]
    button: str


class Visitor:
    """A browser: it keeps cookies, follows redirects, and sends forms as they are on the page."""

    def __init__(self, app: AsgiApp, agent: bytes = LAPTOP, *headers: tuple[bytes, bytes]) -> None:
        self._app = app
        self._headers = (HOST, (b"user-agent", agent), *NAVIGATION, *headers)
        self.cookies: dict[bytes, bytes] = {}
        self.path = ""
        self.answer = Answer(0, (), b"")

    def get(self, path: str) -> "Visitor":
        """Open a page, and follow redirects."""
        return self._send(Sent("GET", path))

    def submit(self, action: str, **fields: str) -> "Visitor":
        """Fill in the first form of the page with this action, and send it."""
        form = next(each for each in self.forms if each.action == action)
        body = urlencode(form.fields | fields).encode()
        return self._send(Sent("POST", action, (FORM,), body))

    @property
    def forms(self) -> list[FormOfPage]:
        """The forms of the page."""
        return [
            _form(*found) for found in re.findall(r'(?s)<form method="post" action="([^"]+)">(.*?)</form>', self.text)
        ]

    @property
    def text(self) -> str:
        """The page."""
        return self.answer.body.decode()

    @property
    def title(self) -> str:
        """The heading of the page."""
        return unescape(re.findall(r"(?s)<h1>(.*?)</h1>", self.text)[0])

    def _send(self, sent: Sent) -> "Visitor":
        cookie = b"; ".join(name + b"=" + value for name, value in self.cookies.items())
        headers = (
            *self._headers,
            *sent.headers[sent.headers[:1] == (HOST,) :],
            *([(b"cookie", cookie)] if cookie else []),
        )
        self.answer = send_asgi(self._app, sent._replace(headers=headers))
        for each in self.answer.values(b"set-cookie"):
            self._keep(each)
        self.path = sent.path
        location = self.answer.values(b"location")
        return self.get(location[0].decode()) if location else self

    def _keep(self, cookie: bytes) -> None:
        name, _, rest = cookie.partition(b"=")
        if b"Max-Age=0" in rest:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = rest.partition(b";")[0]


def _form(action: str, html: str) -> FormOfPage:
    inputs = [dict(re.findall(r'(\w+)="([^"]*)"', each)) for each in re.findall(r"<input[^>]*>", html)]
    fields = {each["name"]: unescape(each.get("value", "")) for each in inputs}
    return FormOfPage(action, fields, re.findall(r"<button[^>]*>([^<]*)</button>", html)[-1])


def open_site(**changes: Any) -> tuple[AsgiApp, AsyncIssuer]:
    """Return the application of a server on a memory store, and its issuer."""
    issuer: AsyncIssuer = cheap(AsyncIssuer.open(settings(**changes)))
    return build_app(issuer), issuer


def sign_up(visitor: Visitor, email: str = EMAIL) -> Visitor:
    """Create an account by the pages."""
    return visitor.get("/signup").submit("/auth/signup", email=email, password=PASSWORD)


def sign_in(visitor: Visitor, email: str = EMAIL, password: str = PASSWORD) -> Visitor:
    """Log in by the pages."""
    return visitor.get("/login").submit("/auth/login", email=email, password=password)
