"""Bad bodies: each JSON endpoint by wrong types, sizes and encodings; and any bytes anywhere.

One typed refusal each time (``advisories.raw_http.obey`` judges every answer: no 5xx, a documented code, no cookie
cleared), and nothing lost: the login made before all this is good after it. Sources: CWE-20, CWE-176, CWE-400,
CWE-674, RFC 8259 sections 4, 8 and 9, OWASP ASVS 5.0 1.5 and 2.2, "An Exploration of JSON Interoperability
Vulnerabilities" (Bishop Fox, 2021).
"""

import json
from itertools import product

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from advisories.raw_http import EMAIL, FORM_TYPE, JSON_TYPE, SERVICE, RawClient, bearer
from effort import effort
from fuzz.control_login import FORM_PATHS, JSON_PATHS, ControlLogin, to_json

VALUES: list[object] = [
    *(None, True, False, 0, -1, 1, 2**53, 2**64, -(2**63) - 1, 10**400, 1.5, 1e308, "", " ", "\t", "x", "null", "true"),
    *(
        [],
        [[]],
        {},
        {"a": 1},
        [EMAIL],
        "a" * 300,
        "a" * 5000,
        "\x00",
        "a\x00b",
        "\r\nSet-Cookie: a=b",
        "\ud800",
        "\udc00x",
    ),
    *(
        "\U0010ffff",
        "\ufeff",
        "\u202e",
        "\u0000@\u0000.\u0000",
        "a@b@c",
        "@",
        "%s%n",
        "{{7*7}}",
        "' OR 1=1 --",
        "../../etc",
    ),
    *(
        "\u0301" * 4000,
        "\ufdfa" * 1000,
        "\U0001f468\u200d\U0001f469" * 50,
        "kt_session_x",
        "Cookie",
        "admin@example.com\n",
    ),
]


@pytest.mark.parametrize("path", JSON_PATHS)
def test_every_member_with_every_wrong_value(client: RawClient, control_login: ControlLogin, path: str) -> None:
    good = JSON_PATHS[path]
    for member, value in product(good, VALUES):
        answer = client.ask("POST", path, [JSON_TYPE, control_login.auth], to_json({**good, member: value}))
        if not isinstance(value, str):
            nothing = member in ("deliver",) and value is None
            assert nothing or answer.status in (400, 413), (member, value, answer)
    for member in good:
        rest = {name: value for name, value in good.items() if name != member}
        client.ask("POST", path, [JSON_TYPE, control_login.auth], to_json(rest))


def bodies(good: dict[str, object]) -> dict[str, bytes]:
    text = json.dumps(good)
    first = next(iter(good))
    return {
        "nothing": b"",
        "white space": b" \n",
        "cut off": text[:-1].encode(),
        "trailing": text.encode() + b"x",
        "two documents": text.encode() * 2,
        "NUL behind": text.encode() + b"\x00",
        "BOM": b"\xef\xbb\xbf" + text.encode(),
        "UTF-16": text.encode("utf-16"),
        "UTF-16 without BOM": text.encode("utf-16-be"),
        "UTF-32": text.encode("utf-32"),
        "UTF-7": b"+AHs-" + text[1:].encode(),
        "Latin-1": text.replace('"}', '\xff"}').encode("latin-1"),
        "invalid UTF-8": text.encode().replace(b'"}', b'\xc3\x28"}'),
        "overlong UTF-8": text.encode().replace(b'"}', b'\xc0\x80"}'),
        "surrogates in UTF-8": text.encode().replace(b'"}', b'\xed\xa0\x80"}'),
        "a lone surrogate": text.replace('"}', '\\ud800"}').encode(),
        "reversed surrogates": text.replace('"}', '\\udc00\\ud800"}').encode(),
        "a duplicate member": (text[:-1] + f', "{first}": "x"}}').encode(),
        "a duplicate by escape": (text[:-1] + f', "\\u{ord(first[0]):04x}{first[1:]}": "x"}}').encode(),
        "a duplicate deep down": (text[:-1] + ', "x": {"a": 1, "a": 2}}').encode(),
        "single quotes": text.replace('"', "'").encode(),
        "a comment": b"/**/" + text.encode(),
        "a trailing comma": text[:-1].encode() + b",}",
        "NaN": (text[:-1] + ', "x": NaN}').encode(),
        "infinity": (text[:-1] + ', "x": -Infinity}').encode(),
        "a leading zero": (text[:-1] + ', "x": 01}').encode(),
        "a huge integer": (text[:-1] + ', "x": ' + "9" * 10_000 + "}").encode(),
        "deep arrays": b"[" * 8000,
        "deep and closed": b"[" * 8000 + b"]" * 8000,
        "deep objects": b'{"a":' * 3000 + b"1" + b"}" * 3000,
        "deep in a member": (text[:-1] + ', "x": ').encode() + b"[" * 6000 + b"]" * 6000 + b"}",
        "an array": b"[" + text.encode() + b"]",
        "a string": json.dumps(text).encode(),
        "a number": b"1",
        "null": b"null",
        "MessagePack": b"\x82\xa5email\xa1x\xa8password\xa1y",
        "too long": text.encode() + b" " * 17_000,
        "control characters": text.replace('"}', '\x01"}').encode(),
        "a raw line feed": text.replace('"}', '\n"}').encode(),
        "many members": ("{" + ",".join(f'"{n}": {n}' for n in range(1500)) + "}").encode(),
    }


@pytest.mark.parametrize("path", JSON_PATHS)
def test_every_body_that_is_no_body(client: RawClient, control_login: ControlLogin, path: str) -> None:
    for name, body in bodies(JSON_PATHS[path]).items():
        answer = client.ask("POST", path, [JSON_TYPE, control_login.auth], body)
        assert answer.status in (400, 413), (name, answer)


@seed(20260729)
@settings(
    max_examples=effort(100, 3000),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_bytes_anywhere(client: RawClient, control_login: ControlLogin, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([*JSON_PATHS, *FORM_PATHS]))
    kind = FORM_TYPE if path in FORM_PATHS else JSON_TYPE
    texts = st.one_of(
        st.binary(max_size=200), st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass"))
    )
    members = st.dictionaries(
        st.sampled_from([*JSON_PATHS["/auth/login"], *JSON_PATHS["/auth/password"]]), st.text(max_size=40)
    )
    body = data.draw(st.one_of(texts, members.map(to_json)))
    caller = bearer(SERVICE) if path == "/auth/introspect" else control_login.auth
    client.ask("POST", path, [kind, caller, (b"cookie", data.draw(texts)), (b"x-csrf-token", data.draw(texts))], body)
