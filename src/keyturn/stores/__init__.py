"""Stores: where sessions, accounts, keys and the revocation log live. Dumb and atomic; no security decision in here."""
