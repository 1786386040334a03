"""Redis as the session store, and as cache and feed transport beside SQL."""
