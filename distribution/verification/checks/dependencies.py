"""Which APIs are served, and whether each provider finds the APIs it needs."""

from collections.abc import Iterator

from distribution.upstream.apis import ALL_APIS, ROUTED_APIS, internal_apis
from distribution.upstream.provider_registry import shipped_types
from distribution.verification import suggestions
from distribution.verification.findings import Finding, Severity
from distribution.verification.resolution import Resolution, Resolved
from distribution.verification.subject import State, Subject


def check(subject: Subject, resolution: Resolution) -> Iterator[Finding]:
    """Find APIs without providers, providers without their API, and APIs that a provider misses."""
    yield from _listed_without_provider(subject)
    yield from _provided_without_listing(subject)
    available = available_apis(subject)
    for found in resolution.working:
        for api in found.spec.api_dependencies if found.spec else []:
            if api.value not in available:
                yield _missing(subject, found, api.value)


def available_apis(subject: Subject) -> set[str]:
    """Return the APIs that other providers can call."""
    available = {"inspect", "providers", "prompts", "conversations"}
    for api in subject.served_apis:
        if api in ROUTED_APIS:
            available |= {api, ROUTED_APIS[api]}
    if not _apis_listed(subject):
        available |= set(ROUTED_APIS) | set(ROUTED_APIS.values())
    available |= {provider.api for provider in subject.enabled_providers if provider.api not in ROUTED_APIS}
    return available


def _apis_listed(subject: Subject) -> bool:
    return bool(subject.get("apis"))


def _listed_without_provider(subject: Subject) -> Iterator[Finding]:
    apis = subject.get("apis")
    provided = {provider.api for provider in subject.enabled_providers}
    for index, api in enumerate(apis if isinstance(apis, list) else []):
        if api not in ALL_APIS or api in provided or api == "telemetry":
            continue
        if not isinstance(subject.mapping("providers").get(api, []), list) or "providers" not in subject.data:
            continue  # said already, as a fault of its shape
        if api in internal_apis() or api == "prompts":
            continue
        if api in ROUTED_APIS.values():
            yield from _routing_table_without_owner(subject, index, str(api))
            continue
        switched_off = [provider for provider in subject.providers if provider.api == api]
        names = ", ".join(dict.fromkeys(name for provider in switched_off for name in provider.switches))
        if api in ROUTED_APIS:
            # llama-stack serves it all the same; every call fails until there is a provider.
            yield subject.finding(
                "api-not-provided",
                ("apis", index),
                f"`{api}` has no provider"
                + (" that is switched on" if switched_off else "")
                + "; calls to it will fail.",
                f"Set one of {names}." if names else f"Add a provider below `providers.{api}`, or remove it here.",
                severity=Severity.INFO if names else Severity.WARNING,
            )
        else:
            yield subject.finding(
                "api-not-provided",
                ("apis", index),
                f"`{api}` is to be served and has no provider" + (" that is switched on." if names else "."),
                f"Set {names}, or"
                if names
                else f"Add a provider below `providers.{api}` (shipped: "
                f"{', '.join(shipped_types(str(api))) or 'none'}), or remove it from `apis`.",
            )


def _routing_table_without_owner(subject: Subject, index: int, api: str) -> Iterator[Finding]:
    owner = next(owner for owner, table in ROUTED_APIS.items() if table == api)
    if owner not in subject.served_apis:
        yield subject.finding(
            "api-not-provided",
            ("apis", index),
            f"`{api}` is served together with `{owner}`, which is not in `apis`.",
            f"Write `{owner}` instead.",
        )


def _provided_without_listing(subject: Subject) -> Iterator[Finding]:
    said: set[str] = set()
    for provider in subject.enabled_providers:
        api = provider.api
        if api in subject.served_apis or api in said or api not in ALL_APIS:
            continue
        if api in internal_apis() or api in ROUTED_APIS.values() or api == "prompts":
            continue
        said.add(api)
        yield subject.finding(
            "api-not-listed",
            ("providers", api),
            f"`{api}` has providers and is not in `apis`, so it is not served.",
            f"Add `{api}` to `apis`, or remove its providers.",
            at_key=True,
        )


def _missing(subject: Subject, found: Resolved, api: str) -> Finding:
    provider = found.provider
    owner = next((owner for owner, table in ROUTED_APIS.items() if table == api), api)
    off = [other for other in subject.providers if other.api == owner and other.state is State.OFF]
    names = " or ".join(dict.fromkeys(name for other in off for name in other.switches))
    if owner in subject.mapping("providers") and owner in ROUTED_APIS:
        advice = f"Add `{owner}` to `apis`."
    elif names:
        advice = f"Set {names}, which switches on its provider."
    else:
        advice = f"Add a provider below `providers.{owner}`" + (
            f" and `{owner}` to `apis`." if _apis_listed(subject) else "."
        )
        advice += f" Shipped: {', '.join(shipped_types(owner)) or 'none'}."
        if example := suggestions.entry(subject, owner):
            advice += f" For instance: `- {example}`."
    return subject.finding(
        "missing-dependency",
        (*provider.path, "provider_type"),
        f"{provider.provider_type} of {provider.api} needs the API `{api}`, which is not served.",
        advice,
    )
