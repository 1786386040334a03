"""Nothing in the SQL stores that only SQLite can do."""

import pkgutil
from importlib import import_module

import pytest
from sqlalchemy import Executable, MetaData
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

import keyturn.stores.sql as room
from keyturn.stores.sql.compiled_statement import CompiledStatement
from keyturn.stores.sql.tables import metadata

MODULES = [import_module(f"{room.__name__}.{module.name}") for module in pkgutil.iter_modules(room.__path__)]
STATEMENTS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, Executable) and not isinstance(value, MetaData)
}


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
def test_every_statement_compiles_for_postgresql(statement: Executable) -> None:
    phrase = CompiledStatement(statement, postgresql.dialect(paramstyle="pyformat"))
    assert phrase.bind({"b_sid": "x"})["b_sid"] == "x"


def test_the_statements_were_found() -> None:
    assert len(STATEMENTS) > 30


def test_every_table_can_be_made_in_postgresql() -> None:
    dialect = postgresql.dialect()
    for table in metadata.sorted_tables:
        created = str(CreateTable(table).compile(dialect=dialect))
        assert " INTEGER" not in created, "a number of 32 bits"
        for index in table.indexes:
            assert str(CreateIndex(index).compile(dialect=dialect))
