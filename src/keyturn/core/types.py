"""Basic types used by every package: instants, session ids, subjects."""

from typing import NewType

Instant = NewType("Instant", int)
"""Point in time: whole seconds since 1970-01-01T00:00:00Z (NumericDate of RFC 7519 without fractions)."""

EPOCH = Instant(0)
"""Earliest instant."""

SessionId = NewType("SessionId", str)
"""Public id of a session, no credential: its subject's partition and 15 random bytes, as 22 base64url characters."""

Subject = NewType("Subject", str)
"""Opaque, stable id of a user or machine (``sub`` of RFC 7519)."""
