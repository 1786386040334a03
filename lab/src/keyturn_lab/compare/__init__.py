"""Comparison of sessions, JWTs and both, measured in one run on the operator's own store."""
