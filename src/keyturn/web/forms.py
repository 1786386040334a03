"""HTML forms: the endpoints of JSON for a page without a script. The answer is a redirect to the next page.

A browser sends a form of any site without asking this one first (no CORS preflight). Therefore a form is judged by
its origin, and by a hidden token where the policy wants one or where a browser names no origin.
"""

from dataclasses import replace

from keyturn.core.types import Instant
from keyturn.errors import Refusal, Unauthenticated, UnsupportedMediaType
from keyturn.flows.effects import Flow
from keyturn.web.config import WebConfig
from keyturn.web.credentials import has_bearer
from keyturn.web.endpoints.session import post_logout
from keyturn.web.form_token import require_form_token
from keyturn.web.guard import refuse_cross_origin
from keyturn.web.message import NO_STORE, Header, Reply, Request
from keyturn.web.parse import FORM_TYPE, media_types, read_form
from keyturn.web.paths import add_query, own_path
from keyturn.web.route import Route
from keyturn.web.schemas import PageForm


def call_endpoint(route: Route, request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """Call the endpoint of ``route``. Answer an HTML form with a redirect. Raises as the endpoint."""
    # Browsers add no bearer token to a form: a client that sends one gets JSON.
    if route.form is None or (route.schemes and has_bearer(request)):
        return (yield from route.endpoint(request, now, config))
    types = media_types(request)
    if FORM_TYPE in types:
        return (yield from _answer_form(route, request, now, config))
    if "multipart/form-data" in types:
        raise UnsupportedMediaType(FORM_TYPE, "a form in another encoding")
    if "text/plain" in types:
        # A form may have this encoding, too, and a logout has no body that would be refused for it.
        request = replace(request, form_token="")
    return (yield from route.endpoint(request, now, config))


def _answer_form(route: Route, request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    # Another site does not choose a page to return to: check the origin before the fields.
    refuse_cross_origin(request, config)
    form = read_form(request, PageForm)
    try:
        cookies = yield from _submit(route, replace(request, form_token=form.csrf_token), now, config)
    except Refusal as refusal:
        return _return(form, refusal)
    return Reply.redirect(own_path(form.next), headers=(*NO_STORE, *cookies))


def _submit(route: Route, request: Request, now: Instant, config: WebConfig) -> Flow[list[Header]]:
    """Return the cookies of the endpoint's reply."""
    if not route.schemes:
        yield from require_form_token(request, now, config)
    try:
        reply = yield from route.endpoint(request, now, config)
    except Unauthenticated:
        if route.endpoint is post_logout:
            return []  # The session has ended before: the logout of a page that was open for long.
        raise
    return [each for each in reply.headers if each[0] == b"set-cookie"]


def _return(form: PageForm, refusal: Refusal) -> Reply:
    """Redirect to the page of the form. Raise the refusal if the form names none."""
    back = own_path(form.back, "")
    if not back:
        raise refusal
    facts = {"error": refusal.code}
    # RFC 9110 section 10.2.3: Retry-After in a redirect would delay the redirect itself.
    if refusal.retry_after_seconds is not None:
        facts["retry_after"] = str(refusal.retry_after_seconds)
    if form.next:
        facts["next"] = own_path(form.next)
    return replace(Reply.redirect(add_query(back, **facts)), refusal=refusal)
