"""Flask: the endpoints, decorators for views, and refusals in the application's error handling."""

from collections.abc import Callable, Iterable
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Any, ParamSpec, TypeVar, Unpack, cast, overload

from flask import Blueprint, Flask, Response, after_this_request, current_app, request
from werkzeug.local import LocalProxy
from werkzeug.wrappers import Response as AnyResponse

from keyturn import Principal, Refusal
from keyturn.web import wsgi_integration as web

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Response = TypeVar("_Response", bound=AnyResponse)


class Keyturn:
    """Flask extension. ``app``, ``issuer``: as ``init_app``. ``options``: as ``web.Options``."""

    def __init__(
        self, app: Flask | None = None, issuer: web.IssuerLike | None = None, **options: Unpack[web.Options]
    ) -> None:
        self._options = options
        if app is not None:
            self.init_app(app, issuer)

    def init_app(self, app: Flask, issuer: web.IssuerLike | None = None) -> None:
        """Add the endpoints and the error handler to an application. Raises ``ConfigurationError``.

        ``issuer``: by default one with the settings ``KEYTURN_...`` of ``app.config``, else of the environment.
        """
        auth = web.WsgiIntegration(issuer, self._options, app.config.get_namespace("KEYTURN_"))
        app.extensions.setdefault("keyturn", {})[self] = auth
        app.register_error_handler(Refusal, lambda refusal: _response(auth.refuse(refusal, request.environ)))
        app.add_template_global(self.csrf_token, "keyturn_csrf_token")
        app.wsgi_app = auth.with_cors(app.wsgi_app)  # type: ignore[assignment]
        if auth.rules:
            answer, blueprint = partial(_answer, auth), Blueprint("keyturn", __name__)
            for rule in auth.rules:
                blueprint.add_url_rule(rule, "answer", answer, methods=web.METHODS, provide_automatic_options=False)
            app.register_blueprint(blueprint)

    @property
    def auth(self) -> web.WsgiIntegration:
        """The authentication of the current application. Raises ``RuntimeError`` before ``init_app``."""
        found: dict[Keyturn, web.WsgiIntegration] = current_app.extensions.get("keyturn", {})
        if self in found:
            return found[self]
        raise RuntimeError("this Keyturn is not part of the application: call init_app(app) first")

    @property
    def issuer(self) -> "web.Issuer":
        """The issuer of the current application. Raises as ``auth``; ``ConfigurationError`` at a resource server."""
        return self.auth.issuer

    @property
    def user(self) -> Any:
        """The application's own object of the principal. Raises as ``load_user``, ``RuntimeError`` as ``principal``."""
        return self.auth.load_user(request.environ, web.current_principal(request.environ))

    @overload
    def required(self, view: Callable[_P, _R], /) -> Callable[_P, _R]: ...
    @overload
    def required(self, *scopes: str, fresh: int | None = None) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...
    def required(self, *given: Any, fresh: int | None = None) -> Any:
        """Decorate a view that needs a login. ``scopes``: all of them. ``fresh``: oldest authentication, in seconds."""
        if given and callable(given[0]):
            return self.required()(given[0])
        return partial(self._decorate, web.Requirement(given, fresh))

    def optional(self, view: Callable[_P, _R]) -> Callable[_P, _R]:
        """Decorate a view for anonymous requests, too. ``principal`` is false then."""
        return self._decorate(None, view)

    def add_login(self, response: _Response, issued: web.IssuedCredentials) -> _Response:
        """Add the cookies of a login to a response of your own. ``issued``: what a method of the issuer returned."""
        return _add_cookies(response, self.auth.pages.login_cookies(issued))

    def add_logout(self, response: _Response) -> _Response:
        """Delete the login cookies by a response of your own. Revoke the session first."""
        return _add_cookies(response, self.auth.pages.logout_cookies())

    def csrf_token(self) -> str:
        """Return the hidden field of each form of this page. Templates call it as ``keyturn_csrf_token()``."""
        token = self.auth.form_token(request.environ)
        after_this_request(lambda response: _add_cookies(response, token.cookies))
        return token.token.reveal()

    def _decorate(self, requirement: web.Requirement | None, view: Callable[_P, _R]) -> Callable[_P, _R]:
        is_async = iscoroutinefunction(view)

        @wraps(view)
        def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            self.auth.identify(request.environ, requirement)
            return cast(_R, current_app.ensure_sync(view)(*args, **kwargs)) if is_async else view(*args, **kwargs)

        return wrapper


# Not in flask.g, which the requests of one application context share.
principal = cast(Principal, LocalProxy(lambda: web.current_principal(request.environ)))
"""Principal of the request; false for an anonymous one. Raises ``RuntimeError`` in a view that has no decorator."""


def _add_cookies(response: _Response, cookies: Iterable[str]) -> _Response:
    present = response.headers.getlist("Set-Cookie")
    response.headers.extend(("Set-Cookie", each) for each in cookies if each not in present)
    response.headers["Cache-Control"] = "no-store"
    return response


def _response(reply: web.Reply) -> Response:
    return Response([reply.body], reply.status, web.text_headers(reply))  # the list keeps the Content-Length of HEAD


def _answer(auth: web.WsgiIntegration, **_: str) -> Response:
    return _response(auth.answer(request.environ))
