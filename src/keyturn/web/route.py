"""The route of one operation, with the facts that the API reference shows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from keyturn.core.types import Instant
from keyturn.errors import Refusal
from keyturn.flows.effects import Flow
from keyturn.web.config import WebConfig
from keyturn.web.message import Reply, Request
from keyturn.web.schemas import PageForm

Endpoint: TypeAlias = Callable[[Request, Instant, WebConfig], Flow[Reply]]
Media = Literal["application/json", "application/x-www-form-urlencoded"]
Answer = Literal["json", "html", "redirect", "script"]
Scheme = Literal["bearer", "session", "access", "refresh", "service"]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API.

    ``path``: a template, in which ``{sid}`` stands for a session id. ``refusals``: every refusal it may return.
    ``response``: schema of the response; None: an open JSON object.
    ``schemes``: any one of them authenticates; empty for a public operation.
    ``answer``: form of its response; a redirect has the ``status`` 302 or 303.
    ``form``: schema of the HTML form that it takes as well, and answers with 303.
    ``query``: its query parameters, each with its JSON schema.
    ``feed``: the revocation feed, which is also streamed, and public if ``WebConfig.open_feed`` is set.
    """

    method: str
    path: str
    endpoint: Endpoint
    refusals: tuple[type[Refusal], ...]
    response: type | None = None
    status: int = 200
    request: type | None = None
    media: Media = "application/json"
    schemes: tuple[Scheme, ...] = ()
    query: tuple[tuple[str, Mapping[str, object]], ...] = ()
    feed: bool = False
    answer: Answer = "json"
    form: type[PageForm] | None = None

    @property
    def summary(self) -> str:
        """First line of the endpoint's docstring."""
        return (self.endpoint.__doc__ or "").strip().partition("\n")[0]
