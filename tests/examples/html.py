"""Read forms and messages from HTML, and send a form as a browser does."""

from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import httpx


@dataclass
class Form:
    """One button of a form, with its text. ``action``: where it leads. ``fields``: inputs with their values."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    button: str = ""


class Page(HTMLParser):
    """A parsed page. ``alert``: the text of the element with that role. ``elements``: every start tag."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.response = response
        self.forms: list[Form] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.alert = ""
        self.text = ""
        self._open = ""
        self.feed(response.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        self._open = "alert" if attributes.get("role") == "alert" else tag
        if tag == "form":
            self.forms.append(Form(attributes.get("action", ""), attributes.get("method", "get")))
        elif tag == "input" and self.forms and "name" in attributes:
            self.forms[-1].fields[attributes["name"]] = attributes.get("value", "")
        elif tag == "button" and "formaction" in attributes and self.forms:
            self.forms.append(replace(self.forms[-1], action=attributes["formaction"], button=""))

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._open == "button" and self.forms:
            self.forms[-1].button += data
        elif self._open == "alert":
            self.alert += data.strip()

    def form(self, button: str) -> Form:
        """Return the only form with this button, as the button sends it."""
        [found] = [each for each in self.forms if each.button == button]
        return found


def open_browser(url: str, name: str) -> httpx.Client:
    """Return a client that asks for pages of ``url`` as a browser does. ``name``: its User-Agent."""
    return httpx.Client(base_url=url, headers={"User-Agent": name, "Accept": "text/html,*/*;q=0.8"}, timeout=30)


def open_page(browser: httpx.Client, path: str = "/") -> Page:
    """Open a page; follow the redirection to the login page."""
    return Page(browser.get(path, follow_redirects=True))


def send(browser: httpx.Client, form: Form, headers: dict[str, str] | None = None, **typed: str) -> Page:
    """Fill ``typed`` into a form and send it; follow the redirection. ``headers``: those a browser adds."""
    assert form.method == "post"
    assert set(typed) <= set(form.fields)
    return Page(browser.post(form.action, data=form.fields | typed, headers=headers, follow_redirects=True))
