"""Accounts of Keyturn that are the users of the project: ``KEYTURN["ACCOUNTS"]`` names ``UserAccounts``."""

from typing import Any, cast

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import is_password_usable
from django.db import IntegrityError, router, transaction

from keyturn.accounts import Login


class UserAccounts:
    """Accounts over the user model, read from the database that is written to. The subject is the primary key."""

    password_encoding = "django"  # noqa: S105 - the name of an encoding

    def find(self, identifier: str) -> Login | None:
        """Return the account of a user name, as the login of Django finds it."""
        model = _model()
        try:
            return _login(_user_manager().get_by_natural_key(identifier))
        except model.DoesNotExist:
            return None

    def load(self, subject: str) -> Login | None:
        """Return the account of a primary key."""
        user = self.user(subject)
        return None if user is None else _login(user)

    def user(self, subject: str) -> AbstractBaseUser | None:
        """Return the user of a primary key. A text that is no key of the model is of no user."""
        try:
            return cast("AbstractBaseUser | None", _user_manager().filter(pk=subject).first())
        except (ValueError, TypeError):
            return None

    def set_password(self, subject: str, new: str, expected: str) -> bool:
        """Replace a hash if it is ``expected``, in one UPDATE."""
        return bool(_user_manager().filter(pk=subject, password=expected).update(password=new))

    def create(self, identifier: str, password_hash: str) -> Any:
        """Create a user; None if the name is taken."""
        model, database = _model(), _database()
        user = model(**{model.USERNAME_FIELD: identifier, "password": password_hash})
        try:
            with transaction.atomic(using=database):
                user.save(force_insert=True, using=database)
        except IntegrityError:
            return None
        return user.pk

    def normalise(self, text: str) -> str:
        """Return the spelling of a user name that the model stores."""
        return str(_model().normalize_username(text))


def _model() -> Any:
    return get_user_model()


def _database() -> str:
    return router.db_for_write(_model())


def _user_manager() -> BaseUserManager[Any]:
    return cast("BaseUserManager[Any]", _model()._default_manager.db_manager(_database()))


def _login(user: AbstractBaseUser) -> Login:
    password = user.password if is_password_usable(user.password) else None
    return Login(
        subject=user.pk,
        password_hash=password,
        active=user.is_active,
        identifier=user.get_username(),
        created_at=getattr(user, "date_joined", None),
    )
