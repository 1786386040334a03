"""URLs of the endpoints: ``path("", include("keyturn.integrations.django.urls"))``."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from keyturn.integrations.django.project import environ_of, integration, response_of


@login_not_required
@csrf_exempt  # each endpoint makes the check of Keyturn
def answer(request: HttpRequest, **_: str) -> HttpResponse:
    """Answer a request of an endpoint."""
    return response_of(integration().answer(environ_of(request)))


app_name = "keyturn"
urlpatterns = [path(rule[1:], answer) for rule in integration().rules]
