"""Settings of the project. Those of Keyturn are the last ones."""

import os
from pathlib import Path

DATA = Path(os.environ.get("KEYTURN_DATA_DIR", "keyturn-data"))
DATA.mkdir(mode=0o700, exist_ok=True)

DEBUG = True  # for ``manage.py runserver``; with False, set ALLOWED_HOSTS
SECRET_KEY = os.environ.get("SECRET_KEY", "of this example: choose your own")
ROOT_URLCONF = "club.urls"
STATIC_URL = "/static/"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA / "club.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "keyturn.integrations.django",
    "club",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "keyturn.integrations.django.middleware.KeyturnMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "keyturn.integrations.django.users.UserMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "keyturn.integrations.django.pages.context",
            ]
        },
    }
]

# Argon2 first: Keyturn writes such hashes.
PASSWORD_HASHERS = [f"django.contrib.auth.hashers.{each}PasswordHasher" for each in ("Argon2", "PBKDF2")]
KEYTURN = {
    "ACCOUNTS": "keyturn.integrations.django.accounts.UserAccounts",
    "CREDENTIALS": "session",
    "LOGIN_PAGE": "/login",
}
