"""The routes of ``front`` as coroutines of Django, served by ASGI."""

from integrations.fronts.django_front import ASYNC_FRONT

FRONT = ASYNC_FRONT
