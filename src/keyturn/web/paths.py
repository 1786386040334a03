"""Paths of this site, to which a browser may be redirected."""

import re
from urllib.parse import parse_qsl, quote, urlencode

HOME = "/"
"""Path that replaces one which is missing or not of this site."""

MAX_PATH_CHARS = 1500
"""Longest path that is kept, in encoded characters. Proxies answer 502 for headers of a response above 4 or 8 KiB."""

# RFC 3986 section 2: reserved and unreserved characters, and "%" of what is encoded already.
_URI_CHARACTERS = ":/?#[]@!$&'()*+,;=-._~%"
_PATH_CHARACTERS = "/:@!$&'()*+,;=-._~"
_OWN_PATH = re.compile(r"/(?![/\\])")


def is_own_path(text: str) -> bool:
    """Return True for a path of this site, with or without a query."""
    # Open redirects (CWE-601): browsers read //host and /\host as another host, and drop tabs and newlines.
    return _OWN_PATH.match(text) is not None and text.isprintable()


def own_path(text: str, default: str = HOME) -> str:
    """Return ``text`` if it is a path of this site that fits into a header, else ``default``."""
    return text if is_own_path(text) and len(encode_path(text)) <= MAX_PATH_CHARS else default


def encode_path(path: str) -> str:
    """Encode a path with its query as ASCII. What is encoded already is left as it is."""
    return quote(path, safe=_URI_CHARACTERS)


def path_with_query(path: str, query: str) -> str:
    """Join a percent-decoded path and a raw query to one encoded path."""
    encoded = quote(path, safe=_PATH_CHARACTERS, errors="surrogatepass")
    return f"{encoded}?{query}" if query else encoded


def add_query(path: str, **added: str) -> str:
    """Add parameters to a path. Those of the same names, and a fragment, are removed from it."""
    base, _, query = path.partition("#")[0].partition("?")
    kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in added]
    return f"{base}?{urlencode([*kept, *added.items()])}"
