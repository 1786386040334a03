"""Calls of an application's own functions: what they may be, how long they may take, and how they may fail."""

import asyncio
import threading

import pytest

from flows.own_accounts import DictAccounts
from flows.test_own_accounts import Application
from keyturn.accounts import AccountFunctions
from keyturn.accounts import calls as account_calls
from keyturn.accounts.calls import MAX_WAITING, AsyncCalls, Step
from keyturn.accounts.open import check_accounts
from keyturn.errors import (
    ConfigurationError,
    LoginFailed,
    StoreUnavailable,
)


@pytest.fixture
def app() -> Application:
    return Application()


def test_accounts_without_a_method_are_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="no method load and no set_password"):
        check_accounts(AccountFunctions(find=len, load=None, set_password=None), is_async=False)  # type: ignore[arg-type]
    assert isinstance(check_accounts(DictAccounts, is_async=False), DictAccounts)


def test_an_awaitable_of_a_plain_function_is_a_refusal_of_a_synchronous_issuer(app: Application) -> None:
    async def find(_: str) -> None:
        return None

    app.own.find = lambda identifier: find(identifier)
    with pytest.raises(StoreUnavailable, match="AsyncIssuer"):
        app.log_in()


def test_functions_that_block_are_bounded_in_time_and_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_calls, "CALL_SECONDS", 0.2)
    release = threading.Event()

    async def main() -> None:
        calls = AsyncCalls()
        step = Step(release.wait, (30,), is_own=True)
        waiting = [asyncio.create_task(calls.run_step(step)) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="too many"):
            await calls.run_step(step)
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(each) for each in answers} == {StoreUnavailable}
        release.set()
        assert await calls.run_step(Step(lambda: 7, (), is_own=True)) == 7
        calls.close()

    asyncio.run(main())


def test_failures_of_asynchronous_functions_are_refusals() -> None:
    async def fail() -> None:
        raise OSError("gone")

    async def refuse() -> None:
        raise LoginFailed("the application says no")

    async def main() -> None:
        calls = AsyncCalls()
        for function, kind in ((fail, StoreUnavailable), (lambda: fail(), StoreUnavailable), (refuse, LoginFailed)):
            with pytest.raises(kind):
                await calls.run_step(Step(function, (), is_own=True))
        calls.close()

    asyncio.run(main())
