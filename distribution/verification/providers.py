"""APIs and providers: do they exist, are they in this image, do they import, do they accept their config?"""

import importlib.metadata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from distribution.overlay import facts
from distribution.shipped import shipped_module
from distribution.verification import external_directories, models, packages, resources, schema, suggestions
from distribution.verification.external_directories import External
from distribution.verification.findings import Finding, KeyPath, Severity
from distribution.verification.subject import ConfiguredProvider, State, Subject


@dataclass
class Resolved:
    """What is known of a provider after these checks: its spec, and its config object if it could be made."""

    provider: ConfiguredProvider
    spec: facts.Spec
    config: Any = None
    faults: list[models.FieldFault] = field(default_factory=list)


def check(subject: Subject, resolved: list[Resolved]) -> Iterator[Finding]:
    """Find what is wrong with `apis:` and `providers:`; put the providers that resolve into `resolved`."""
    external = External()
    yield from external_directories.read(subject, external)
    yield from _listed_apis(subject, external)
    yield from _provider_apis(subject, external)
    for provider in subject.providers:
        if provider.state is State.OFF:
            yield _switched_off(subject, provider)
        elif provider.api in facts.ALL_APIS and provider.api not in _apis_without_providers():
            yield from _provider(subject, provider, resolved, external)
    yield from _duplicates(subject)
    yield from _several_on_unrouted(subject)


def _apis_without_providers() -> set[str]:
    return facts.internal_apis() | set(facts.ROUTED_APIS.values())


def _listed_apis(subject: Subject, external: External) -> Iterator[Finding]:
    apis = subject.get("apis")
    for index, api in enumerate(apis if isinstance(apis, list) else []):
        path = ("apis", index)
        if isinstance(api, str) and api not in facts.ALL_APIS and api not in external.apis:
            yield _unknown_api(subject, path, api, external)


def _provider_apis(subject: Subject, external: External) -> Iterator[Finding]:
    for api in subject.mapping("providers"):
        path = ("providers", str(api))
        if subject.is_explained(path):
            continue
        if api not in facts.ALL_APIS:
            if api not in external.apis:
                yield _unknown_api(subject, path, str(api), external)
        elif api in facts.ROUTED_APIS.values():
            owner = next(owner for owner, table in facts.ROUTED_APIS.items() if table == api)
            yield subject.finding(
                "api-without-providers",
                path,
                f"`{api}` cannot have providers: it comes with `{owner}`.",
                f"Remove it; providers belong below `providers.{owner}`.",
                at_key=True,
            )
        elif api in facts.internal_apis():
            yield subject.finding(
                "api-without-providers",
                path,
                f"`{api}` cannot have providers: llama-stack serves it by itself.",
                "Remove it; the API is served without being configured.",
                at_key=True,
            )


def _unknown_api(subject: Subject, path: KeyPath, api: str, external: External) -> Finding:
    subject.explained.add(path)
    near = models.nearest(api, facts.ALL_APIS)
    advice = f"Did you mean `{near}`?" if near else f"There are: {', '.join(sorted(facts.ALL_APIS))}."
    if not external.apis_are_known:
        advice += " Or it is in `external_apis_dir`, which only the target has."
    return subject.finding(
        "unknown-api",
        path,
        f"There is no API called `{api}`.",
        advice,
        severity=None if external.apis_are_known else Severity.WARNING,
        at_key=True,
    )


def _switched_off(subject: Subject, provider: ConfiguredProvider) -> Finding:
    names = " or ".join(provider.switches)
    return subject.finding(
        "provider-off",
        (*provider.path, "provider_id"),
        f"{provider.provider_type} is switched off" + (f", as {names} says." if names else "."),
        f"Set {names} to switch it on." if names else "Give it a provider_id to switch it on.",
    )


def _provider(
    subject: Subject, provider: ConfiguredProvider, resolved: list[Resolved], external: External
) -> Iterator[Finding]:
    module = provider.module or shipped_module(provider.api, provider.provider_type)
    if module:
        yield from _external_provider(subject, provider, module, resolved)
        return
    spec = external.providers.get(provider.api, {}).get(provider.provider_type)
    if spec is not None:
        spec = spec.model_copy(update={"is_external": True})
    spec = spec or facts.registry().get(provider.api, {}).get(provider.provider_type)
    if spec is None:
        if provider.provider_type:
            yield _unknown_type(subject, provider, external)
            yield from _config_of_the_type_meant(subject, provider)
        return
    yield from _known_provider(subject, provider, spec, resolved)


