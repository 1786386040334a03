"""Redis: as the session store, and as cache and feed beside SQL."""
