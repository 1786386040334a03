"""The application's own object of the caller of a request, which is loaded once."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

from keyturn.core.principal import Principal
from keyturn.core.types import Subject
from keyturn.errors import TokenRevoked, Unauthenticated

_USERS = "keyturn.loaded_users"


class LoadedUsers(dict[Subject, Any]):
    """Objects that were loaded for one request, by their subjects. ``lock``: of dependencies that run concurrently."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = asyncio.Lock()


def loaded_users(request: MutableMapping[str, Any], owner: object) -> LoadedUsers:
    """Return what ``owner``, an integration, has loaded for a request: an ASGI scope or a WSGI environment."""
    by_owner: dict[object, LoadedUsers] = request.setdefault(_USERS, {})
    return by_owner.setdefault(owner, LoadedUsers())


def require_principal(principal: Principal | None) -> Principal:
    """Return the principal. Raises ``Unauthenticated`` for an anonymous request."""
    if principal is None:
        raise Unauthenticated("an anonymous request has no user")
    return principal


def require_user(user: Any) -> Any:
    """Return the object of an account. Raises ``TokenRevoked`` if it is None: inactive or deleted means revoked."""
    if user is None:
        raise TokenRevoked("the account of this session is inactive or deleted")
    return user
