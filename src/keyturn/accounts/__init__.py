"""Accounts of an application: they stay in its own table, and Keyturn keeps a mark of each subject beside its sessions.

Pass an object with the methods of ``Accounts`` to ``Issuer.from_env(accounts=...)`` or ``AsyncIssuer.from_env``.
"""

from keyturn.accounts.port import AccountFunctions, Accounts, Login, NewAccounts

__all__ = ["AccountFunctions", "Accounts", "Login", "NewAccounts"]
