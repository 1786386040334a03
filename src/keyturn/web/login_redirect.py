"""Redirects of browsers that asked for a page and have to log in, or to confirm the password, first."""

from keyturn.errors import Refusal, StepUpRequired, Unauthenticated
from keyturn.web.credentials import has_bearer
from keyturn.web.message import Reply, Request
from keyturn.web.paths import add_query, own_path, path_with_query


def login_redirect(
    request: Request, refusal: Refusal, login_page: str, *, step_up_page: str = "", root_path: str = ""
) -> Reply | None:
    """Return the redirect to the login page for a refused ``request``, with the page it asked for as ``next``.

    Return None where the refusal itself is the answer: a call by a script, a handshake, a bearer token, another refusal
    than ``Unauthenticated`` or ``StepUpRequired``, or the login page itself.
    ``login_page``, ``step_up_page``: paths of the application, with or without a query; without ``step_up_page`` the
    login page takes both. ``root_path``: prefix under which the application is mounted, if ``request.path`` and the
    pages lack it.
    """
    page = login_page if isinstance(refusal, Unauthenticated) else step_up_page or login_page
    is_for_login = isinstance(refusal, Unauthenticated | StepUpRequired) and not has_bearer(request)
    if not is_for_login or not is_page_request(request) or request.path == page.partition("?")[0]:
        return None
    wanted = own_path(root_path + path_with_query(request.path, request.query))
    return Reply.redirect(add_query(root_path + page, next=wanted))


def is_page_request(request: Request) -> bool:
    """Return True if a browser asked for a page to show, and no script, frame of data or WebSocket did."""
    modes = request.values(b"sec-fetch-mode")
    is_script = request.values(b"upgrade") or request.values(b"x-requested-with") or modes not in ([], [b"navigate"])
    return request.method == "GET" and not is_script and _accepts_html(request)


def _accepts_html(request: Request) -> bool:
    # A script that names no type sends */*: only a browser that shows a page names text/html.
    ranges = [each.strip(b" \t").lower() for value in request.values(b"accept") for each in value.split(b",")]
    return any(each.partition(b";")[0].rstrip(b" \t") == b"text/html" for each in ranges)
