"""APIs: does every one that is named exist, and can it have providers?"""

from collections.abc import Iterator

from distribution.upstream.apis import ALL_APIS, ROUTED_APIS, internal_apis
from distribution.verification import config_models
from distribution.verification.findings import Finding, KeyPath, Severity
from distribution.verification.resolution import External, Resolution
from distribution.verification.subject import Subject


def check(subject: Subject, resolution: Resolution) -> Iterator[Finding]:
    """Find APIs that do not exist, and APIs below `providers:` that cannot have any."""
    yield from _listed(subject, resolution.external)
    yield from _with_providers(subject, resolution.external)


def _listed(subject: Subject, external: External) -> Iterator[Finding]:
    apis = subject.get("apis")
    for index, api in enumerate(apis if isinstance(apis, list) else []):
        if isinstance(api, str) and api not in ALL_APIS and api not in external.apis:
            yield _unknown(subject, ("apis", index), api, external)


def _with_providers(subject: Subject, external: External) -> Iterator[Finding]:
    for api in subject.mapping("providers"):
        path = ("providers", str(api))
        if api not in ALL_APIS:
            if api not in external.apis:
                yield _unknown(subject, path, str(api), external)
        elif subject.is_explained(path):
            continue
        elif api in ROUTED_APIS.values():
            owner = next(owner for owner, table in ROUTED_APIS.items() if table == api)
            yield subject.finding(
                "api-without-providers",
                path,
                f"`{api}` cannot have providers: it comes with `{owner}`.",
                f"Remove it; providers belong below `providers.{owner}`.",
                at_key=True,
            )
        elif api in internal_apis():
            yield subject.finding(
                "api-without-providers",
                path,
                f"`{api}` cannot have providers: llama-stack serves it by itself.",
                "Remove it; the API is served without being configured.",
                at_key=True,
            )


def _unknown(subject: Subject, path: KeyPath, api: str, external: External) -> Finding:
    near = config_models.nearest(api, ALL_APIS)
    advice = f"Did you mean `{near}`?" if near else f"The APIs: {', '.join(sorted(ALL_APIS))}."
    if not external.apis_are_known:
        advice += " Or it is in `external_apis_dir`, which only the target has."
    return subject.finding(
        "unknown-api",
        path,
        f"`{api}` is no API of llama-stack.",
        advice,
        severity=None if external.apis_are_known else Severity.WARNING,
        at_key=True,
    )
