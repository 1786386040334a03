"""The routes of ``front`` in Flask."""

from collections.abc import Callable

from integrations.fronts.flask import make_app, send
from integrations.fronts.front import Front
from keyturn import Issuer
from web.exchanges import Answer, Sent


def build(issuer: Issuer) -> Callable[[Sent], Answer]:
    app = make_app(issuer)
    return lambda sent: send(app, sent)


FRONT = Front(build, is_async=False)
