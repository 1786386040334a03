"""The pages of the club, the admin, and the endpoints of Keyturn."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import include, path

from keyturn.integrations.django import KeyturnRequest, issuer, required


@required
def home(request: KeyturnRequest) -> HttpResponse:
    devices = issuer().sessions(request.principal.subject)
    return render(request, "club/home.html", {"devices": devices, "here": request.principal.sid})


def login(request: HttpRequest) -> HttpResponse:
    return render(request, "club/login.html", {"next": request.GET.get("next", "/")})


urlpatterns = [
    path("", include("keyturn.integrations.django.urls")),
    path("", home),
    path("login", login),
    path("admin/", admin.site.urls),
]
