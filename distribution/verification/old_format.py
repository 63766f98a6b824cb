"""What is left of llama-stack 0.2.x in a run config: each leftover with its place in 0.3.

Leftovers are looked for before anything else, because one of them explains what many checks would stumble over.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from distribution.verification.findings import Finding, KeyPath, Severity
from distribution.verification.subject import ConfiguredProvider, Subject

MOVED_RESOURCES = {
    "models": "registered_resources.models",
    "shields": "registered_resources.shields",
    "datasets": "registered_resources.datasets",
    "scoring_fns": "registered_resources.scoring_fns",
    "benchmarks": "registered_resources.benchmarks",
    "eval_tasks": "registered_resources.benchmarks",
    "tool_groups": "registered_resources.tool_groups",
}
GONE_RESOURCES = ("vector_dbs", "vector_databases")
MOVED_STORES = {
    "metadata_store": "metadata",
    "inference_store": "inference",
    "conversations_store": "conversations",
}
AGENT_STORES = {"persistence_store": "agent_state", "responses_store": "responses"}
SQL_FIELDS = ("metadata_store", "responses_store", "inference_store", "conversations_store")
STORE_FIELDS = ("kvstore", "persistence", "persistence_store", *SQL_FIELDS)

STORAGE_ADVICE = """\
Add
  storage:
    backends:
      kv_default: {type: kv_sqlite, db_path: /data/kvstore.db}
      sql_default: {type: sql_sqlite, db_path: /data/sql_store.db}
    stores:
      metadata: {backend: kv_default, namespace: registry}
      inference: {backend: sql_default, table_name: inference_store}
      conversations: {backend: sql_default, table_name: openai_conversations}"""


@dataclass(frozen=True)
class Leftover:
    """A finding, the places that it explains, and those of them whose content is to be thrown away."""

    finding: Finding
    explains: tuple[KeyPath, ...] = ()
    obsolete: tuple[KeyPath, ...] = ()


def find_leftovers(subject: Subject) -> list[Leftover]:
    """Find what was written for llama-stack 0.2.x, and mark it in the subject."""
    leftovers = [
        *_missing_storage(subject),
        *_moved_top_level_keys(subject),
        *(leftover for provider in subject.enabled_providers for leftover in _stores_of(subject, provider)),
        *_telemetry(subject),
    ]
    if subject.get("registered_resources", "vector_dbs") is not None:
        leftovers.append(_gone(subject, ("registered_resources", "vector_dbs")))
    for leftover in leftovers:
        subject.explained |= {*leftover.explains, *leftover.obsolete}
        subject.obsolete |= set(leftover.obsolete)
    return leftovers


def _missing_storage(subject: Subject) -> Iterator[Leftover]:
    if "storage" not in subject.data:
        found = subject.finding(
            "old-format",
            (),
            "`storage:` is missing, which 0.3 needs: it says where state lives, once for all providers.",
            STORAGE_ADVICE,
        )
        yield Leftover(found, explains=(("storage",),))


def _moved_top_level_keys(subject: Subject) -> Iterator[Leftover]:
    for key in subject.data:
        path: KeyPath = (key,)
        if place := MOVED_RESOURCES.get(key):
            found = subject.finding(
                "old-format",
                path,
                f"`{key}:` at the top level is 0.2.x. 0.3 does not read it"
                + (": nothing in it would be registered." if subject.data[key] else "."),
                f"Move it below `registered_resources:`, as `{place}`.",
                severity=None if subject.data[key] else Severity.WARNING,
                at_key=True,
            )
            yield Leftover(found, explains=(path,))
        elif key in GONE_RESOURCES:
            yield _gone(subject, path)
        elif store := MOVED_STORES.get(key):
            found = subject.finding(
                "old-format",
                path,
                f"`{key}:` at the top level is 0.2.x. 0.3 does not read it.",
                f"Remove it; the same is said by `storage.stores.{store}`, which names a backend of "
                "`storage.backends`.",
                # Without storage the config fails for that reason; with it this is a leftover.
                severity=Severity.WARNING,
                at_key=True,
            )
            yield Leftover(found, obsolete=(path,))


def _telemetry(subject: Subject) -> Iterator[Leftover]:
    listed = subject.get("apis")
    apis = listed if isinstance(listed, list) else []
    places: list[KeyPath] = [("apis", index) for index, api in enumerate(apis) if api == "telemetry"]
    if "telemetry" in subject.mapping("providers"):
        places.append(("providers", "telemetry"))
    for path in places:
        found = subject.finding(
            "telemetry-moved",
            path,
            "In 0.3 telemetry is a setting and no API. "
            + (
                "This image takes these providers for `telemetry: {enabled: true}`."
                if path[0] == "providers"
                else "This image leaves it out of `apis`."
            ),
            "Remove this, write `telemetry: {enabled: true}` at the top level, and set OTEL_EXPORTER_OTLP_ENDPOINT.",
            at_key=True,
        )
        yield Leftover(found, obsolete=(path,))


def _gone(subject: Subject, path: KeyPath) -> Leftover:
    entries = subject.get(*path)
    found = subject.finding(
        "old-format",
        path,
        f"`{path[-1]}` is 0.2.x. Vector stores are no longer made by the run config.",
        "Remove it and create vector stores with the API (POST /v1/vector_stores)." if entries else "Remove it.",
        severity=Severity.WARNING,
        at_key=True,
    )
    return Leftover(found, obsolete=(path,))


def _stores_of(subject: Subject, provider: ConfiguredProvider) -> Iterator[Leftover]:
    config_path = (*provider.path, "config")
    old_keys = [key for key in STORE_FIELDS if _is_old_store(provider.config.get(key))]
    old_keys += [key for key in AGENT_STORES if key in provider.config and key not in old_keys]
    for key in old_keys:
        path = (*config_path, key)
        new_field = "persistence" if key in AGENT_STORES or provider.api == "vector_io" else key
        found = subject.finding(
            "old-format",
            path,
            f"{provider.provider_type} has its `{key}` in the form of 0.2.x, a database of its own.",
            _new_store(provider, key, provider.config[key]),
            at_key=True,
        )
        yield Leftover(found, explains=((*config_path, new_field),), obsolete=(path,))


def _is_old_store(value: Any) -> bool:
    return isinstance(value, dict) and "backend" not in value and bool({"type", "db_path"} & set(value))


def _new_store(provider: ConfiguredProvider, key: str, value: Any) -> str:
    kind = "kv_postgres" if isinstance(value, dict) and value.get("type") == "postgres" else "kv_sqlite"
    if key in AGENT_STORES:
        return (
            "Write `persistence: {agent_state: {backend: kv_default, namespace: agents}, "
            "responses: {backend: sql_default, table_name: responses}}` instead of persistence_store and "
            "responses_store; the backends are defined once in `storage.backends`."
        )
    if key in SQL_FIELDS:
        sql = kind.replace("kv", "sql")
        return (
            f"Write `{key}: {{backend: sql_default, table_name: {provider.api}_metadata}}`; the backend is "
            f"defined once in `storage.backends` with type {sql}."
        )
    field = "persistence" if provider.api == "vector_io" else key
    namespace = f"{provider.api}::{provider.provider_type.rpartition('::')[2]}"
    return (
        f"Write `{field}: {{backend: kv_default, namespace: {namespace}}}`; the backend is defined once in "
        f"`storage.backends` with type {kind}."
    )
