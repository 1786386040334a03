"""The application of ``INSTALLED_APPS``."""

from importlib import import_module

from django.apps import AppConfig
from django.core.checks import register

from keyturn.integrations.django.checks import check_project


class KeyturnConfig(AppConfig):
    """Application ``keyturn``. It has no models."""

    name = "keyturn.integrations.django"
    label = "keyturn"
    verbose_name = "Keyturn"

    def ready(self) -> None:
        """Register the system checks, and listen to changes of users."""
        register(check_project)
        # Models can be imported from here on.
        import_module("keyturn.integrations.django.signals").connect_users()
