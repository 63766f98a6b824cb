"""Tables of rows in a database, as llama-stack's services use them: its tables, its columns, its JSON."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import sqlalchemy
from llama_stack.apis.common.responses import PaginatedResponse
from llama_stack.core.storage.datatypes import PostgresSqlStoreConfig, SqliteSqlStoreConfig
from llama_stack.providers.utils.sqlstore.api import ColumnDefinition, ColumnType
from sqlalchemy import Column, ColumnElement, Connection, MetaData, Select, Table, select, text
from sqlalchemy.exc import IntegrityError

from providers.stores import tables
from providers.stores.database import open_database
from providers.stores.errors import Duplicate

Row = dict[str, Any]
Order = list[tuple[str, Literal["asc", "desc"]]]

TYPES: dict[ColumnType, type[sqlalchemy.types.TypeEngine[Any]]] = {
    ColumnType.INTEGER: sqlalchemy.Integer,
    ColumnType.STRING: sqlalchemy.String,
    ColumnType.FLOAT: sqlalchemy.Float,
    ColumnType.BOOLEAN: sqlalchemy.Boolean,
    ColumnType.DATETIME: sqlalchemy.DateTime,
    ColumnType.TEXT: sqlalchemy.Text,
    ColumnType.JSON: sqlalchemy.JSON,
}
COMPARE: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": lambda column, value: column == value,
    "==": lambda column, value: column == value,
    ">": lambda column, value: column > value,
    "<": lambda column, value: column < value,
    ">=": lambda column, value: column >= value,
    "<=": lambda column, value: column <= value,
}


class Rows:
    """The tables of one database. Each has to be declared with ``create_table`` before it is used.

    Conditions are values that columns are to have, or ``{"<": value}`` with one of the signs of COMPARE.
    """

    def __init__(self, config: SqliteSqlStoreConfig | PostgresSqlStoreConfig) -> None:
        self.config = config
        self.database = open_database(config)
        self._metadata = MetaData()

    async def create_table(self, table: str, schema: Mapping[str, ColumnType | ColumnDefinition]) -> None:
        """Declare a table, and make it if it is not there."""
        if not schema:
            raise ValueError(f"No columns defined for table '{table}'.")
        declared = self._metadata.tables.get(table)
        if declared is None:
            columns = (_column(name, kind) for name, kind in schema.items())
            declared = Table(table, self._metadata, *columns)
        await self.database.write(lambda connection: tables.create(connection, declared))

    async def add_column_if_not_exists(
        self, table: str, column_name: str, column_type: ColumnType, nullable: bool = True
    ) -> None:
        """Add a column to a table that lacks it."""
        column = Column(column_name, _type(column_name, column_type), nullable=nullable)

        def add(connection: Connection) -> None:
            if not _lacks(connection, table, column_name):
                return
            tables.exclude_others(connection, table)
            if _lacks(connection, table, column_name):
                definition = sqlalchemy.schema.CreateColumn(column).compile(dialect=connection.dialect)
                name = connection.dialect.identifier_preparer.quote(table)
                connection.execute(text(f"ALTER TABLE {name} ADD COLUMN {definition}"))

        await self.database.write(add)

    async def insert(self, table: str, data: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Insert a row, or several as one step; raises SQLAlchemy's IntegrityError if there is one of the same key."""
        declared = self._table(table)
        if isinstance(data, Mapping):
            try:
                await self.database.insert(table, self._as_driver_takes_it(declared, data))
            except Duplicate as error:
                # Llama-stack's services read in the driver's words what is wrong.
                raise IntegrityError(None, None, error.__cause__ or error) from error
        elif data:
            rows = [dict(row) for row in data]
            await self.database.write(lambda connection: connection.execute(declared.insert(), rows).rowcount)

    async def fetch_all(
        self,
        table: str,
        where: Mapping[str, Any] | None = None,
        where_sql: str | None = None,
        limit: int | None = None,
        order_by: Order | None = None,
        cursor: tuple[str, str] | None = None,
    ) -> PaginatedResponse:
        """Return rows, up to ``limit`` of them and whether there are more.

        ``cursor`` is a column and its value in the row after which to begin, in the one column of ``order_by``.
        """
        declared = self._table(table)
        query = select(declared).where(*_conditions(declared, where))
        if where_sql:
            query = query.where(text(where_sql))
        query = _ordered(query, declared, order_by)
        if limit:
            query = query.limit(limit + 1)
        mark = None if cursor is None else _mark(declared, cursor, order_by)

        def fetch(connection: Connection) -> list[Row]:
            wanted = query if mark is None else query.where(_beyond(connection, mark, order_by))
            return [dict(row) for row in connection.execute(wanted).mappings()]

        rows = await self.database.read(fetch)
        return PaginatedResponse(data=rows[:limit] if limit else rows, has_more=bool(limit and len(rows) > limit))

    async def fetch_one(
        self,
        table: str,
        where: Mapping[str, Any] | None = None,
        where_sql: str | None = None,
        order_by: Order | None = None,
    ) -> Row | None:
        """Return the first row, or None."""
        found = await self.fetch_all(table, where, where_sql, limit=1, order_by=order_by)
        return found.data[0] if found.data else None

    async def update(self, table: str, data: Mapping[str, Any], where: Mapping[str, Any]) -> None:
        """Change rows; there has to be a condition."""
        if not where:
            raise ValueError("where is required for update")
        declared = self._table(table)
        statement = declared.update().where(*_conditions(declared, where)).values(dict(data))
        await self.database.write(lambda connection: connection.execute(statement).rowcount)

    async def delete(self, table: str, where: Mapping[str, Any]) -> None:
        """Remove rows; there has to be a condition."""
        if not where:
            raise ValueError("where is required for delete")
        declared = self._table(table)
        statement = declared.delete().where(*_conditions(declared, where))
        await self.database.write(lambda connection: connection.execute(statement).rowcount)

    def _table(self, name: str) -> Table:
        return self._metadata.tables[name]

    def _as_driver_takes_it(self, table: Table, row: Mapping[str, Any]) -> Row:
        """Encode JSON and dates as SQLAlchemy does."""
        processed = {}
        for name, value in row.items():
            process = table.c[name].type.dialect_impl(self.database.dialect).bind_processor(self.database.dialect)
            processed[name] = value if process is None else process(value)
        return processed


