"""Decorators of views, for functions and coroutines, and a mixin for classes of views."""

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import Any, ClassVar, TypeVar, cast, overload

from asgiref.sync import iscoroutinefunction, sync_to_async  # pyright: ignore[reportDeprecated]
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.generic import View

from keyturn import Principal
from keyturn.integrations.django.project import integration
from keyturn.web.wsgi_integration import Requirement

AnyView = TypeVar("AnyView", bound=Callable[..., HttpResponseBase | Awaitable[HttpResponseBase]])


class KeyturnRequest(HttpRequest):
    """Type of the request of a decorated view. ``principal`` is None for an anonymous request."""

    principal: Principal


@overload
def required(view: AnyView, /) -> AnyView: ...
@overload
def required(*scopes: str, fresh: int | None = None) -> Callable[[AnyView], AnyView]: ...
def required(*given: Any, fresh: int | None = None) -> Any:
    """Decorate a view that needs a login. ``scopes``: all of them. ``fresh``: oldest authentication, in seconds.

    The view is exempt from Django's CSRF check: the request was authenticated with the one of Keyturn.
    """
    if given and callable(given[0]):
        return _decorate(Requirement(), cast(Callable[..., HttpResponseBase], given[0]))
    return partial(_decorate, Requirement(given, fresh))


def optional(view: AnyView) -> AnyView:
    """Decorate a view for anonymous requests, too. ``request.principal`` is None then."""
    return _decorate(None, view)


class LoginRequiredMixin(View):
    """Class of views that need a login, as ``required``."""

    keyturn_scopes: ClassVar[tuple[str, ...]] = ()
    keyturn_fresh: ClassVar[int | None] = None

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """Return the view, decorated."""
        return required(*cls.keyturn_scopes, fresh=cls.keyturn_fresh)(super().as_view(**initkwargs))


def _decorate(requirement: Requirement | None, view: AnyView) -> AnyView:
    @wraps(view)
    def wrapper(request: KeyturnRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        request.principal = cast(Principal, integration().identify(request.META, requirement))
        return cast(HttpResponseBase, view(request, *args, **kwargs))

    @wraps(view)
    async def async_wrapper(request: KeyturnRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        request.principal = cast(Principal, await _identify_async(request, requirement))
        return await cast(Awaitable[HttpResponseBase], view(request, *args, **kwargs))

    is_async = iscoroutinefunction(view)  # pyright: ignore[reportDeprecated]
    chosen: Any = async_wrapper if is_async else wrapper
    if requirement is not None:  # An optional view may trust cookies of Django as well: it keeps the check of Django.
        chosen.csrf_exempt = True
        chosen.login_required = False  # ``LoginRequiredMiddleware`` would ask before this decorator does
    return cast(AnyView, chosen)


async def _identify_async(request: HttpRequest, requirement: Requirement | None) -> Principal | None:
    auth = integration()
    found = auth.identify_cached(request.META, requirement)
    # Accounts of the project use database connections, which Django keeps and checks in its own thread only.
    return found or await sync_to_async(auth.identify)(request.META, requirement)
