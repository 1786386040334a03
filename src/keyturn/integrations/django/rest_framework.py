"""Django REST framework: an authentication class, and permissions for scopes and recent authentication."""

from typing import Any

from django.utils.functional import SimpleLazyObject
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from keyturn import Principal
from keyturn.integrations.django.project import integration, user_loader
from keyturn.web.wsgi_integration import Requirement


class PrincipalUser:
    """User of a request where the project keeps no accounts of its own: its principal. ``pk``: the subject."""

    is_authenticated = True
    is_anonymous = False
    is_active = True

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.pk = principal.subject

    def __str__(self) -> str:
        return self.pk


class KeyturnAuthentication(BaseAuthentication):
    """Authentication by session cookie or access token. ``request.auth`` is the principal.

    ``request.user`` is the user of the project's accounts, who is loaded on first use.
    """

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """Return the user and the principal; None for an anonymous request. Raises refusals."""
        principal = integration().identify(request.META, None)
        if principal is None:
            return None
        load = user_loader(request, principal)
        return PrincipalUser(principal) if load is None else SimpleLazyObject(load), principal

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401 (RFC 6750 section 3)."""
        return "Bearer"


def permission(*scopes: str, fresh: int | None = None) -> type[BasePermission]:
    """Return a permission class that requires a login. ``scopes`` and ``fresh`` as in ``required``."""

    class KeyturnPermission(BasePermission):
        def has_permission(self, request: Request, view: object) -> bool:
            integration().identify(request.META, Requirement(scopes, fresh))
            return True

    return KeyturnPermission
