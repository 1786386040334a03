"""What ships for tests: the store contract, and fixtures for your own tests. Needs the ``testing`` extra."""

import pytest

# A broken contract should say what it got, not just that it broke.
pytest.register_assert_rewrite("keyturn.testing.contract")
