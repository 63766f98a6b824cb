"""Registered resources and vector stores: do they point at something that is there?"""

from collections.abc import Iterator
from typing import Any

from distribution.upstream import version
from distribution.upstream.apis import RESOURCES, resources_skipped_without_provider
from distribution.verification import old_format
from distribution.verification.config_models import nearest
from distribution.verification.expansion import DISABLED, converted, references_in
from distribution.verification.findings import Finding, KeyPath, Severity, dotted
from distribution.verification.resolution import Resolution
from distribution.verification.subject import ConfiguredProvider, State, Subject


def check(subject: Subject, resolution: Resolution) -> Iterator[Finding]:
    """Find resources that cannot be registered and defaults that name nothing."""
    for kind, (api, id_field) in RESOURCES.items():
        for path, entry in _entries(subject, kind):
            if path not in subject.expansion.dropped:
                yield from _resource(subject, kind, api, id_field, path, entry)
    yield from _embedding_dimensions(subject)
    yield from _models_without_a_key(subject, resolution)
    if subject.get("registered_resources", "vector_stores"):
        yield subject.finding(
            "resource-skipped",
            ("registered_resources", "vector_stores"),
            f"llama-stack {version.llama_stack()} does not register `vector_stores` from the run config.",
            "Create them with the API (POST /v1/vector_stores).",
            at_key=True,
        )
    yield from _default_provider(subject)
    yield from _default_embedding_model(subject, resolution)


def references_to(subject: Subject, provider: ConfiguredProvider) -> Iterator[KeyPath]:
    """Yield the places that name a provider."""
    for kind, (api, _) in RESOURCES.items():
        for path, entry in _entries(subject, kind) if api == provider.api else ():
            if provider.provider_id and entry.get("provider_id") == provider.provider_id:
                yield (*path, "provider_id")
    defaults = {
        "inference": ("vector_stores", "default_embedding_model", "provider_id"),
        "vector_io": ("vector_stores", "default_provider_id"),
    }
    place = defaults.get(provider.api)
    if place and provider.provider_id and subject.get(*place) == provider.provider_id:
        yield place


def _entries(subject: Subject, kind: str) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    """Yield the entries of a kind, those in the places of 0.2.x included: they are going to be moved."""
    yield from subject.entries("registered_resources", kind)
    for old, new in old_format.MOVED_RESOURCES.items():
        if new == f"registered_resources.{kind}":
            yield from subject.entries(old)


def _resource(
    subject: Subject, kind: str, api: str, id_field: str, path: KeyPath, entry: dict[str, Any]
) -> Iterator[Finding]:
    id_path = (*path, "provider_id")
    if subject.expansion.is_unknown(id_path):
        return
    provider_id, name = entry.get("provider_id"), entry.get(id_field) or "this entry"
    if api not in subject.served_apis and subject.get("apis"):
        yield subject.finding(
            "resource-skipped",
            path,
            f"`{name}` is not registered: `{api}` is not in `apis`.",
            f"Add `{api}` to `apis`.",
        )
    elif provider_id and provider_id != DISABLED:
        yield from _provider_reference(subject, id_path, str(provider_id), api, f"`{name}` belongs to")
    elif kind in resources_skipped_without_provider():
        references = subject.expansion.references.get(id_path, [])
        if references:
            names = " or ".join(dict.fromkeys(reference.name for reference in references))
            yield subject.finding("resource-off", path, "The entry is switched off.", f"Set {names} to switch it on.")
        else:
            yield subject.finding(
                "resource-skipped",
                path,
                f"`{name}` is not registered: llama-stack skips {kind} without a provider_id.",
                f"Add the `provider_id` of a provider of {api}.",
            )


def _provider_reference(
    subject: Subject,
    path: KeyPath,
    provider_id: str,
    api: str,
    what: str,
    severity: Severity | None = None,
) -> Iterator[Finding]:
    """Yield a finding unless `api` has an enabled provider of this id."""
    of_api = [provider for provider in subject.enabled_providers if provider.api == api]
    if any(provider_id == provider.provider_id for provider in of_api):
        return
    if any(subject.expansion.is_unknown((*provider.path, "provider_id")) for provider in of_api):
        return
    if api in subject.mapping("providers") and subject.is_explained(("providers", api)):
        return
    for provider in subject.providers:
        switched = _id_when_on(subject, (*provider.path, "provider_id"))
        if provider.api == api and provider.state is State.OFF and provider_id == switched:
            names = " or ".join(provider.switches)
            yield subject.finding(
                "provider-reference-off",
                path,
                f"{what} the provider `{provider_id}`, which is switched off.",
                f"Set {names}, or switch this off with it." if names else "Switch the provider on.",
                severity=severity,
            )
            return
    ids = [provider.provider_id for provider in of_api]
    near = nearest(provider_id, ids)
    advice = f"Its providers: {', '.join(ids)}." if ids else f"Add a provider below `providers.{api}`."
    yield subject.finding(
        "unknown-provider-id",
        path,
        f"{what} the provider `{provider_id}`, and {api} has none of that id.",
        f"Did you mean `{near}`? {advice}" if near else advice,
        severity=severity,
    )


