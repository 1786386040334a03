"""Files that commands are told to write: a place that cannot be written is said before the work, not after it."""

import os
from collections.abc import Iterable
from pathlib import Path

from keyturn.errors import ConfigurationError


def ensure_writable(paths: Iterable[Path]) -> None:
    """Make the folder of each in a folder that is there. Raises ``ConfigurationError`` where nothing can be written."""
    for path in paths:
        try:
            path.parent.mkdir(exist_ok=True)
        except OSError as failure:
            raise ConfigurationError(f"cannot write {path}: {failure.strerror}") from None
        if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
            raise ConfigurationError(f"cannot write {path}: it is no file this user may write")


def write(path: Path, content: bytes) -> None:
    """Raises ``ConfigurationError`` when it cannot be written."""
    try:
        path.write_bytes(content)
    except OSError as failure:
        raise ConfigurationError(f"cannot write {path}: {failure.strerror}") from None
