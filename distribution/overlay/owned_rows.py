"""Rows with an owner in SQL: Responses, conversations, and files of llama-stack's own providers."""

from collections.abc import Mapping
from typing import Any

from distribution.overlay.declaration import change

STORE = "llama_stack.providers.utils.sqlstore.authorized_sqlstore:AuthorizedSqlStore"
OWNERSHIP = ("owner_principal", "access_attributes")
UNOWNED = "(owner_principal = '' OR owner_principal IS NULL)"


@change(
    f"{STORE}.fetch_all",
    takes=("self", "table", "where", "limit", "order_by", "cursor"),
    why="SQL is put together from the names and values of the user's attributes: a quote in one is a 500 or more, and "
    "`%` in a team's name stands for every team. A page is cut before what the user may not see is taken out: it is "
    "short or empty though there is more. `after` tells whether another user's id exists.",
    reference="llamastack/llama-stack#5661",
    fixed_in="ogx 1.0.0 in part",
    advisory="attributes-in-sql",
)
def fetch_all(original: Any) -> Any:
    async def fetch_all(
        self: Any, table: str, where: Any = None, limit: Any = None, order_by: Any = None, cursor: Any = None
    ) -> Any:
        if limit is not None and limit < 0:
            raise ValueError("limit cannot be negative")
        access = _access(self, table)
        conditions, where_sql = dict(where or {}), None
        match access.only_of():
            case None:
                pass
            case "":
                where_sql = UNOWNED
            case principal:
                conditions["owner_principal"] = principal
        if cursor is not None and await self.fetch_one(table, {cursor[0]: cursor[1]}) is None:
            raise ValueError(f"Record with {cursor[0]}='{cursor[1]}' not found in table '{table}'")
        wanted = limit + 1 if limit else None
        while True:
            page = await self.sql_store.fetch_all(
                table=table, where=conditions, where_sql=where_sql, limit=wanted, order_by=order_by, cursor=cursor
            )
            visible = [row for row in page.data if access.may("read", *_named(row))]
            if wanted is None or len(visible) > limit or not page.has_more:
                cut = visible[:limit] if limit else visible
                return type(page)(data=cut, has_more=len(cut) < len(visible))
            wanted *= 4  # others' rows lie between

    return fetch_all


@change(
    f"{STORE}.update",
    takes=("self", "table", "data", "where"),
    why="Whoever can have a row updated does so whosever it is, and becomes its owner.",
    reference="llamastack/llama-stack#5554",
    fixed_in="0.8.0",
    advisory="rows-changed-unchecked",
)
def update(original: Any) -> Any:
    async def update(self: Any, table: str, data: Mapping[str, Any], where: Mapping[str, Any]) -> None:
        await _require(self, table, where, "update")
        await self.sql_store.update(
            table, {name: value for name, value in data.items() if name not in OWNERSHIP}, where
        )

    return update


@change(
    f"{STORE}.delete",
    takes=("self", "table", "where"),
    why="Whoever can have a row deleted does so whosever it is.",
    reference="llamastack/llama-stack#5554",
    fixed_in="0.8.0",
    advisory="rows-changed-unchecked",
)
def delete(original: Any) -> Any:
    async def delete(self: Any, table: str, where: Mapping[str, Any]) -> None:
        await _require(self, table, where, "delete")
        await self.sql_store.delete(table, where)

    return delete


@change(
    "llama_stack.providers.inline.files.localfs.files:LocalfsFilesImpl.openai_delete_file",
    takes=("self", "file_id"),
    why="The content of a file is removed before anybody asks whether the user may delete it.",
    reference="llamastack/llama-stack#4275",
    fixed_in="0.4.0",
    advisory="rows-changed-unchecked",
)
@change(
    "llama_stack.providers.remote.files.s3.files:S3FilesImpl.openai_delete_file",
    takes=("self", "file_id"),
    why="The content of a file is removed before anybody asks whether the user may delete it.",
    reference="llamastack/llama-stack#4275",
    fixed_in="0.4.0",
    advisory="rows-changed-unchecked",
)
def delete_file(original: Any) -> Any:
    async def openai_delete_file(self: Any, file_id: str) -> Any:
        await self.openai_retrieve_file(file_id)  # not found, if the user may not see it
        await _require(self.sql_store, "openai_files", {"id": file_id}, "delete")
        return await original(self, file_id)

    return openai_delete_file


def _access(self: Any, table: str) -> Any:
    from providers.access.records import Access

    return Access(self.policy, f"sql_record::{table}")


async def _require(self: Any, table: str, where: Mapping[str, Any], action: str) -> None:
    access = _access(self, table)
    for row in (await self.sql_store.fetch_all(table, where)).data:
        access.require(action, *_named(row))


def _named(row: Mapping[str, Any]) -> tuple[str, Any]:
    from providers.access.records import Owner

    owner = Owner(row.get("owner_principal") or "", row.get("access_attributes"))
    return str(row.get("id", "unknown")), owner