def _id_when_on(subject: Subject, path: KeyPath) -> str:
    """Return the id that a provider has when the variables in it are set."""
    text: Any = subject.document.data
    for step in path:
        text = text.get(step) if isinstance(text, dict) else text[step]
    if not isinstance(text, str):
        return ""
    return str(converted(text, {reference.name: "x" for reference in references_in(text)}) or "")


def _embedding_dimensions(subject: Subject) -> Iterator[Finding]:
    for path, entry in _entries(subject, "models"):
        off = not entry.get("provider_id") or entry.get("provider_id") == DISABLED
        if off or entry.get("model_type") != "embedding":
            continue
        metadata = entry.get("metadata")
        where = (*path, "metadata", "embedding_dimension")
        dimension = metadata.get("embedding_dimension") if isinstance(metadata, dict) else None
        if subject.expansion.is_unknown(where):
            continue
        if not _is_whole_number(dimension):
            yield subject.finding(
                "embedding-dimension",
                where,
                f"The embedding model `{entry.get('model_id')}` has no usable embedding_dimension.",
                "Add `metadata: {embedding_dimension: N}`, N being the length of its vectors "
                "(384 for all-MiniLM-L6-v2, 768 for nomic-embed-text-v1.5).",
            )


def _models_without_a_key(subject: Subject, resolution: Resolution) -> Iterator[Finding]:
    for provider in subject.enabled_providers:
        key = (*provider.path, "config", "api_key")
        if not resolution.traits(provider).lists_models_with_key_only or provider.config.get("api_key"):
            continue
        if subject.expansion.is_unknown(key):
            continue
        for path, entry in _entries(subject, "models"):
            if provider.provider_id and entry.get("provider_id") == provider.provider_id:
                yield subject.finding(
                    "model-without-key",
                    path,
                    f"`{entry.get('model_id')}` cannot be registered: its provider `{provider.provider_id}` has no "
                    f"api_key, and without one {provider.provider_type} does not ask for models.",
                    f"Add `api_key` to `{dotted((*provider.path, 'config'))}`; any word will do where the service "
                    "asks for none.",
                )


def _is_whole_number(value: Any) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool) and value > 0) or (
        isinstance(value, str) and value.isascii() and value.isdigit() and int(value) > 0
    )


def _default_provider(subject: Subject) -> Iterator[Finding]:
    path = ("vector_stores", "default_provider_id")
    provider_id = subject.get(*path)
    if not isinstance(provider_id, str) or subject.expansion.is_unknown(path):
        return
    enabled = [provider for provider in subject.enabled_providers if provider.api == "vector_io"]
    # llama-stack asks for the default only where there is a choice.
    severity = None if len(enabled) > 1 else Severity.WARNING
    yield from _provider_reference(subject, path, provider_id, "vector_io", "New vector stores go to", severity)


def _default_embedding_model(subject: Subject, resolution: Resolution) -> Iterator[Finding]:
    path = ("vector_stores", "default_embedding_model")
    default = subject.mapping(*path)
    provider_id, model_id = default.get("provider_id"), default.get("model_id")
    if not (isinstance(provider_id, str) and isinstance(model_id, str)) or subject.expansion.is_unknown(path):
        return
    known = [
        provider
        for provider in subject.enabled_providers
        if provider.api == "inference" and provider.provider_id == provider_id
    ]
    if not known:
        yield from _provider_reference(
            subject,
            (*path, "provider_id"),
            provider_id,
            "inference",
            "The default embedding model belongs to",
        )
        return
    declared = known[0].config.get("embedding_models")
    if isinstance(declared, dict) and model_id in declared:
        return
    registered = [
        entry
        for _, entry in _entries(subject, "models")
        if entry.get("provider_id") == provider_id
        and (entry.get("provider_model_id") or entry.get("model_id")) == model_id
    ]
    if any(entry.get("model_type") == "embedding" for entry in registered):
        return
    if registered:
        message = f"`{model_id}` is registered, but not as an embedding model."
        advice = "Give its entry `model_type: embedding` and `metadata: {embedding_dimension: N}`."
        severity = None
    else:
        certain = resolution.traits(known[0]).lists_embeddings_as_chat
        message = f"`{model_id}` is not among `registered_resources.models`." + (
            "" if certain else " The server starts only if the provider lists it as an embedding model by itself."
        )
        advice = (
            f"Add {{model_id: {model_id}, provider_id: {provider_id}, model_type: embedding, "
            "metadata: {embedding_dimension: N}} to registered_resources.models."
        )
        severity = None if certain else Severity.WARNING
    yield subject.finding("unknown-model", (*path, "model_id"), message, advice, severity=severity)
