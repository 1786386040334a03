"""Paths of this site in redirects."""

import pytest

from keyturn.web.paths import MAX_PATH_CHARS, add_query, is_own_path, own_path, path_with_query

FOREIGN = [
    *("", "account", " /account", "https://evil.example", "//evil.example", "/\\evil.example", "\\/evil.example"),
    *("///evil.example", "/\t/evil.example", "/\n/evil.example", "/\r\nSet-Cookie: a=b", "/a\x00b", "\t//evil.example"),
    *("javascript:alert(1)", "data:text/html,x", "?next=/", "#top", "/\u2028", "/\ud800", "/\x85", "/" + "a" * 5000),
    "/" + "é" * (MAX_PATH_CHARS // 6),
]


@pytest.mark.parametrize("text", FOREIGN)
@pytest.mark.conforms("ASVS 3.7.2")
def test_a_path_that_is_not_of_this_site_is_replaced(text: str) -> None:
    assert own_path(text) == "/"
    assert own_path(text, "/login") == "/login"


@pytest.mark.parametrize(
    "text", ["/", "/account", "/a?b=c&d=%20#e", "/café au lait", "/a//b", "/a\\b", "/" + "a" * (MAX_PATH_CHARS - 1)]
)
def test_a_path_of_this_site_is_kept(text: str) -> None:
    assert is_own_path(text)
    assert own_path(text, "/login") == text


@pytest.mark.parametrize(
    ("path", "query", "joined"),
    [
        ("/orders", "", "/orders"),
        ("/orders", "page=2&q=%20", "/orders?page=2&q=%20"),
        ("/café/a b", "", "/caf%C3%A9/a%20b"),
        ("/what?/100%#1", "a=1", "/what%3F/100%25%231?a=1"),
        ("/\ud800", "", "/%ED%A0%80"),
        ("//evil.example", "", "//evil.example"),
    ],
)
def test_a_decoded_path_is_encoded_with_its_query(path: str, query: str, joined: str) -> None:
    assert path_with_query(path, query) == joined


@pytest.mark.parametrize(
    ("path", "added"),
    [
        ("/login", "/login?error=throttled&next=%2Fa%3Fb%3Dc"),
        ("/login?lang=de&empty=", "/login?lang=de&empty=&error=throttled&next=%2Fa%3Fb%3Dc"),
        ("/login?error=old&error=older&next=%2F#form", "/login?error=throttled&next=%2Fa%3Fb%3Dc"),
        ("/login?%zz=%ff", "/login?%25zz=%EF%BF%BD&error=throttled&next=%2Fa%3Fb%3Dc"),
    ],
)
def test_parameters_are_added_once(path: str, added: str) -> None:
    assert add_query(path, error="throttled", next="/a?b=c") == added
