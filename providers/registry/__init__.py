"""What this distribution adds to llama-stack's provider registry.

Each module here is named like an API and says with ``available_providers()`` which providers it has, as the
modules of llama-stack's own registry do. Installed packages add theirs through the entry point group
``llama_stack.providers``.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points

from llama_stack.log import get_logger
from llama_stack.providers.datatypes import ProviderSpec

ENTRY_POINT_GROUP = "llama_stack.providers"

log = get_logger(name=__name__, category="core")


def added_providers() -> list[ProviderSpec]:
    """Return the providers that belong in llama-stack's registry besides its own, or in place of its own.

    A later one replaces an earlier one of the same API and type: installed packages have the last word.
    A package whose entry point does not work is named in the log and left out.
    """
    return [*_shipped(), *_installed()]


def _shipped() -> Iterator[ProviderSpec]:
    for module in pkgutil.iter_modules(__path__):
        if module.name == "__main__":
            continue
        yield from importlib.import_module(f"{__name__}.{module.name}").available_providers()


def _installed() -> Iterator[ProviderSpec]:
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            yield from _specs(entry_point)
        except (Exception, SystemExit) as error:  # some leave when something they need is not there
            package = entry_point.dist.name if entry_point.dist else "unknown"
            log.error(
                f"The providers of the package {package} are missing: its entry point {entry_point.name} = "
                f"{entry_point.value} does not work: {error!r}"
            )


def _specs(entry_point: EntryPoint) -> list[ProviderSpec]:
    found = entry_point.load()()
    specs = found if isinstance(found, list) else [found]
    for spec in specs:
        if not isinstance(spec, ProviderSpec):
            raise TypeError(f"it returns {type(spec).__name__} where a ProviderSpec is expected")
    return specs
