"""Mutation operators: the small faults that one syntax node can be given, as ``(operator, new code)``."""

import ast
from collections.abc import Iterator
from copy import deepcopy

Change = tuple[str, str]

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Sub: ast.Add}
_EXTREMES = {"min": "max", "max": "min"}
# Each status is answered by its nearest neighbour in meaning: the slip that a reviewer overlooks.
_STATUS = {
    200: 201,
    201: 200,
    204: 200,
    302: 303,
    303: 302,
    304: 200,
    400: 422,
    401: 403,
    403: 401,
    404: 410,
    405: 404,
    406: 415,
    409: 400,
    413: 400,
    415: 400,
    422: 400,
    429: 503,
    431: 400,
    500: 503,
    503: 500,
}


def changes(node: ast.AST, statuses: bool = False) -> Iterator[Change]:
    """Yield every fault of ``node`` itself, not of its children. ``statuses``: integers may be HTTP status codes."""
    match node:
        case ast.Compare():
            yield from _comparisons(node)
        case ast.BoolOp():
            yield "and/or", _code(ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
        case ast.UnaryOp(op=ast.Not()):
            yield "not", _code(node.operand)
        case ast.BinOp() | ast.AugAssign():
            yield from _arithmetic(node)
        case ast.Constant():
            yield from _constants(node.value, statuses)
        case ast.Call(func=ast.Name(id="min" | "max" as name)):
            yield "min/max", ast.unparse(ast.Call(ast.Name(_EXTREMES[name]), node.args, node.keywords))
        case ast.stmt():
            yield from _statements(node)


def _comparisons(node: ast.Compare) -> Iterator[Change]:
    for place, operator in enumerate(node.ops):
        swapped = deepcopy(node)
        swapped.ops[place] = _COMPARISONS[type(operator)]()
        yield "comparison", _code(swapped)


def _arithmetic(node: ast.BinOp | ast.AugAssign) -> Iterator[Change]:
    operands = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.value,)
    if type(node.op) not in _ARITHMETIC or any(map(_is_sequence, operands)):
        return  # a minus between sequences fails at the first call: no fault that a test must look for
    swapped = deepcopy(node)
    swapped.op = _ARITHMETIC[type(node.op)]()
    yield "+/-", _code(swapped) if isinstance(swapped, ast.expr) else ast.unparse(swapped)


def _is_sequence(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str | bytes)
    return isinstance(node, ast.JoinedStr | ast.Tuple | ast.List)


def _constants(value: object, statuses: bool) -> Iterator[Change]:
    if isinstance(value, bool):
        yield "True/False", str(not value)
    elif isinstance(value, int) and statuses and value in _STATUS:
        yield "status code", str(_STATUS[value])
    elif isinstance(value, int):
        yield "integer", str(value + 1)
        # Brackets: the constant may follow a minus.
        yield "integer", str(value - 1) if value else "(-1)"


def _statements(node: ast.stmt) -> Iterator[Change]:
    match node:
        case ast.Expr(value=ast.Call() | ast.Await() | ast.YieldFrom()):
            yield "dropped call", "pass"
        case ast.Raise():
            yield "dropped raise", "pass"
        case ast.Break():
            yield "break/continue", "continue"
        case ast.Continue():
            yield "break/continue", "break"
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield "return", "return None"


def _code(node: ast.expr) -> str:
    # Bracketed, so that the new expression binds in its place as the old one did.
    return f"({ast.unparse(node)})"
