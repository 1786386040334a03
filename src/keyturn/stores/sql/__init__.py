"""SQL stores: each operation is defined once and runs sync or async, on any database that SQLAlchemy supports."""