def _column(name: str, kind: ColumnType | ColumnDefinition) -> Column[Any]:
    if isinstance(kind, ColumnDefinition):
        return Column(name, _type(name, kind.type), primary_key=kind.primary_key, nullable=kind.nullable)
    return Column(name, _type(name, kind))


def _type(name: str, kind: ColumnType) -> type[sqlalchemy.types.TypeEngine[Any]]:
    if kind not in TYPES:
        raise ValueError(f"Unsupported column type '{kind}' for column '{name}'.")
    return TYPES[kind]


def _lacks(connection: Connection, table: str, column: str) -> bool:
    """Whether there is a table without this column."""
    inspector = sqlalchemy.inspect(connection)
    return inspector.has_table(table) and column not in {one["name"] for one in inspector.get_columns(table)}


def _conditions(table: Table, where: Mapping[str, Any] | None) -> list[ColumnElement[bool]]:
    conditions = []
    for name, value in (where or {}).items():
        sign, operand = "=", value
        if isinstance(value, Mapping):
            if len(value) != 1:
                raise ValueError(f"Operator mapping must have a single operator, got: {value}")
            ((sign, operand),) = value.items()
        if sign not in COMPARE:
            raise ValueError(f"Unsupported operator '{sign}' in where mapping")
        conditions.append(COMPARE[sign](table.c[name], operand))
    return conditions


def _ordered(query: Select[Any], table: Table, order_by: Order | None) -> Select[Any]:
    for name, direction in order_by or []:
        if name not in table.c:
            raise ValueError(f"Column '{name}' not found in table '{table.name}'")
        if direction not in ("asc", "desc"):
            raise ValueError(f"Invalid order '{direction}' for column '{name}'")
        query = query.order_by(table.c[name].asc() if direction == "asc" else table.c[name].desc())
    return query


def _mark(table: Table, cursor: tuple[str, str], order_by: Order | None) -> tuple[Column[Any], Select[Any], str]:
    """The column of the order, how to find the place of the cursor's row in it, and what to say if it is not there."""
    if not order_by:
        raise ValueError("order_by is required when using cursor pagination")
    if len(order_by) != 1:
        raise ValueError(f"Cursor pagination only supports single-column ordering, got {len(order_by)} columns")
    key, value = cursor
    if key not in table.c:
        raise ValueError(f"Cursor key column '{key}' not found in table '{table.name}'")
    column = table.c[order_by[0][0]]
    message = f"Record with {key}='{value}' not found in table '{table.name}'"
    return column, select(column).where(table.c[key] == value), message


def _beyond(
    connection: Connection, mark: tuple[Column[Any], Select[Any], str], order_by: Order | None
) -> ColumnElement[bool]:
    column, place, message = mark
    found = connection.execute(place).first()
    if found is None:
        raise ValueError(message)
    is_descending = order_by is not None and order_by[0][1] == "desc"
    beyond: ColumnElement[bool] = column < found[0] if is_descending else column > found[0]
    return beyond
