"""Signals of the user model: what the project changes by itself ends sessions at once.

``update()`` and SQL send no signals: the issuer finds them within a minute of use.
"""

import logging
from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import get_hasher, identify_hasher
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models.signals import post_delete, post_save, pre_save

from keyturn import Issuer, Refusal
from keyturn.core.types import Subject
from keyturn.integrations.django.project import integration

_LOGIN_FIELDS = frozenset({"last_login"})
_PASSWORD_FIELDS = frozenset({"password"})
_logger = logging.getLogger("keyturn")


def connect_users() -> None:
    """Listen to the user model, and to the models that inherit from it. A project without users has none."""
    try:
        model = get_user_model()
    except ImproperlyConfigured:
        return
    for sender in (each for each in apps.get_models() if issubclass(each, model)):
        pre_save.connect(announce_upgrade, sender, dispatch_uid="keyturn")
        post_save.connect(check_saved, sender, dispatch_uid="keyturn")
        post_delete.connect(check_deleted, sender, dispatch_uid="keyturn")


def announce_upgrade(sender: Any, instance: Any, update_fields: frozenset[str] | None, using: str, **_: object) -> None:
    """Mark a hash that Django makes of the same password at a login, before it is stored."""
    # Django clears the raw password before it saves an upgrade. One that was set before is no sign of it: an upgrade
    # also replaces a hash that is outdated by PASSWORD_HASHERS.
    has_cleared, new = "_password" in vars(instance) and instance._password is None, instance.password
    if update_fields == _PASSWORD_FIELDS and has_cleared and _is_outdated(sender, instance.pk, using):
        _call(lambda source, subject: source.parts.own_accounts.announce_upgrade(subject, new), instance.pk)


def check_saved(instance: Any, created: bool, raw: bool, using: str, **given: Any) -> None:
    """End the sessions of a user who became inactive, or got another password, when the change is committed."""
    if not created and not raw and given["update_fields"] != _LOGIN_FIELDS:
        _check_after_commit(instance.pk, using)


def check_deleted(instance: Any, using: str, **_: object) -> None:
    """End the sessions of a user who was deleted, when that is committed."""
    _check_after_commit(instance.pk, using)


def _check_after_commit(key: object, using: str) -> None:
    def check() -> None:
        _call(Issuer.check_account, key)

    connection = transaction.get_connection(using)
    if connection.in_atomic_block or connection.get_autocommit():
        transaction.on_commit(check, using)
    else:
        check()  # the project commits by itself, and tells no one when


def _call(function: Callable[[Issuer, Subject], object], key: object) -> None:
    """Call a function, unless the accounts are no users of the project. Its refusal must not undo what was saved."""
    try:
        auth = integration()
        if auth.has_own_accounts:
            function(auth.issuer, Subject(str(key)))
    except Refusal as refusal:
        _logger.warning("the sessions of a changed user end within a minute of use, not at once: %s", refusal.detail)


def _is_outdated(model: Any, key: object, using: str) -> bool:
    stored = model._base_manager.using(using).filter(pk=key).values_list("password", flat=True).first() or ""
    try:
        algorithm, preferred = identify_hasher(stored).algorithm, get_hasher()
    except ValueError:
        return False
    return algorithm != preferred.algorithm or preferred.must_update(stored)
