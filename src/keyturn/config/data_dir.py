"""The data directory. On first start missing secrets are generated there, readable by their owner only."""

import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

import msgspec

from keyturn.config.checks import check_production
from keyturn.config.settings import Settings
from keyturn.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class PreparedSettings:
    """Complete settings. ``lines``: one message for each file that was created."""

    settings: Settings
    lines: tuple[str, ...]


def complete_settings(settings: Settings, issuer: str) -> PreparedSettings:
    """Create missing settings in development; check the settings in production.

    Raises ``ConfigurationError`` as ``create_missing`` or ``check_production`` does.
    """
    if settings.environment == "production":
        check_production(settings)
        return PreparedSettings(settings, ())
    return create_missing(settings, issuer)


def create_missing(settings: Settings, issuer: str) -> PreparedSettings:
    """Create the data directory and, where the settings have none, a secret, a service token and a SQLite store URL.

    ``issuer``: URL of this server if ``settings`` has none.
    Raises ``ConfigurationError`` if the directory cannot be written, or other users may write to it or read a secret.
    """
    lines: list[str] = []
    folder = settings.folder
    try:
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lines.append(f"created the data directory {folder.absolute()}")
        if folder.stat().st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH:
            # A user who may write to the directory could replace the secret or the database (CWE-732).
            raise ConfigurationError(f"the data directory {folder} is writable by every user; run: chmod o-w {folder}")
        secret = settings.secret or _read_or_create_secret(folder / "secret", lines)
        service_token = settings.service_token or _read_or_create_secret(folder / "service-token", lines)
    except OSError as failure:
        raise ConfigurationError(f"the data directory {folder} cannot be used: {failure.strerror}") from failure
    completed = msgspec.structs.replace(
        settings,
        secret=secret,
        service_token=service_token,
        store=store_of(settings),
        issuer=settings.issuer or issuer,
        audience=settings.audience or settings.issuer or issuer,
    )
    return PreparedSettings(completed, (*lines, *_warn_generated(settings)))


def store_of(settings: Settings) -> str:
    """Return the URL of the store: that of the settings, or SQLite in the data directory."""
    return settings.store or f"sqlite:///{settings.folder.absolute() / 'keyturn.db'}"


def _warn_generated(settings: Settings) -> list[str]:
    """Return a warning if the database may be shared but generated settings are this server's own."""
    names = [name for name in ("issuer", "service_token") if not getattr(settings, name)]
    if not settings.store.startswith("postgres") or not names:
        return []
    variables = " and ".join(f"KEYTURN_{name.upper()}" for name in names)
    return [f"{variables} not set: other servers on the same database will not accept this server's tokens"]


def _read_or_create_secret(path: Path, lines: list[str]) -> str:
    if not path.exists():
        _create_file(path, secrets.token_hex(32))
        lines.append(f"created {path} (mode 0600)")
    if path.stat().st_mode & 0o077:
        raise ConfigurationError(f"{path} is accessible to other users; run: chmod 600 {path}")
    return path.read_text().strip()


def _create_file(path: Path, text: str) -> None:
    # Write a temporary file and link it: a process that starts concurrently reads a complete secret or creates none.
    # The name is random, not the process id: in a container that is the same at every start, and a crash may have left
    # the file behind.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
