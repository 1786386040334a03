"""Applications of Flask and Django: a bare route, the same with Keyturn, and with the usual choice."""

from pathlib import Path
from typing import Any

from bench.fixtures import ISSUER
from bench.framework_sides import HOST, SECRET, USERS, Applications, Peer
from bench.requests import BROWSER_HEADERS
from keyturn import Issuer

_AGENT = dict(BROWSER_HEADERS)[b"user-agent"].decode()


def flask_applications(issuer: Issuer, _folder: Path) -> Applications:
    """Return applications of Flask. Its usual choices: Flask-Login for a website, Flask-JWT-Extended for an API."""
    from flask import Flask

    from keyturn.integrations.flask import Keyturn

    plain, protected = Flask(__name__), Flask(__name__)
    plain.add_url_rule("/", view_func=_hello)
    auth = Keyturn(protected, issuer)
    protected.add_url_rule("/", view_func=auth.required(_hello))
    return Applications({"bare route": plain}, protected, (_flask_login(), _flask_jwt()))


def _hello() -> str:
    return "hello"


def _flask_login() -> Peer:
    from flask import Flask
    from flask_login import LoginManager, UserMixin, login_required, login_user

    class User(UserMixin):  # type: ignore[misc]  # Flask-Login has no types
        id = "ada"

    app = Flask(__name__)
    app.config.update(SECRET_KEY=SECRET)
    LoginManager(app).user_loader(lambda name: User() if name in USERS else None)
    app.add_url_rule("/", view_func=login_required(_hello))
    app.add_url_rule("/login", "login", lambda: str(login_user(User())))
    client = app.test_client()
    # The session holds a digest of the address and the User-Agent.
    client.get("/login", base_url=ISSUER, headers={"User-Agent": _AGENT}, environ_base={"REMOTE_ADDR": "203.0.113.7"})
    session = client.get_cookie("session", HOST)
    assert session is not None
    return Peer("Flask-Login", app, "cookie", f"theme=dark; session={session.value}")


def _flask_jwt() -> Peer:
    from flask import Flask
    from flask_jwt_extended import JWTManager, create_access_token, jwt_required

    app = Flask(__name__)
    app.config.update(JWT_SECRET_KEY=SECRET)
    JWTManager(app)
    app.add_url_rule("/", view_func=jwt_required()(_hello))
    with app.app_context():
        return Peer("Flask-JWT-Extended", app, "authorization", f"Bearer {create_access_token('ada')}")


def django_applications(issuer: Issuer, folder: Path) -> Applications:
    """Return applications of Django. Its usual choice: users, and sessions in the database, here SQLite."""
    _set_up_django(issuer, folder)
    from django.contrib.auth.decorators import login_required
    from django.http import HttpResponse
    from django.urls import include, path

    from keyturn.integrations.django import required

    def hello(_: Any) -> HttpResponse:
        return HttpResponse("hello")

    session = "django.contrib.sessions.middleware.SessionMiddleware"
    users = "django.contrib.auth.middleware.AuthenticationMiddleware"
    keyturn = "keyturn.integrations.django.middleware.KeyturnMiddleware"
    usual = _handler(path("", login_required(hello)), middleware=(session, users))
    endpoints = path("", include("keyturn.integrations.django.urls"))
    return Applications(
        {"bare route": _handler(path("", hello))},
        _handler(path("", required(hello)), endpoints, middleware=(keyturn,)),
        (Peer("its sessions and users, SQLite", usual, "cookie", f"theme=dark; sessionid={_log_in()}"),),
    )


def _set_up_django(issuer: Issuer, folder: Path) -> None:
    import django
    from django.conf import settings
    from django.core.management import call_command

    settings.configure(
        SECRET_KEY=SECRET,
        ALLOWED_HOSTS=[HOST],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "django.db"}},
        INSTALLED_APPS=[
            *(f"django.contrib.{name}" for name in ("auth", "contenttypes", "sessions")),
            "keyturn.integrations.django",
        ],
        KEYTURN={"INSTANCE": issuer},
    )
    django.setup()
    call_command("migrate", verbosity=0)


def _handler(*urls: Any, middleware: tuple[str, ...] = ()) -> Any:
    """Return a WSGI application with the middleware of every project and some more."""
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.test import override_settings

    security, common, csrf = (
        f"django.middleware.{name}"
        for name in ("security.SecurityMiddleware", "common.CommonMiddleware", "csrf.CsrfViewMiddleware")
    )
    with override_settings(MIDDLEWARE=[security, *middleware, common, csrf]):
        handler: Any = WSGIHandler()
    # Django has one URLconf in a process.
    handler.prepare = lambda: setattr(settings, "ROOT_URLCONF", urls)
    return handler


def _log_in() -> str:
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.create_user("ada"))
    return client.cookies["sessionid"].value
