"""Provider types: do they exist, are they in this image, do they import, is each there once?"""

import importlib.metadata
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from distribution.upstream.apis import ALL_APIS, ROUTED_APIS
from distribution.upstream.provider_registry import ProviderSpec, registry, shipped_types
from distribution.verification import config_models, installed_packages
from distribution.verification.checks import resources
from distribution.verification.findings import Finding, Severity
from distribution.verification.resolution import (
    External,
    Resolution,
    Resolved,
    apis_without_providers,
    short_name,
)
from distribution.verification.subject import ConfiguredProvider, State, Subject


def check(subject: Subject, resolution: Resolution) -> Iterator[Finding]:
    """Find providers that are switched off, do not exist, are not here, do not import, or are there twice."""
    for provider in subject.providers:
        if provider.state is State.OFF:
            yield _switched_off(subject, provider)
    for found in resolution.providers:
        yield from _provider(subject, found, resolution.external)
    yield from _duplicates(subject)
    yield from _several_on_unrouted(subject)


def _switched_off(subject: Subject, provider: ConfiguredProvider) -> Finding:
    names = " or ".join(provider.switches)
    if provider.replaced_by:
        return subject.finding(
            "provider-off",
            (*provider.path, "provider_id"),
            f"{provider.provider_type} is off: `{provider.replaced_by}`, which is switched on, takes its place.",
            "Leave it as it is, or keep the one you use.",
        )
    return subject.finding(
        "provider-off",
        (*provider.path, "provider_id"),
        f"{provider.provider_type} is switched off" + (f", as {names} says." if names else "."),
        f"Set {names} to switch it on." if names else "Give it a provider_id to switch it on.",
    )


def _provider(subject: Subject, found: Resolved, external: External) -> Iterator[Finding]:
    provider, spec = found.provider, found.spec
    if found.package_error is not None:
        yield _package_failure(subject, found, found.package_error)
        return
    if found.package:
        yield from _external_version(subject, found)
    if spec is None:
        if provider.provider_type and not found.package:
            yield _unknown_type(subject, provider, external)
        return
    if spec.deprecation_error or spec.deprecation_warning:
        yield subject.finding(
            "provider-deprecated",
            (*provider.path, "provider_type"),
            f"{provider.provider_type} is deprecated: {spec.deprecation_error or spec.deprecation_warning}",
            "Change the type.",
            severity=Severity.ERROR if spec.deprecation_error else None,
        )
    if found.import_error is not None:
        yield _import_failure(subject, provider, found.import_error, shipped=found.shipped)
    elif found.missing_packages:
        yield _not_shipped(subject, provider, found.missing_packages)
    elif not found.shipped:
        yield _not_in_manifest(subject, provider, spec)


def _not_in_manifest(subject: Subject, provider: ConfiguredProvider, spec: ProviderSpec) -> Finding:
    absent = installed_packages.absent(spec.pip_packages)
    return subject.finding(
        "provider-not-in-manifest",
        (*provider.path, "provider_type"),
        f"{provider.provider_type} is not among the providers this image ships. It imports here"
        + (f", but packages it lists are missing: {_list(absent)}." if absent else "."),
        f"To rely on it, build with `--with {provider.api}={provider.provider_type}`.",
        severity=Severity.WARNING if absent else None,
    )


def _import_failure(subject: Subject, provider: ConfiguredProvider, error: Exception, *, shipped: bool) -> Finding:
    missing = error.name.partition(".")[0] if isinstance(error, ModuleNotFoundError) and error.name else None
    reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}".rstrip(".")
    if shipped:
        return subject.finding(
            "provider-import",
            (*provider.path, "provider_type"),
            f"{provider.provider_type} is shipped and does not import: "
            + (f"the Python package `{missing}` is not in the image." if missing else f"{reason}."),
            "The image is broken; build it again.",
        )
    if missing:
        return _not_shipped(subject, provider, [missing])
    return subject.finding(
        "provider-not-shipped",
        (*provider.path, "provider_type"),
        f"{provider.provider_type} is a provider of llama-stack that does not work: {reason}.",
        f"Use one that is shipped for {provider.api}: {_list(shipped_types(provider.api))}."
        + _what_names_it(subject, provider),
    )


def _not_shipped(subject: Subject, provider: ConfiguredProvider, missing: list[str]) -> Finding:
    names = " and ".join(f"`{name}`" for name in missing)
    return subject.finding(
        "provider-not-shipped",
        (*provider.path, "provider_type"),
        f"{provider.provider_type} is a provider of llama-stack, but not of this image: the Python package "
        f"{names} is not in the image.",
        f"Build an image that has it, `python build.py --with {provider.api}={provider.provider_type}`, or "
        f"use one that is shipped for {provider.api}: {_list(shipped_types(provider.api))}."
        + _what_names_it(subject, provider),
    )


