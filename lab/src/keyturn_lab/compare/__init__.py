"""Compare: sessions, JWTs and both, measured on one's own store in one run: the table nobody measures."""
