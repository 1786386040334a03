"""Machine and library versions of a run, without which a figure has no meaning."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PACKAGES = (
    *("cryptography", "msgspec", "sqlalchemy", "argon2-cffi", "psycopg", "asyncpg"),
    *("pyjwt", "joserfc", "fastapi", "starlette", "starsessions", "redis", "fastapi-users", "django"),
    *("flask", "flask-login", "flask-jwt-extended", "litestar"),
)


def describe() -> dict[str, object]:
    """Return CPU, cores, system, Python and library versions."""
    return {
        "measured_at": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": {name: version(name) for name in PACKAGES},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