def _what_names_it(subject: Subject, provider: ConfiguredProvider) -> str:
    """Say where else the config names a provider that cannot stay as it is."""
    lines = sorted({subject.document.position(path).line for path in resources.references_to(subject, provider)})
    return f" It is named in line {' and '.join(map(str, lines))}, too." if lines else ""


def _unknown_type(subject: Subject, provider: ConfiguredProvider, external: External) -> Finding:
    known = list(registry().get(provider.api, {}))
    shipped = shipped_types(provider.api)
    near = _nearest_type(provider.provider_type, [*shipped, *known])
    elsewhere = [api for api, types in registry().items() if provider.provider_type in types and api != provider.api]
    advice = f"Shipped for {provider.api}: {_list(shipped)}."
    if near:
        advice = f"Did you mean `{near}`? {advice}"
    elif elsewhere:
        advice = f"{_list(elsewhere)} has a provider of that type. {advice}"
    return subject.finding(
        "unknown-provider-type",
        (*provider.path, "provider_type"),
        f"`{provider.provider_type}` is no provider type of {provider.api}, here or in llama-stack.",
        f"{advice} A provider of your own needs `module:`"
        + ("." if external.providers_are_known else ", or is in `external_providers_dir`, which only the target has.")
        + ("" if near else _what_names_it(subject, provider)),
        severity=None if external.providers_are_known else Severity.WARNING,
    )


def _nearest_type(written: str, candidates: list[str]) -> str | None:
    """Find the type that was meant; its name counts more than whether it is inline or remote."""
    same = [candidate for candidate in candidates if short_name(candidate) == short_name(written)]
    if same:
        return same[0]
    if near := config_models.nearest(written, candidates):
        return near
    names = {short_name(candidate): candidate for candidate in reversed(candidates)}
    near_name = config_models.nearest(short_name(written), names)
    return names[near_name] if near_name else None


def _package_failure(subject: Subject, found: Resolved, error: Exception) -> Finding:
    package = str(found.package).partition("==")[0]
    missing = isinstance(error, ModuleNotFoundError)
    return subject.finding(
        "provider-import",
        (*found.provider.path, "module"),
        f"The external provider `{package}` "
        + ("is not in this image." if missing else f"does not import: {type(error).__name__}: {error}."),
        f"Add it to distribution/build.yaml (provider_type: {found.provider.provider_type}, module: "
        f"{found.package}) and build the image again, or remove this provider.",
    )


def _external_version(subject: Subject, found: Resolved) -> Iterator[Finding]:
    package, _, version = str(found.package).partition("==")
    try:
        present = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return
    if version and version != present:
        yield subject.finding(
            "external-version",
            (*found.provider.path, "module"),
            f"The config names version {version} of {package}; this image has {present}, which is what runs.",
            f"Write `module: {package}`.",
        )


def _duplicates(subject: Subject) -> Iterator[Finding]:
    seen: dict[tuple[str, str], ConfiguredProvider] = {}
    for provider in subject.enabled_providers:
        key = (provider.api, provider.provider_id)
        first = seen.setdefault(key, provider)
        if first is not provider and provider.provider_id:
            line = subject.document.position((*first.path, "provider_id")).line
            yield subject.finding(
                "duplicate-provider-id",
                (*provider.path, "provider_id"),
                f"Two providers of {provider.api} have the id `{provider.provider_id}`; llama-stack would drop "
                f"that of line {line}.",
                "Give each its own provider_id.",
            )


def _several_on_unrouted(subject: Subject) -> Iterator[Finding]:
    enabled: dict[str, list[ConfiguredProvider]] = defaultdict(list)
    for provider in subject.enabled_providers:
        if provider.api in ALL_APIS and provider.api not in ROUTED_APIS:
            enabled[provider.api].append(provider)
    for api, providers in enabled.items():
        if api in apis_without_providers() or api == "telemetry":
            continue
        certain = [provider for provider in providers if provider.state is State.ON]
        if not certain:
            continue  # which of them is on, and whether it is one, only the target's environment can tell
        for provider in providers[1:]:
            yield subject.finding(
                "several-providers",
                provider.path,
                f"{api} takes one provider and has {len(providers)} enabled: "
                f"{_list([provider.provider_id for provider in providers])}. llama-stack would use the last.",
                "Keep one, or switch the others off with a provider_id that comes out empty.",
                severity=None if len(certain) > 1 else Severity.WARNING,
            )


def _list(names: Any) -> str:
    return ", ".join(str(name) for name in names) or "none"