def _known_provider(
    subject: Subject, provider: ConfiguredProvider, spec: facts.Spec, resolved: list[Resolved]
) -> Iterator[Finding]:
    type_path = (*provider.path, "provider_type")
    if spec.deprecation_error or spec.deprecation_warning:
        yield subject.finding(
            "provider-deprecated",
            type_path,
            f"{provider.provider_type} is deprecated: {spec.deprecation_error or spec.deprecation_warning}",
            "Change the type.",
            severity=Severity.ERROR if spec.deprecation_error else None,
        )
    shipped = provider.provider_type in facts.shipped_types(provider.api) or spec.is_external
    try:
        config_class = facts.import_implementation(spec)
    except Exception as error:
        yield _import_failure(subject, provider, error, shipped=shipped)
        return
    if not shipped:
        if missing := packages.absent_of_extras(spec.pip_packages):
            yield _not_shipped(subject, provider, missing)
            return
        yield _not_in_manifest(subject, provider, spec)
    found = Resolved(provider, spec)
    resolved.append(found)
    yield from _config(subject, found, config_class)


def _not_in_manifest(subject: Subject, provider: ConfiguredProvider, spec: facts.Spec) -> Finding:
    absent = packages.absent(spec.pip_packages)
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
        f"Use one that is shipped for {provider.api}: {_list(facts.shipped_types(provider.api))}."
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
        f"use one that is shipped for {provider.api}: {_list(facts.shipped_types(provider.api))}."
        + _what_names_it(subject, provider),
    )


def _what_names_it(subject: Subject, provider: ConfiguredProvider) -> str:
    """Say where else the config names a provider that cannot stay as it is."""
    lines = sorted({subject.document.position(path).line for path in resources.references_to(subject, provider)})
    return f" It is named in line {' and '.join(map(str, lines))}, too." if lines else ""


def _unknown_type(subject: Subject, provider: ConfiguredProvider, external: External) -> Finding:
    known = list(facts.registry().get(provider.api, {}))
    shipped = facts.shipped_types(provider.api)
    near = _nearest_type(provider.provider_type, [*shipped, *known])
    elsewhere = [
        api for api, types in facts.registry().items() if provider.provider_type in types and api != provider.api
    ]
    advice = f"Shipped for {provider.api}: {_list(shipped)}."
    if near:
        advice = f"Did you mean `{near}`? {advice}"
    elif elsewhere:
        advice = f"It is a provider of {_list(elsewhere)}. {advice}"
    return subject.finding(
        "unknown-provider-type",
        (*provider.path, "provider_type"),
        f"There is no provider `{provider.provider_type}` of {provider.api}, here or in llama-stack.",
        f"{advice} A provider of your own needs `module:`"
        + ("." if external.providers_are_known else ", or is in `external_providers_dir`, which only the target has.")
        + ("" if near else _what_names_it(subject, provider)),
        severity=None if external.providers_are_known else Severity.WARNING,
    )


def _config_of_the_type_meant(subject: Subject, provider: ConfiguredProvider) -> Iterator[Finding]:
    """Check the config of a provider whose type is but spelled wrongly, so that all is said at once."""
    meant = [known for known in facts.shipped_types(provider.api) if _name(known) == _name(provider.provider_type)]
    if len(meant) != 1:
        return
    package = shipped_module(provider.api, meant[0])
    try:
        specs = facts.external_specs(package) if package else list(facts.registry()[provider.api].values())
        spec = next(spec for spec in specs if spec.provider_type == meant[0])
        config_class = facts.import_implementation(spec)
    except Exception:  # said when the type is written correctly
        return
    yield from _config(subject, Resolved(replace(provider, provider_type=meant[0]), spec), config_class)


def _name(provider_type: str) -> str:
    """Return a type's name as people remember it."""
    return provider_type.rpartition("::")[2].replace("_", "-").lower()


