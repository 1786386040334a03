"""Applications with a fault each, which the exchange suite must notice."""

from collections.abc import Callable
from importlib import import_module

from integrations.fronts.front import Front
from integrations.visitor import Case, Visitor
from web.exchanges import Answer, Send, Sent


def front(name: str) -> Front:
    found: Front = import_module(f"integrations.fronts.{name}_front").FRONT
    return found


class Faulty(Visitor):
    """A visitor of an application with a fault: it changes requests before, or answers after, the application."""

    def __init__(self, fault: str, case: Case) -> None:
        super().__init__(front("starlette"), case, has_feed=True)
        self._fault, self._answer = FAULTS[fault], self.send
        self.send = lambda sent: self._fault(self._answer, sent)


def without(name: bytes, sent: Sent) -> Sent:
    return sent._replace(headers=[each for each in sent.headers if each[0] != name])


def no_scope_check(answer: Send, sent: Sent) -> Answer:
    return answer(sent._replace(path="/private" if sent.path == "/admin" else sent.path))


def no_csrf_check(answer: Send, sent: Sent) -> Answer:
    is_private = sent.path in ("/private", "/public")
    return answer(sent._replace(method="GET") if is_private and sent.method == "POST" else sent)


def fall_back_to_the_cookie(answer: Send, sent: Sent) -> Answer:
    first = answer(sent)
    return answer(without(b"authorization", sent)) if first.status == 401 else first


def lock_out_dead_cookies(answer: Send, sent: Sent) -> Answer:
    return answer(sent._replace(path="/private") if sent.path == "/public" and has_cookie(sent) else sent)


def has_cookie(sent: Sent) -> bool:
    return any(name == b"cookie" for name, _ in sent.headers)


def share_the_principal() -> Callable[[Send, Sent], Answer]:
    kept: list[Answer] = []

    def fault(answer: Send, sent: Sent) -> Answer:
        first = answer(sent)
        if sent.path == "/private" and first.status == 200:
            kept.append(first)
            return kept[0]
        return first

    return fault


def judge_no_age(answer: Send, sent: Sent) -> Answer:
    return answer(sent._replace(path="/private" if sent.path == "/fresh" else sent.path))


def forget_revocations() -> Callable[[Send, Sent], Answer]:
    accepted: dict[object, Answer] = {}

    def fault(answer: Send, sent: Sent) -> Answer:
        key = (sent.path, sent.method, tuple(sent.headers))
        if sent.path == "/private" and key in accepted:
            return accepted[key]
        first = answer(sent)
        if first.status == 200:
            accepted[key] = first
        return first

    return fault


FAULTS: dict[str, Callable[[Send, Sent], Answer]] = {
    "no scope check": no_scope_check,
    "no CSRF check": no_csrf_check,
    "falls back to the cookie": fall_back_to_the_cookie,
    "locks out dead cookies": lock_out_dead_cookies,
    "shares the principal": share_the_principal(),
    "judges no age": judge_no_age,
    "forgets revocations": forget_revocations(),
}
