"""Support for tests: the store contract, and a sync wrapper of async stores. Needs the ``testing`` extra."""

import pytest

# Rewrite the contract's assertions, so that a failure shows the values.
pytest.register_assert_rewrite("keyturn.testing.contract")
