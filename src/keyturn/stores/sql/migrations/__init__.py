"""Alembic's home: one file per change of the schema under ``versions``."""
