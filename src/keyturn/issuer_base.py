"""Life of an issuer: opening, forks and closing, the same for ``Issuer`` and ``AsyncIssuer``."""

import logging
import time
from threading import Lock
from typing import Any, Self

from keyturn.accounts.open import check_accounts, configure_accounts
from keyturn.clock import boottime
from keyturn.config.background import BackgroundTasks, load_first_keys, measure_clock
from keyturn.config.components import Clock, Components, build_components, check_settings
from keyturn.config.data_dir import complete_settings
from keyturn.config.forks import call_after_fork, keep_inherited
from keyturn.config.settings import Settings, read_settings
from keyturn.connections import ConnectionRegistry
from keyturn.errors import ConfigurationError, Refusal, StoreUnavailable
from keyturn.flows import drive
from keyturn.grants import GrantsFunction, make_grants
from keyturn.stores.open import MEMORY

DEFAULT_ISSUER = "http://127.0.0.1:8000"
"""Default issuer URL: the default address of ``keyturn serve``, which therefore accepts the same tokens."""

_RETRY_SECONDS = 1.0
"""Time after a failed opening of the store in which a use is refused without another attempt."""

_logger = logging.getLogger("keyturn")


class BaseIssuer:
    """Common part of both issuers: the components and their background tasks.

    The constructor checks the settings and opens nothing. The store is opened on first use, or by ``with``, once per
    process; a closed issuer opens again only by ``with``. A forked child opens its own store on first use.
    ``settings`` must be complete. ``config``: issuer configuration, built from them.
    ``background``: follow the feed and roll keys in threads. Without them every check queries the store, and keys
    roll only when an issuer is opened.
    ``grants``: function that decides which scopes and claims a login gets (``keyturn.core.grants``). Without it, a
    login gets the scopes that are stored with its account.
    ``accounts``: the application's own (``keyturn.accounts``), an object or its class; None for those of Keyturn.
    ``application_accounts``: the object of ``accounts``, or None.
    ``current``: the components while the issuer is open in this process, else None.
    """

    _is_async: bool

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock = time.time,
        monotonic: Clock = boottime,
        background: bool = True,
        grants: GrantsFunction | None = None,
        accounts: object = None,
    ) -> None:
        self.settings = settings
        self.config = check_settings(settings)
        self.current: Components | None = None
        self.application_accounts: Any = None
        self._options: dict[str, Any] = {"clock": clock, "monotonic": monotonic, "is_async": self._is_async}
        self._options["grants"] = make_grants(grants, is_async=self._is_async)
        if accounts is not None:
            self.application_accounts = check_accounts(accounts, is_async=self._is_async)
            self._options["accounts"] = self.application_accounts
            self.config = configure_accounts(self.config, self.application_accounts)
        self._has_background = background
        self._background_tasks: BackgroundTasks | None = None
        self._is_closed = False
        self._entered = 0
        self._is_forked = False
        self._failure: Refusal | None = None
        self._retry_at = float("-inf")
        self._lock = Lock()
        call_after_fork(self._leave_to_parent)

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        clock: Clock = time.time,
        monotonic: Clock = boottime,
        background: bool = True,
        grants: GrantsFunction | None = None,
        accounts: object = None,
    ) -> Self:
        """Build an issuer and open its store at once. Raises ``ConfigurationError``, ``StoreUnavailable``."""
        options: dict[str, Any] = {"clock": clock, "monotonic": monotonic, "grants": grants, "accounts": accounts}
        issuer = cls(settings, background=background, **options)
        issuer._open()
        return issuer

    @classmethod
    def from_env(
        cls,
        *,
        clock: Clock = time.time,
        monotonic: Clock = boottime,
        background: bool = True,
        grants: GrantsFunction | None = None,
        accounts: object = None,
        **explicit: object,
    ) -> Self:
        """Build an issuer from ``KEYTURN_...`` variables, ``keyturn.toml`` and ``explicit`` ``Settings``.

        A missing secret and service token are created in the data directory, with a warning in the log, unless the
        environment is ``production``. The store is opened on first use. Raises ``ConfigurationError``.
        """
        prepared = complete_settings(read_settings(None, **explicit), DEFAULT_ISSUER)
        for line in prepared.lines:
            _logger.warning("%s", line)
        options: dict[str, Any] = {"clock": clock, "monotonic": monotonic, "grants": grants, "accounts": accounts}
        return cls(prepared.settings, background=background, **options)

    @property
    def parts(self) -> Components:
        """The components, which are opened if they are not. Blocks on the store then.

        Raises ``ConfigurationError``, ``StoreUnavailable``. Assign others to replace them.
        """
        return self.current or self._open()

    @parts.setter
    def parts(self, components: Components) -> None:
        self.current = components

    @property
    def connections(self) -> ConnectionRegistry:
        """Open connections of this process, which end with their sessions. Raises as ``parts``."""
        return self.parts.connections

    def _open(self) -> Components:
        with self._lock:
            if self.current is not None:
                return self.current
            self._check_openable()
            try:
                self.current = parts = self._start()
            except Refusal as error:
                self._record_failure(error)
                raise
            return parts

    def _record_failure(self, error: Refusal) -> None:
        self._failure, self._retry_at = error, time.monotonic() + _RETRY_SECONDS
        # Clients are told the status only.
        _logger.error("the issuer could not be opened: %s", error.detail)

    def _enter(self) -> None:
        """Open the issuer, if it is not. It is closed at the end of the last ``with`` block that entered it."""
        self._is_closed, self._retry_at = False, float("-inf")
        self._open()
        with self._lock:
            self._entered += 1

    def _leave(self) -> bool:
        """Leave a ``with`` block. Return True if it was the last one."""
        with self._lock:
            self._entered -= 1
            return self._entered <= 0

    def _check_openable(self) -> None:
        if self._is_closed:
            raise ConfigurationError("this issuer is closed; enter it again (`with`) to open it anew")
        if self._is_forked and self.settings.store == MEMORY:
            raise ConfigurationError("the store memory: was opened before a fork; set KEYTURN_STORE to a database")
        if self._failure is not None and time.monotonic() < self._retry_at:
            # Requests must not queue for a store that has just been away.
            kind = ConfigurationError if isinstance(self._failure, ConfigurationError) else StoreUnavailable
            raise kind(f"the next attempt to open the issuer follows within a second: {self._failure.detail}")

    def _start(self) -> Components:
        parts = build_components(self.settings, self.config, **self._options)
        try:
            drive(measure_clock(parts), parts.sync_ports)
            drive(load_first_keys(parts), parts.sync_ports)
            if self._has_background:
                self._background_tasks = BackgroundTasks(parts)
                self._background_tasks.start()
        except BaseException:
            self._stop(parts)
            parts.sync_store.close()
            raise
        return parts

    def _stop(self, parts: Components) -> None:
        if self._background_tasks is not None:
            self._background_tasks.close()
            self._background_tasks = None
        parts.connections.close()
        parts.hasher.close()
        if parts.own_ports is not None:
            parts.own_ports.close()

    def _leave_to_parent(self) -> None:
        """Forget what this forked child inherited: neither threads nor connections are its own."""
        keep_inherited(self.current, self._background_tasks)
        self._is_forked = self._is_forked or self.current is not None
        self.current = self._background_tasks = None
        self._lock = Lock()  # a thread of the parent may have held it

    def _release(self) -> Components | None:
        """Refuse further use and stop the threads. Return the components to close; None if nothing is open."""
        with self._lock:
            parts = self.current
            self.current, self._is_closed, self._entered = None, True, 0
            if parts is not None:
                self._stop(parts)
            return parts
