"""Django, for WSGI and ASGI: the endpoints as URLs, decorators for views, and refusals rendered by a middleware.

A project names this package in ``INSTALLED_APPS``, ``middleware.KeyturnMiddleware`` in ``MIDDLEWARE``, ``urls`` in its
URLs, and has a setting ``KEYTURN``, which ``project`` describes.
"""

from keyturn.integrations.django.decorators import KeyturnRequest, LoginRequiredMixin, optional, required
from keyturn.integrations.django.pages import add_login, add_logout, form_csrf_token
from keyturn.integrations.django.project import issuer

__all__ = [
    "KeyturnRequest",
    "LoginRequiredMixin",
    "add_login",
    "add_logout",
    "form_csrf_token",
    "issuer",
    "optional",
    "required",
]
