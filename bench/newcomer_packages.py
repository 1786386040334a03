"""Packages of the newcomer's count: what is installed, how it is served, and the documentation that was followed."""

from typing import NamedTuple

from bench import newcomer_journeys as journeys

UVICORN = "python -m uvicorn app:app --port {port}"
_DJANGO = ("django-admin startproject project .", "python manage.py migrate")
_RUNSERVER = "python manage.py runserver --noreload {port}"


class Package(NamedTuple):
    """One package. ``install``: what pip is given, the package itself first. ``serve``: command of the server.

    ``prepare``: commands between the two. ``source``: documentation that the application follows. ``store``: where it
    keeps accounts and logins. ``none``: why no request ends a login on another device; empty if one does.
    """

    name: str
    folder: str
    install: tuple[str, ...]
    journey: type[journeys.Journey]
    source: str
    store: str
    serve: str = UVICORN
    prepare: tuple[str, ...] = ()
    none: str = ""


PACKAGES = (
    Package(
        "keyturn",
        "keyturn",
        ("keyturn[fastapi]", "uvicorn"),
        journeys.KeyturnJourney,
        "docs/tutorial/fastapi.md",
        "SQLite",
    ),
    Package(
        "better-auth-server",
        "better_auth",
        ("better-auth-server[fastapi]", "uvicorn"),
        journeys.BetterAuthJourney,
        "https://pypi.org/project/better-auth-server/",
        "memory of the process",
    ),
    Package(
        "crudauth",
        "crudauth",
        ("crudauth", "sqlalchemy[asyncio]", "aiosqlite", "uvicorn"),
        journeys.CrudauthJourney,
        "https://benavlabs.github.io/crudauth/guides/accounts/session-management/",
        "SQLite; logins in memory",
    ),
    Package(
        "fastapi-users",
        "fastapi_users",
        ("fastapi-users[sqlalchemy]", "aiosqlite", "uvicorn"),
        journeys.FastapiUsersJourney,
        "https://fastapi-users.github.io/fastapi-users/latest/configuration/full-example/",
        "SQLite; no logins",
        none="its logout forgets the token on the client",
    ),
    Package(
        "fastapi",
        "fastapi_tutorial",
        ("fastapi", "pyjwt", "pwdlib[argon2]", "python-multipart", "uvicorn"),
        journeys.TutorialJourney,
        "https://fastapi.tiangolo.com/tutorial/security/oauth2-jwt/",
        "the source; no logins",
        none="the tutorial has no logout",
    ),
    Package(
        "django-allauth",
        "allauth",
        ("django-allauth[headless]",),
        journeys.AllauthJourney,
        "https://docs.allauth.org/en/latest/headless/installation.html",
        "SQLite",
        _RUNSERVER,
        _DJANGO,
    ),
    Package(
        "djangorestframework-simplejwt",
        "simplejwt",
        ("djangorestframework-simplejwt",),
        journeys.SimpleJwtJourney,
        "https://django-rest-framework-simplejwt.readthedocs.io/en/latest/getting_started.html",
        "SQLite; refresh tokens",
        _RUNSERVER,
        (*_DJANGO, "python manage.py createsuperuser --noinput --username ada --email ada@example.com"),
        none="its blacklist holds refresh tokens, one by one",
    ),
    Package(
        "flask-jwt-extended",
        "flask_jwt_extended",
        ("flask-jwt-extended",),
        journeys.FlaskJwtJourney,
        "https://flask-jwt-extended.readthedocs.io/en/stable/basic_usage.html",
        "the source; no logins",
        "python -m flask --app app run --port {port}",
        none="a blocklist is left to the application, one token at a time",
    ),
    Package(
        "litestar",
        "litestar_jwt",
        ("litestar[jwt]", "pydantic", "uvicorn"),
        journeys.LitestarJwtJourney,
        "https://docs.litestar.dev/latest/usage/security/jwt.html",
        "memory; no logins",
        none="a list of revoked tokens is left to the application",
    ),
)