def _nearest_type(written: str, candidates: list[str]) -> str | None:
    """Find the type that was meant; its name counts more than whether it is inline or remote."""
    same = [candidate for candidate in candidates if _name(candidate) == _name(written)]
    if same:
        return same[0]
    if near := models.nearest(written, candidates):
        return near
    names = {_name(candidate): candidate for candidate in reversed(candidates)}
    near_name = models.nearest(_name(written), names)
    return names[near_name] if near_name else None


def _external_provider(
    subject: Subject, provider: ConfiguredProvider, module: str, resolved: list[Resolved]
) -> Iterator[Finding]:
    package, _, version = module.partition("==")
    path = (*provider.path, "module")
    try:
        specs = facts.external_specs(package)
    except Exception as error:
        missing = isinstance(error, ModuleNotFoundError)
        yield subject.finding(
            "provider-import",
            path,
            f"The external provider `{package}` "
            + ("is not in this image." if missing else f"does not import: {type(error).__name__}: {error}."),
            f"Add it to distribution/build.yaml (provider_type: {provider.provider_type}, module: "
            f"{module}) and build the image again, or remove this provider.",
        )
        return
    yield from _external_version(subject, path, package, version)
    matching = [spec for spec in specs if spec.provider_type == provider.provider_type] or specs[:1]
    for spec in matching[:1]:
        yield from _known_provider(subject, provider, spec.model_copy(update={"is_external": True}), resolved)


def _external_version(subject: Subject, path: KeyPath, package: str, version: str) -> Iterator[Finding]:
    try:
        present = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return
    if version and version != present:
        yield subject.finding(
            "external-version",
            path,
            f"The config names version {version} of {package}; this image has {present}, which is what runs.",
            f"Write `module: {package}`.",
        )


def _config(subject: Subject, found: Resolved, config_class: type[Any]) -> Iterator[Finding]:
    provider, config_path = found.provider, (*found.provider.path, "config")
    unknown = {unknown.path[0]: unknown for unknown in models.unknown_keys(config_class, provider.config)}
    is_model = hasattr(config_class, "model_fields")
    usable = provider.config
    if not is_model:
        # A dataclass refuses what it does not know; say so key by key and try the rest.
        usable = {key: value for key, value in usable.items() if key not in unknown}
    found.config, found.faults = models.build(config_class, usable)
    for fault in found.faults:
        path = (*config_path, *fault.path)
        if subject.is_explained(path) or subject.expansion.is_unknown(path):
            continue
        if not fault.path:
            yield subject.finding(
                "invalid-value",
                config_path,
                f"{provider.provider_type}: the config {fault.problem}.",
                "Correct the config.",
                at_key=True,
            )
        else:
            field = models.field_at(config_class, fault.path)
            what_to_add = suggestions.for_missing(subject, provider, str(fault.path[-1]), field)
            yield schema.describe(subject, path, fault, what_to_add)
    for provider_type, name in facts.NEEDED_FIELDS:
        path = (*config_path, name)
        given = provider.config.get(name) is not None or subject.expansion.is_unknown(path)
        if provider_type == provider.provider_type and not (given or subject.is_explained(path)):
            fault = models.FieldFault((), "has to be given, and is empty", missing=name not in provider.config)
            field = models.field_at(config_class, (name,))
            yield schema.describe(subject, path, fault, suggestions.for_missing(subject, provider, name, field))
    for key in models.unknown_keys(config_class, provider.config):
        path = (*config_path, *key.path)
        if not subject.is_explained(path):
            yield schema.unknown_key(subject, path, key.near, None if is_model else Severity.ERROR)


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
                f"Two providers of {provider.api} have the id `{provider.provider_id}`; that of line {line} "
                "would be dropped.",
                "Give each its own provider_id.",
            )


def _several_on_unrouted(subject: Subject) -> Iterator[Finding]:
    enabled: dict[str, list[ConfiguredProvider]] = defaultdict(list)
    for provider in subject.enabled_providers:
        if provider.api in facts.ALL_APIS and provider.api not in facts.ROUTED_APIS:
            enabled[provider.api].append(provider)
    for api, providers in enabled.items():
        if api in _apis_without_providers() or api == "telemetry":
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
