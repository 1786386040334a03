"""Alternative transports of the revocation feed to a verifier. Each needs only a small extra."""

from keyturn.transports.redis_feed import RedisFeed

__all__ = ["RedisFeed"]
