"""Settings of the Django project of the tests. Django has one set of them in a process: import this module first."""

import django
from django.conf import settings

if not settings.configured:
    settings.configure(
        SECRET_KEY="made up for the tests",
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "keyturn.integrations.django",
        ],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "keyturn.integrations.django.middleware.KeyturnMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
        ],
        ROOT_URLCONF="integrations.fronts.django_urls",
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "loaders": [("django.template.loaders.locmem.Loader", {"form.html": "{{ keyturn_csrf_token }}"})],
                    "context_processors": ["keyturn.integrations.django.pages.context"],
                },
            }
        ],
    )
    django.setup()
