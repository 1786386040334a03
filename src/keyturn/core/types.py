"""Whole seconds and opaque names: the small types every other room speaks in."""

from typing import NewType

Instant = NewType("Instant", int)
"""A moment: whole seconds since 1970-01-01T00:00:00Z (NumericDate of RFC 7519 without fractions)."""

EPOCH = Instant(0)
"""Before every other moment."""

SessionId = NewType("SessionId", str)
"""Public handle of a session: its subject's place and 15 random bytes, as 22 base64url characters. Proves nothing."""

Subject = NewType("Subject", str)
"""Opaque, stable id of a person or machine (``sub`` of RFC 7519)."""
