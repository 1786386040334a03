"""The application of ``INSTALLED_APPS``."""

from django.apps import AppConfig


class KeyturnConfig(AppConfig):
    """Application ``keyturn``. It has no models."""

    name = "keyturn.integrations.django"
    label = "keyturn"
    verbose_name = "Keyturn"
