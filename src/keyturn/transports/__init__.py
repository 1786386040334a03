"""Carriers: other ways for the feed to reach a verifier. Each is a small extra; none knows a flow or a session."""

from keyturn.transports.redis_feed import RedisFeed

__all__ = ["RedisFeed"]
