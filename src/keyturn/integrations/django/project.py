"""The authentication of the project, as the setting ``KEYTURN`` describes it."""

from collections.abc import Callable, Mapping
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.core.signals import setting_changed
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject
from django.utils.module_loading import import_string

from keyturn import Principal, Verifier
from keyturn.web import wsgi_integration as web

if TYPE_CHECKING:
    from keyturn import Issuer

_OPTIONS = tuple(web.Options.__annotations__)
_lock = Lock()
_integrations: list[web.WsgiIntegration] = []


def integration() -> web.WsgiIntegration:
    """Return the authentication of the project. It is built on first use. Raises ``ConfigurationError``.

    ``settings.KEYTURN`` has in upper case the options of ``web.Options``, and the settings of an issuer. ``INSTANCE``
    replaces those by an ``Issuer`` or a ``Verifier`` of your own.
    """
    if not _integrations:
        with _lock:
            if not _integrations:
                _integrations.append(_build(getattr(settings, "KEYTURN", {})))
    return _integrations[0]


def issuer() -> "Issuer":
    """Return the issuer of the project. Raises ``ConfigurationError``, also for a resource server, which has none."""
    return integration().issuer


def user_loader(request: HttpRequest, principal: Principal) -> Callable[[], Any] | None:
    """Return a function that loads the user of a principal; None if the project keeps no accounts of its own.

    It raises ``TokenRevoked`` if the user is inactive or deleted.
    """
    auth = integration()
    return partial(auth.load_user, request.META, principal) if auth.has_own_accounts else None


def set_user(request: HttpRequest, load: Callable[[], Any]) -> None:
    """Give a request ``user``, which is loaded on first use, and ``auser()``."""
    vars(request).update(user=SimpleLazyObject(load), auser=sync_to_async(load))


def environ_of(request: HttpRequest) -> dict[str, Any]:
    """Return the WSGI environment of a request, with its body. ASGI requests get one as PEP 3333 describes it."""
    environ: dict[str, Any] = request.META
    if isinstance(request, ASGIRequest):
        paths = {name: environ[name].encode().decode("latin-1") for name in ("SCRIPT_NAME", "PATH_INFO")}
        target = request.scope.get("raw_path", b"").decode("latin-1")
        body = {"wsgi.input": request, "wsgi.input_terminated": True, "wsgi.url_scheme": request.scheme}
        return {**environ, **paths, **body, "RAW_URI": target}
    # A middleware that has read the body keeps it in the request.
    return {**environ, "wsgi.input": request} if getattr(request, "_read_started", False) else environ


def response_of(reply: web.Reply) -> HttpResponse:
    """Return a reply of Keyturn as a response of Django."""
    response = HttpResponse(reply.body, status=reply.status)
    for name, value in web.text_headers(reply):
        if name == "set-cookie":
            response.cookies.load(value)
        else:
            response.headers[name] = value
    return response


def issuer_settings(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of an issuer in ``KEYTURN``, as the environment has them."""
    others = ("instance", "accounts", "grants", *_OPTIONS)
    return {name.lower(): str(value) for name, value in given.items() if name.lower() not in others}


def _build(given: Mapping[str, Any]) -> web.WsgiIntegration:
    named = {name.lower(): value for name, value in given.items()}
    options = cast(web.Options, {name: named.pop(name) for name in _OPTIONS if name in named})
    if isinstance(named.get("accounts"), str):
        named["accounts"] = import_string(named["accounts"])
    instance = named.pop("instance", None)
    if isinstance(instance, Verifier):
        return web.WsgiIntegration(None, {**options, "verifier": instance})
    return web.WsgiIntegration(instance, options, named)


def _forget(*, setting: str, **_: object) -> None:
    if setting == "KEYTURN":
        _integrations.clear()


setting_changed.connect(_forget)
