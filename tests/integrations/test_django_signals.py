"""Users that a Django project changes by itself: what ends their Keyturn sessions, and what does not."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations.fronts import django_front as front  # noqa: F401  # isort: skip  (it configures Django)

from asgiref.sync import async_to_sync
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import transaction
from django.test import Client, override_settings

from integrations.django_users_project import MIDDLEWARE, TEMPLATES
from integrations.sync_issuer import SETTINGS
from keyturn import ConfigurationError
from keyturn.accounts import session_cache
from keyturn.core.types import Subject
from keyturn.errors import LoginFailed, StoreUnavailable, TokenRevoked
from keyturn.integrations.django import issuer, project, signals

PASSWORD, OTHER = "violet umbrella 7 o clock", "copper lantern 9 in the rain"


class QuickHasher(PBKDF2PasswordHasher):
    """The first of ``PASSWORD_HASHERS``, with few iterations."""

    iterations = 2000


class Cashier(User):
    """A proxy of the user model."""

    class Meta:
        """Its application."""

        proxy = True
        app_label = "auth"


@pytest.fixture(scope="module")
def password_hash() -> str:
    call_command("migrate", verbosity=0)
    signals.connect_users()  # of a model that was made after the start
    return QuickHasher().encode(PASSWORD, "saltOf22CharactersHere")


@pytest.fixture
def ada(password_hash: str) -> Iterator[Any]:
    """Yield a user, with accounts of Keyturn that are the users of the project."""
    named = {name.upper(): value for name, value in SETTINGS.items()}
    with override_settings(
        KEYTURN={**named, "ACCOUNTS": "keyturn.integrations.django.accounts.UserAccounts"},
        ROOT_URLCONF="integrations.django_users_project",
        MIDDLEWARE=MIDDLEWARE,
        TEMPLATES=TEMPLATES,
        PASSWORD_HASHERS=[f"{__name__}.QuickHasher", "django.contrib.auth.hashers.Argon2PasswordHasher"],
    ):
        yield User.objects.create(username="ada", password=password_hash, is_staff=True, is_superuser=True)
        issuer().close()
    User.objects.all().delete()


def log_in() -> str:
    """Open a session that the issuer accepts without a look at the account, and return its token."""
    issued = issuer().open_session(Subject(str(User.objects.get(username="ada").pk)), deliver="both")
    token = issued.session_token.reveal()
    assert is_live(token)
    return token


def is_live(token: str) -> bool:
    try:
        issuer().verify(token)
    except TokenRevoked:
        return False
    return True


def set_password(user: Any) -> None:
    user.set_password(OTHER)
    user.save()


def assign_password(user: Any) -> None:
    user.password = make_password(OTHER)
    user.save(update_fields=["password"])


def assign_password_after_another(user: Any) -> None:
    user.set_password("a first one, and then another")
    user.save()
    assign_password(user)


def deactivate(user: Any) -> None:
    user.is_active = False
    user.save(update_fields=["is_active"])


def deactivate_through_a_proxy(user: Any) -> None:
    deactivate(Cashier.objects.get(pk=user.pk))


def delete_through_a_queryset(user: Any) -> None:
    get_user_model().objects.filter(pk=user.pk).delete()


CHANGES: list[Callable[[Any], None]] = [
    set_password,
    assign_password,
    assign_password_after_another,
    deactivate,
    deactivate_through_a_proxy,
    lambda user: user.delete(),
    lambda user: Cashier.objects.get(pk=user.pk).delete(),
    delete_through_a_queryset,
    lambda user: async_to_sync(user.adelete)(),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_project_ends_the_sessions_at_once(ada: Any, change: Callable[[Any], None]) -> None:
    token = log_in()
    change(ada)
    assert not is_live(token)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("{}/change/", {"username": "ada", "date_joined_0": "2026-01-01", "date_joined_1": "12:00:00"}),
        ("{}/password/", {"usable_password": "true", "password1": OTHER, "password2": OTHER}),
        ("{}/delete/", {"post": "yes"}),
    ],
)
def test_a_change_in_the_admin_ends_the_sessions_at_once(ada: Any, path: str, form: dict[str, str]) -> None:
    User.objects.create(username="root", password=ada.password, is_staff=True, is_superuser=True)
    client = Client(HTTP_HOST="auth.example.com")
    entered = client.post("/admin/login/", {"username": "root", "password": PASSWORD}, secure=True)
    assert entered.status_code == 302
    token = log_in()
    answer = client.post("/admin/auth/user/" + path.format(ada.pk), form, secure=True)
    assert answer.status_code == 302, answer.content
    assert not is_live(token)
    assert client.get("/admin/", secure=True).status_code == 200


def outdate(user: Any) -> None:
    """Store a hash of the same password under weaker parameters, as SQL does: it sends no signal."""
    encoded = PBKDF2PasswordHasher().encode(PASSWORD, "saltOf22CharactersHere", iterations=1000)
    User.objects.filter(pk=user.pk).update(password=encoded)


UPGRADES: dict[str, Callable[[], Any]] = {
    "authenticate": lambda: authenticate(username="ada", password=PASSWORD),
    "check_password": lambda: User.objects.get(username="ada").check_password(PASSWORD),
    "acheck_password": lambda: async_to_sync(User.objects.get(username="ada").acheck_password)(PASSWORD),
    "LoginView": lambda: Client(HTTP_HOST="auth.example.com").post(
        "/enter", {"username": "ada", "password": PASSWORD}, secure=True
    ),
}


@pytest.mark.parametrize("name", UPGRADES)
def test_a_hash_that_django_upgrades_at_login_ends_nothing(ada: Any, name: str) -> None:
    outdate(ada)
    before, token = User.objects.get().password, log_in()
    assert UPGRADES[name]()
    assert User.objects.get().password != before
    issuer().check_account(Subject(str(ada.pk)))
    assert is_live(token)
    set_password(User.objects.get())
    assert not is_live(token)


def test_a_hash_of_keyturn_that_django_replaces_at_login_ends_nothing(ada: Any) -> None:
    outdate(ada)
    issuer().login("ada", PASSWORD)
    assert User.objects.get().password.startswith("argon2$")
    token = log_in()
    assert authenticate(username="ada", password=PASSWORD)
    assert User.objects.get().password.startswith("pbkdf2_sha256$")
    issuer().check_account(Subject(str(ada.pk)))
    assert is_live(token)


def test_other_changes_of_a_user_end_nothing(ada: Any) -> None:
    token = log_in()
    ada.first_name = "Ada"
    ada.save()
    ada.save(update_fields=["last_login"])
    assert User.objects.get().check_password(PASSWORD)
    assert is_live(token)


def test_a_change_ends_the_sessions_when_it_is_committed(ada: Any) -> None:
    token = log_in()
    with transaction.atomic():
        deactivate(ada)
        transaction.set_rollback(True)
    assert is_live(token)
    with transaction.atomic():
        deactivate(ada)
        assert is_live(token)
    assert not is_live(token)


def test_a_change_in_a_transaction_of_the_project_itself_ends_the_sessions(ada: Any) -> None:
    token = log_in()
    transaction.set_autocommit(False)
    try:
        deactivate(ada)
        transaction.commit()
    finally:
        transaction.set_autocommit(True)
    assert not is_live(token)


def test_a_change_without_signals_ends_the_sessions_within_a_minute_of_use(
    ada: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = log_in()
    User.objects.update(is_active=False)
    assert is_live(token)
    monkeypatch.setattr(session_cache, "ACCOUNT_CHECK_SECONDS", 0.0)
    assert not is_live(token)


def test_a_change_is_saved_while_the_store_of_keyturn_is_away(
    ada: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outdate(ada)
    log_in()

    def fail(*_: object) -> None:
        raise StoreUnavailable("no connection")

    with monkeypatch.context() as broken, caplog.at_level(logging.WARNING, "keyturn"):
        for method in ("load", "replace", "replace_and_revoke"):
            broken.setattr(type(issuer().parts.store.accounts), method, fail)
        assert authenticate(username="ada", password=PASSWORD)
        set_password(ada)
    assert "end within a minute of use" in caplog.text
    with pytest.raises(LoginFailed):
        issuer().login("ada", PASSWORD)
    assert issuer().login("ada", OTHER)


@pytest.mark.parametrize("settings", [{"STORE": "memory:"}, {"NONSENSE": "x"}])
def test_a_project_whose_accounts_are_not_its_users_saves_them_as_ever(ada: Any, settings: dict[str, str]) -> None:
    with override_settings(KEYTURN=settings):
        set_password(ada)
        if "NONSENSE" in settings:
            with pytest.raises(ConfigurationError):
                project.integration()
    ada.delete()
    assert User.objects.count() == 0
