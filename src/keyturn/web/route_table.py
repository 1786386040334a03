"""Table of routes: which route answers a method and a path."""

import re
from collections.abc import Iterable, Mapping

from keyturn.errors import MethodNotAllowed, NotFound, Refusal
from keyturn.web.route import Route

_SID = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]")


class RouteTable:
    """Routes by path and method. The last segment of a path may be a session id, ``{sid}`` in its template."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._by_path: dict[str, dict[str, Route]] = {}
        for route in self.routes:
            self._by_path.setdefault(route.path, {})[route.method] = route

    def match(self, method: str, path: str) -> Route:
        """Return the route of a method and a path. Methods are case-sensitive.

        HEAD maps to GET (RFC 9110 section 9.3.2).
        Raises ``NotFound``, and ``MethodNotAllowed`` with the value of the Allow header.
        """
        found = self._by_path.get(self._template(path))
        if found is None:
            raise NotFound("no route")
        route = found.get("GET" if method == "HEAD" else method)
        if route is None:
            raise MethodNotAllowed(_allow(found))
        return route

    def find(self, method: str, path: str) -> Route | Refusal:
        """Return what ``match`` returns or raises."""
        try:
            return self.match(method, path)
        except Refusal as refusal:
            return refusal

    def has_path(self, path: str) -> bool:
        """Return True if a route of any method has this path."""
        return bool(self._template(path))

    def _template(self, path: str) -> str:
        # Exact match only: nothing is decoded twice, and dot segments and trailing slashes are not normalized.
        if path in self._by_path:
            return "" if "{" in path else path
        stem, _, last = path.rpartition("/")
        template = f"{stem}/{{sid}}"
        return template if _SID.fullmatch(last) and template in self._by_path else ""


def _allow(methods: Mapping[str, Route]) -> str:
    return ", ".join(sorted({*methods, *(["HEAD"] if "GET" in methods else [])}))
