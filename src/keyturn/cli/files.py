"""Output files of commands. A file that cannot be written is reported before the work, not after it."""

import os
from collections.abc import Iterable
from pathlib import Path

from keyturn.errors import ConfigurationError


def ensure_writable(paths: Iterable[Path]) -> None:
    """Check that ``paths`` can be written, and create their directories if the parent exists.

    Raises ``ConfigurationError`` for the first path that cannot be written.
    """
    for path in paths:
        try:
            path.parent.mkdir(exist_ok=True)
        except OSError as failure:
            raise ConfigurationError(f"cannot write {path}: {failure.strerror}") from None
        if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
            raise ConfigurationError(f"cannot write {path}: it is not a file that this user may write")


def write(path: Path, content: bytes) -> None:
    """Write a file. Raises ``ConfigurationError`` if it cannot be written."""
    try:
        path.write_bytes(content)
    except OSError as failure:
        raise ConfigurationError(f"cannot write {path}: {failure.strerror}") from None
