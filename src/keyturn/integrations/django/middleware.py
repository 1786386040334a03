"""Middleware that renders refusals, answers CORS preflights of trusted origins, and gives requests their principal."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction  # pyright: ignore[reportDeprecated]
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from keyturn import Refusal
from keyturn.integrations.django.pages import add_pending_cookies
from keyturn.integrations.django.project import integration, response_of
from keyturn.integrations.django.refusals import refusal_of, set_refusal

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class KeyturnMiddleware:
    """Put it behind ``SecurityMiddleware``. A middleware behind this one may answer refusals before it does."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response
        integration()  # wrong settings stop the start of the server
        self._is_async = iscoroutinefunction(get_response)  # pyright: ignore[reportDeprecated]
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer a request."""
        preflight = integration().preflight(request.META)
        if self._is_async:
            return self._call_async(request, None if preflight is None else response_of(preflight))
        response = self._get_response(request) if preflight is None else response_of(preflight)
        return _complete(request, cast(HttpResponseBase, response))

    async def _call_async(self, request: HttpRequest, preflight: HttpResponseBase | None) -> HttpResponseBase:
        if preflight is not None:
            return preflight
        return _complete(request, await cast(Awaitable[HttpResponseBase], self._get_response(request)))

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Answer a request that a view refused."""
        if not isinstance(exception, Refusal):
            return None
        set_refusal(request, exception)
        return refusal_of(request)


def _complete(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    response = refusal_of(request) or response
    if isinstance(response, StreamingHttpResponse):
        _guard(request, response)
    for name, value in integration().cors_headers(request.META, response.headers):
        if name == "vary":
            patch_vary_headers(response, [value])
        else:
            response.headers[name] = value
    return add_pending_cookies(request, response)


def _guard(request: HttpRequest, response: StreamingHttpResponse) -> None:
    """Let a stream end with the session that its view required."""
    guard = integration().stream_guard(request.META, response.items())
    if guard is None:
        return
    if response.is_async:
        response.streaming_content = guard.guard_async(cast(AsyncIterator[bytes], response.streaming_content))
    else:
        response.streaming_content = guard.guard(cast(Iterator[bytes], response.streaming_content))
