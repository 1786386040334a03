"""Strict parsers of JSON bodies, form bodies and query strings."""

import json
import re
from collections.abc import Collection, Iterator
from typing import Annotated, Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

import msgspec
from msgspec import StructMeta

from keyturn.core.types import T
from keyturn.errors import BadRequest, InvalidMember, UnsupportedMediaType
from keyturn.tokens.encoding import is_deeper
from keyturn.web.limits import check_body
from keyturn.web.message import Request

JSON_TYPE: Final = "application/json"
FORM_TYPE: Final = "application/x-www-form-urlencoded"

MAX_FIELDS = 32
"""Maximum number of fields in a form or a query."""

FormT = TypeVar("FormT")

# RFC 9110 section 5.6.6: a parameter, its value a token or a quoted string.
_PARAMETER = re.compile(rb"""([!#$%&'*+.^_`|~0-9A-Za-z-]+)=("?)([^"\\]*)\2""")
_CHARSETS = (b"utf-8", b"utf8")
# RFC 3986 section 2.1, and characters that browsers and curl leave unencoded. Parsers disagree about a stray "%".
_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2}|[!-$&-~])*")
_MAX_JSON_DEPTH = 32
"""Deepest nesting of a body. No endpoint reads a nested member; unknown ones are ignored."""
"""Deepest nesting of a body. No endpoint reads a nested member; unknown ones are ignored."""
# msgspec reports the path of a wrong value ("$.email") at the end of its message and the name of a missing field as the
# whole message. Anchored: the message may quote the input, which must not choose the field that is blamed.
_PLACE = re.compile(r" - at `\$\.(\w+)[^`]*`\Z|\AObject missing required field `(\w+)`")


def media_types(request: Request) -> list[str]:
    """Return the media type of each Content-Type header, in lower case and without parameters."""
    return [
        value.partition(b";")[0].strip(b" \t").lower().decode("latin-1") for value in request.values(b"content-type")
    ]


def read_body(request: Request, shape: type[T], form: type[FormT]) -> T | FormT:
    """Decode the JSON body as ``shape``, or the form body of an HTML form as ``form``. Raises as ``read_json``."""
    if FORM_TYPE in media_types(request):
        return read_form(request, form)
    return read_json(request, shape, offered=f"{JSON_TYPE}, {FORM_TYPE}")


def read_json(request: Request, shape: type[T], *, offered: str = JSON_TYPE) -> T:
    """Decode the JSON body as ``shape``. Unknown fields are ignored. ``offered``: media types of the endpoint.

    Raises ``UnsupportedMediaType``, ``PayloadTooLarge``, ``BadRequest``, and ``InvalidMember`` with the name of a field
    that is missing or of another type.
    """
    text = _text(request, JSON_TYPE, offered)
    try:
        # RFC 8259 section 4: with a repeated member, this server and the next one read different requests.
        _check_depth(json.loads(text, object_pairs_hook=_unique))
        return msgspec.json.decode(text, type=shape)
    except msgspec.ValidationError as error:
        raise _invalid(error, shape) from None
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"not strict JSON: {type(error).__name__}", hint=_json_hint(error)) from None


def read_form(request: Request, shape: type[T], *, repeatable: Collection[str] = ()) -> T:
    """Decode the form body as ``shape``. Raises as ``read_json``.

    RFC 6749 section 3.2: repeated parameters are refused, empty ones are omitted.
    ``repeatable``: parameters that are decoded as a list of values.
    """
    return _convert(_fields(_text(request, FORM_TYPE), repeatable), shape)


def read_query(request: Request, shape: type[T]) -> T:
    """Decode the query string as ``shape``. Raises ``BadRequest`` and ``InvalidMember``."""
    return _convert(_fields(request.query), shape)


def _text(request: Request, name: str, offered: str = "") -> str:
    # Check the type before parsing: browsers send a JSON Content-Type across origins only after a CORS preflight,
    # so a form on another site cannot pass for JSON.
    kinds = request.values(b"content-type")
    if len(kinds) != 1 or not _is_media_type(kinds[0], name.encode()):
        raise UnsupportedMediaType(offered or name, f"not exactly one Content-Type: {name}")
    if request.values(b"content-encoding"):
        raise UnsupportedMediaType(name, "an encoded body")
    check_body(request.body)
    try:
        return request.body.decode()
    except UnicodeDecodeError:
        raise BadRequest("not UTF-8", hint="The body is not valid UTF-8.") from None


def _is_media_type(value: bytes, expected: bytes) -> bool:
    """Return True for the expected type in UTF-8. Other parameters are ignored: neither type defines one."""
    media, *parameters = (each.strip(b" \t").lower() for each in value.split(b";"))
    matches = [_PARAMETER.fullmatch(each) for each in parameters if each]
    return media == expected and all(each and (each[1] != b"charset" or each[3] in _CHARSETS) for each in matches)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RepeatedField
    return members


def _check_depth(body: object) -> None:
    # Each version of Python has a limit of its own: what one accepts, another would refuse.
    if is_deeper(body, _MAX_JSON_DEPTH):
        raise RecursionError("nested too deeply")


def _fields(text: str, repeatable: Collection[str] = ()) -> dict[str, str | list[str]]:
    if not _ENCODED.fullmatch(text):
        raise BadRequest("not form-urlencoded", hint="The body or query is not application/x-www-form-urlencoded.")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise BadRequest("too many fields, or not UTF-8", hint=f"Send at most {MAX_FIELDS} fields, in UTF-8.") from None
    single = [pair for pair in pairs if pair[0] not in repeatable]
    fields: dict[str, str | list[str]] = dict(single)
    if len(fields) != len(single):
        raise BadRequest("a parameter is repeated", hint="Send each parameter once.")
    for name in repeatable:
        fields[name] = [value for each, value in pairs if each == name and value]
    return {name: value for name, value in fields.items() if value}


def _convert(fields: dict[str, str | list[str]], shape: type[T]) -> T:
    try:
        return msgspec.convert(fields, shape, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(error, shape) from None


class _RepeatedField(ValueError):
    """A JSON object has two fields of one name."""


def _json_hint(error: Exception) -> str:
    # The messages of the json module are constant: they quote nothing of the body, which may hold a password.
    if isinstance(error, json.JSONDecodeError):
        return f"The body is not valid JSON: {error.msg}, line {error.lineno}, column {error.colno}."
    if isinstance(error, _RepeatedField):
        return "Send each field of the JSON object once."
    return "The body is not valid JSON, or nested too deeply."


def _invalid(error: msgspec.ValidationError, shape: type) -> InvalidMember:
    place = _PLACE.search(str(error))
    kinds = get_type_hints(shape, include_extras=True) if isinstance(shape, StructMeta) else {}
    # msgspec's message may quote the input (an unknown enum value): keep it out of the hint and of the detail.
    member = (place[1] or place[2]) if place else ""
    if place and member in kinds:
        return InvalidMember(member, next(_expectations(kinds[member]), "a string"), is_missing=place[1] is None)
    return InvalidMember("body", "a JSON object")


def _expectations(kind: Any) -> Iterator[str]:
    """Yield the allowed values of a field's type in words, from its ``Literal`` or its ``Meta``."""
    if get_origin(kind) is Literal:
        yield f"one of {', '.join(get_args(kind))}"
    elif get_origin(kind) is Annotated:
        yield from (each.extra["expected"] for each in kind.__metadata__ if each.extra)
    else:
        for each in get_args(kind):
            yield from _expectations(each)
