"""Refusals as pages, with the code and the hint of the API."""

from keyturn.core.types import Instant
from keyturn.errors import Refusal, Unauthenticated
from keyturn.pages.renderer import Renderer, html_reply
from keyturn.web.login_redirect import login_redirect
from keyturn.web.message import Reply, Request


def refusal_page(renderer: Renderer, request: Request, now: Instant, refusal: Refusal) -> Reply:
    """Return the page of a refusal. A browser that asked for a page is sent to the login page if that helps."""
    redirect = login_redirect(request, refusal, "/login", step_up_page="/account/confirm")
    if redirect is not None:
        return redirect
    language = renderer.language(request)
    text = language.texts.get(f"error.{refusal.code}", refusal.hint)
    shown = {"refusal": refusal, "text": text, "is_login": isinstance(refusal, Unauthenticated), "now": now}
    return html_reply(refusal.status, renderer.render("error.html", language, **shown), refusal=refusal)
