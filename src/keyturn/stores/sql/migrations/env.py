"""Alembic environment: runs on the connection passed by ``migrate``, in the transaction that holds the lock."""

from alembic import context

from keyturn.stores.sql.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
