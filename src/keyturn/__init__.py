"""Keyturn: one login, two keys."""
