"""Write vectors.json: password hashes as the packages of other people make them.

Run in the development environment: ``python tests/passwords/make_vectors.py``. PHP is not installed there: its lines
were made by ``php -r 'echo password_hash($password, PASSWORD_BCRYPT, ["cost" => 10]);'`` (and ``PASSWORD_ARGON2ID``,
``PASSWORD_ARGON2I``) with PHP 8.2.36, and are kept. The passwords are made up.
"""

import json
from importlib.metadata import version
from pathlib import Path

import django
from django.conf import settings
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher
from werkzeug.security import generate_password_hash

FILE = Path(__file__).with_name("vectors.json")
PASSWORD = "violet umbrella 7 o clock"
PASSWORDS = (PASSWORD, "Grüße, Jürgen \u2013 密碼 🔑 passphrase", " leading and trailing blanks ")
DJANGO = ("PBKDF2", "PBKDF2SHA1", "Argon2", "BCryptSHA256", "BCrypt", "Scrypt", "MD5")

settings.configure(PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{each}PasswordHasher" for each in DJANGO])
django.setup()

from django.contrib.auth.hashers import get_hasher, make_password  # noqa: E402 - settings come first


def vector(maker: str, password: str, encoded: str, wrong: str = "") -> dict[str, str]:
    return {"maker": maker, "password": password, "encoded": encoded, "wrong": wrong or password + "x"}


def django_hashes() -> list[dict[str, str]]:
    maker, pbkdf2, bcrypt = f"Django {version('django')}", get_hasher("pbkdf2_sha256"), get_hasher("bcrypt")
    bcrypt.rounds = 4
    names = ("pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "scrypt")
    made = [vector(maker, PASSWORD, make_password(PASSWORD, hasher=each)) for each in names]
    for password in PASSWORDS:
        made.append(vector(maker, password, pbkdf2.encode(password, "oldsalt12345", 1000)))
        made.append(vector(maker, password, bcrypt.encode(password, bcrypt.salt())))
    prehashed = get_hasher("bcrypt_sha256")
    prehashed.rounds = 4
    # All 80 bytes count.
    made.append(vector(maker, "x" * 80, prehashed.encode("x" * 80, prehashed.salt()), "x" * 79))
    return made


def werkzeug_hashes() -> list[dict[str, str]]:
    methods = ("scrypt", "scrypt:16384:8:2", "pbkdf2:sha256:1000", "pbkdf2:sha512:1000", "pbkdf2:sha1:1000")
    return [
        vector(f"Werkzeug {version('werkzeug')}", each, generate_password_hash(each, method=method))
        for method in methods
        for each in PASSWORDS[:2]
    ]


def pwdlib_hashes() -> list[dict[str, str]]:
    hashers = PasswordHash((Argon2Hasher(),)), PasswordHash((BcryptHasher(rounds=4),))
    return [vector(f"pwdlib {version('pwdlib')}", PASSWORD, each.hash(PASSWORD)) for each in hashers]


if __name__ == "__main__":
    kept = [each for each in json.loads(FILE.read_text())["hashes"] if each["maker"].startswith("PHP")]
    refused = [make_password(PASSWORD, hasher="md5"), make_password(None)]
    hashes = [*django_hashes(), *werkzeug_hashes(), *pwdlib_hashes(), *kept]
    FILE.write_text(json.dumps({"hashes": hashes, "refused": refused}, indent=1, ensure_ascii=False) + "\n")
