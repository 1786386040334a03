"""Access token verification for resource servers. Needs neither a store nor a flow."""

from keyturn.verifier.feed import Feed, RunningFeed
from keyturn.verifier.http_feed import HttpFeed
from keyturn.verifier.introspection import HttpIntrospection
from keyturn.verifier.keys import KeyCache, KeySchedule, KeySource
from keyturn.verifier.metrics import VerifierMetrics
from keyturn.verifier.verifier import AsyncVerifier, Verifier

__all__ = [
    "AsyncVerifier",
    "Feed",
    "HttpFeed",
    "HttpIntrospection",
    "KeyCache",
    "KeySchedule",
    "KeySource",
    "RunningFeed",
    "Verifier",
    "VerifierMetrics",
]
