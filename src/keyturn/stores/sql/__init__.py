"""SQL stores: one definition of every operation, run with or without ``await``, on any database SQLAlchemy speaks."""
