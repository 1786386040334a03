"""Route: one operation, and everything the API reference says of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from keyturn.core.types import Instant
from keyturn.errors import Refusal
from keyturn.flows.effects import Flow
from keyturn.web.config import WebConfig
from keyturn.web.message import Reply, Request

Endpoint: TypeAlias = Callable[[Request, Instant, WebConfig], Flow[Reply]]
Media = Literal["application/json", "application/x-www-form-urlencoded"]
Scheme = Literal["bearer", "session", "access", "refresh", "service"]


@dataclass(frozen=True, slots=True)
class Route:
    """``path`` is a template: ``{sid}`` stands for one session id. ``refusals``: all it may say.

    ``answer`` of ``None``: an open JSON object. ``schemes``: any one of them authenticates; none where it is public.
    ``feed``: the revocation feed, which is also streamed, and public where the site says so.
    """

    method: str
    path: str
    endpoint: Endpoint
    refusals: tuple[type[Refusal], ...]
    answer: type | None = None
    status: int = 200
    body: type | None = None
    media: Media = "application/json"
    schemes: tuple[Scheme, ...] = ()
    query: tuple[str, ...] = ()
    feed: bool = False

    @property
    def summary(self) -> str:
        """The first line of the endpoint's own description."""
        return (self.endpoint.__doc__ or "").strip().partition("\n")[0]
