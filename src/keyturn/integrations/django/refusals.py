"""The refusal of a request, wherever it was raised: Django lets middleware answer the exceptions of views only."""

from django.http import HttpRequest, HttpResponse

from keyturn import Refusal
from keyturn.integrations.django.project import environ_of, integration, response_of

_REFUSAL = "keyturn.refusal"


def set_refusal(request: HttpRequest, refusal: Refusal) -> None:
    """Let the middleware answer a request with a refusal, whatever its view or another middleware answers."""
    request.META.setdefault(_REFUSAL, refusal)


def is_refused(request: HttpRequest) -> bool:
    """Return True if ``set_refusal`` was called for a request."""
    return _REFUSAL in request.META


def refusal_of(request: HttpRequest) -> HttpResponse | None:
    """Return the response of the refusal of a request, if it has one."""
    refusal = request.META.get(_REFUSAL)
    return None if refusal is None else response_of(integration().refuse(refusal, environ_of(request)))
