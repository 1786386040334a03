"""URLs of the Django project of the tests: each route as a function and, below ``/async``, as a coroutine."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import View

from keyturn.integrations.django import (
    KeyturnRequest,
    LoginRequiredMixin,
    add_login,
    add_logout,
    issuer,
    optional,
    required,
)


def caller(request: KeyturnRequest) -> JsonResponse:
    principal = request.principal
    return JsonResponse({"sid": principal and principal.sid, "subject": principal and principal.subject})


async def async_caller(request: KeyturnRequest) -> JsonResponse:
    return caller(request)


class Orders(LoginRequiredMixin, View):
    keyturn_scopes = ("admin",)

    def get(self, request: KeyturnRequest) -> JsonResponse:
        return caller(request)


class AsyncOrders(LoginRequiredMixin, View):
    async def get(self, request: KeyturnRequest) -> JsonResponse:
        return caller(request)


def bare(request: HttpRequest) -> HttpResponse:
    return HttpResponse("bare")


def enter(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        issued = issuer().login("ada@example.com", request.POST["password"], deliver="cookie")
        return add_login(HttpResponse("in"), issued)
    return render(request, "form.html")


@required
def leave(request: KeyturnRequest) -> HttpResponse:
    issuer().logout(request.principal.sid)
    return add_logout(HttpResponse("out"))


def routes(view: Callable[..., Any]) -> list[Any]:
    return [
        path("private", required(view)),
        path("public", csrf_exempt(optional(view))),
        path("checked-by-django", optional(view)),
        path("admin", required("admin")(view)),
        path("fresh", required(fresh=300)(view)),
    ]


urlpatterns = [
    path("", include("keyturn.integrations.django.urls")),
    path("", include(routes(caller))),
    path("async/", include(routes(async_caller))),
    path("orders", Orders.as_view()),
    path("async-orders", AsyncOrders.as_view()),
    path("bare", bare),
    path("enter", csrf_exempt(enter)),
    path("leave", leave),
    path("broken", required(lambda _: 1 / 0)),
]
