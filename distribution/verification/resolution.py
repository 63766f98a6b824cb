"""What each configured provider comes to in this image: its spec, its code, its config.

One step before the checks, which read what it found. It imports providers' code and other people's files, and
raises nothing of what those raise: errors are kept where a check can say them with their place.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from distribution.upstream import external_directories
from distribution.upstream.apis import ALL_APIS, ROUTED_APIS, internal_apis
from distribution.upstream.provider_registry import (
    ProviderSpec,
    external_specs,
    import_implementation,
    registry,
    shipped_types,
)
from distribution.upstream.provider_traits import ProviderTraits, traits_of
from distribution.upstream.shipped import shipped_module
from distribution.verification import config_models, installed_packages
from distribution.verification.config_models import FieldFault, UnknownKey
from distribution.verification.findings import KeyPath
from distribution.verification.subject import ConfiguredProvider, State, Subject

EXTERNAL_DIRECTORIES = ("external_providers_dir", "external_apis_dir")


@dataclass
class External:
    """What the directories of external providers and APIs hold. Those of another machine are unknown."""

    providers: dict[str, dict[str, ProviderSpec]] = field(default_factory=dict)
    providers_are_known: bool = True
    apis: set[str] = field(default_factory=set)
    apis_are_known: bool = True
    absent: dict[str, Path] = field(default_factory=dict)
    """Key of the run config -> a directory that is not there."""
    errors: dict[str, tuple[Path, Exception]] = field(default_factory=dict)
    """Key of the run config -> the directory, and what reading it raised."""


@dataclass
class Resolved:
    """One configured provider. It can be started, as far as its code goes, if `works`."""

    provider: ConfiguredProvider
    package: str | None = None
    """The package of an external provider, as the run config or the manifest writes it."""
    package_error: Exception | None = None
    spec: ProviderSpec | None = None
    """None where the type is unknown, or where its package does not import."""
    shipped: bool = False
    import_error: Exception | None = None
    missing_packages: list[str] = field(default_factory=list)
    """What a provider that is not shipped asks for by name, as an extra, and this image lacks."""
    config_class: type[Any] | None = None
    traits: ProviderTraits = field(default_factory=ProviderTraits)
    config: Any = None
    """The config object; None if it could not be made."""
    faults: list[FieldFault] = field(default_factory=list)
    unknown_keys: list[UnknownKey] = field(default_factory=list)
    meant: "Resolved | None" = None
    """For an unknown type that is only misspelt: the same provider, with the type that was meant."""

    @property
    def works(self) -> bool:
        """Tell whether the code of the provider is in this image."""
        return self.config_class is not None and not self.missing_packages


@dataclass
class Resolution:
    """What the providers of a run config come to."""

    external: External
    providers: list[Resolved]

    @property
    def working(self) -> list[Resolved]:
        """The providers whose code is in this image."""
        return [one for one in self.providers if one.works]

    def traits(self, provider: ConfiguredProvider) -> ProviderTraits:
        """Return what is known of how a provider behaves."""
        return next((one.traits for one in self.providers if one.provider is provider), ProviderTraits())


def resolve(subject: Subject) -> Resolution:
    """Resolve every provider that is on or may be, of every API that can have providers."""
    external = _external(subject)
    subject.explained |= {("providers", api) for api in _unknown_apis(subject, external)}
    without_providers = apis_without_providers()
    providers = [
        _resolve(subject, provider, external)
        for provider in subject.providers
        if provider.state is not State.OFF and provider.api in ALL_APIS and provider.api not in without_providers
    ]
    return Resolution(external, providers)


def apis_without_providers() -> set[str]:
    """Return the APIs that cannot have providers."""
    return internal_apis() | set(ROUTED_APIS.values())


def _unknown_apis(subject: Subject, external: External) -> Iterator[str]:
    for api in subject.mapping("providers"):
        if api not in ALL_APIS and api not in external.apis:
            yield str(api)


def _external(subject: Subject) -> External:
    found = External()
    for key in EXTERNAL_DIRECTORIES:
        value = subject.get(key)
        if not isinstance(value, str):
            continue
        directory = Path(os.path.expanduser(value))
        if subject.expansion.is_unknown((key,)) or not subject.target.here:
            found.providers_are_known &= key != "external_providers_dir"
            found.apis_are_known &= key != "external_apis_dir"
            continue
        try:
            if not directory.is_dir():
                found.absent[key] = directory
            elif key == "external_providers_dir":
                found.providers = external_directories.providers_in(directory)
            else:
                found.apis = external_directories.apis_in(directory)
        except Exception as error:  # the files are other people's, and so is the code that reads them
            found.errors[key] = directory, error
    return found


def _resolve(subject: Subject, provider: ConfiguredProvider, external: External) -> Resolved:
    package = provider.module or shipped_module(provider.api, provider.provider_type)
    found = Resolved(provider, package, traits=traits_of(provider.api, provider.provider_type, None))
    if package:
        try:
            specs = external_specs(package.partition("==")[0])
        except Exception as error:
            found.package_error = error
            return found
        of_type = [spec for spec in specs if spec.provider_type == provider.provider_type] or specs
        found.spec = of_type[0].model_copy(update={"is_external": True}) if of_type else None
    elif spec := external.providers.get(provider.api, {}).get(provider.provider_type):
        found.spec = spec.model_copy(update={"is_external": True})
    else:
        found.spec = registry().get(provider.api, {}).get(provider.provider_type)
    if found.spec is not None:
        _import(found, found.spec)
    elif not package and provider.provider_type:
        found.meant = _misspelt(provider)
    return found


def _import(found: Resolved, spec: ProviderSpec) -> None:
    provider = found.provider
    found.shipped = provider.provider_type in shipped_types(provider.api) or bool(spec.is_external)
    try:
        config_class = import_implementation(spec)
    except Exception as error:
        found.import_error = error
        return
    if not found.shipped:
        found.missing_packages = installed_packages.absent_of_extras(spec.pip_packages)
    if not found.missing_packages:
        _build_config(found, config_class)


def _build_config(found: Resolved, config_class: type[Any]) -> None:
    given = found.provider.config
    found.config_class = config_class
    found.traits = traits_of(found.provider.api, found.provider.provider_type, config_class)
    found.unknown_keys = list(config_models.unknown_keys(config_class, given))
    if not hasattr(config_class, "model_fields"):
        # A dataclass refuses what it does not know; that is said key by key, and the rest is tried.
        unknown = {one.path[0] for one in found.unknown_keys}
        given = {key: value for key, value in given.items() if key not in unknown}
    found.config, found.faults = config_models.build(config_class, given)


def _misspelt(provider: ConfiguredProvider) -> Resolved | None:
    """Resolve a provider with the type that its type is a misspelling of, so that all is said at once."""
    shipped = [
        known for known in shipped_types(provider.api) if short_name(known) == short_name(provider.provider_type)
    ]
    if len(shipped) != 1:
        return None
    package = shipped_module(provider.api, shipped[0])
    try:
        specs = external_specs(package) if package else list(registry()[provider.api].values())
        spec = next(spec for spec in specs if spec.provider_type == shipped[0])
        config_class = import_implementation(spec)
    except Exception:  # said when the type is written correctly
        return None
    meant = Resolved(replace(provider, provider_type=shipped[0]), package, spec=spec, shipped=True)
    _build_config(meant, config_class)
    return meant


def short_name(provider_type: str) -> str:
    """Return the name of a provider type as people remember it: `rag-runtime` of `inline::rag_runtime`."""
    return provider_type.rpartition("::")[2].replace("_", "-").lower()


def needed_but_empty(subject: Subject, found: Resolved) -> Iterator[tuple[str, KeyPath]]:
    """Yield the fields of a config, with their places, that are empty although the provider does not start so."""
    for name in found.traits.needed:
        path = (*found.provider.path, "config", name)
        if found.provider.config.get(name) is None and not subject.expansion.is_unknown(path):
            yield name, path
