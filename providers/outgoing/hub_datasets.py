"""Datasets of the Hugging Face hub that a request names: from the hub, and nothing but the hub.

The `datasets` package takes local directories, local files and any URL where it takes the name of a dataset, in its
options, in the card of a dataset, and in the cells of a dataset of images.
"""

import asyncio
import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qs, urlsplit

from providers.outgoing.errors import URLNotAllowed

OPTIONS = ("name", "split", "revision", "data_dir", "data_files")
"""What the query of a dataset's URI may say; the options that are left are about this machine."""

_NAME = re.compile(r"[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*")
_hub_only: ContextVar[bool] = ContextVar("hub_only", default=False)


def named(uri: str) -> tuple[str, dict[str, str]]:
    """Return a dataset's name on the hub and its options, of `huggingface://datasets/OWNER/NAME?split=test`.

    Raises URLNotAllowed for what is no dataset of the hub.
    """
    parts = urlsplit(uri)
    name = parts.path.lstrip("/")
    if parts.scheme != "huggingface" or not _NAME.fullmatch(name):
        raise URLNotAllowed(
            f"`{name}` is no dataset of the Hugging Face hub: a request may name `huggingface://datasets/OWNER/NAME`"
        )
    options = {key: values[0] for key, values in parse_qs(parts.query).items()}
    for key, value in options.items():
        if key not in OPTIONS:
            raise URLNotAllowed(f"A request may not set `{key}` of a dataset: {', '.join(OPTIONS)} are what it may set")
        if key in ("data_dir", "data_files"):
            _stays_in_the_repository(value)
    return name, options


async def rows(uri: str) -> list[dict[str, Any]]:
    """Load the rows of a dataset, as they are stored: images and audio are not opened. Raises URLNotAllowed."""
    name, options = named(uri)

    def load() -> list[dict[str, Any]]:
        import datasets

        loaded = datasets.load_dataset(f"hf://datasets/{name}", **options)  # without it a directory here comes first
        if not isinstance(loaded, datasets.Dataset):
            raise ValueError(f"The dataset {name} has splits ({', '.join(loaded)}): name one as `?split=NAME`")
        stored: list[dict[str, Any]] = loaded.with_format("arrow")[:].to_pylist()
        return stored

    with _from_the_hub_only():
        return await asyncio.to_thread(load)


@contextmanager
def _from_the_hub_only() -> Iterator[None]:
    _guard_data_files()
    token = _hub_only.set(True)
    try:
        yield
    finally:
        _hub_only.reset(token)


@functools.cache
def _guard_data_files() -> None:
    """The card of a dataset names its data files, and only here it is known which they are."""
    from datasets import data_files

    resolve: Callable[..., list[str]] = data_files.resolve_pattern

    @functools.wraps(resolve)
    def resolve_pattern(pattern: str, base_path: str, *rest: Any, **options: Any) -> list[str]:
        if _hub_only.get():
            _stays_in_the_repository(pattern)
            if not base_path.startswith("hf://"):
                raise URLNotAllowed("Requests load datasets from the Hugging Face hub alone")
        return resolve(pattern, base_path, *rest, **options)

    data_files.resolve_pattern = resolve_pattern


def _stays_in_the_repository(path: str) -> None:
    inside = path.startswith("hf://") or not ("://" in path or path.startswith(("/", "\\", "~")))
    if not inside or "::" in path or ".." in path.split("/"):
        raise URLNotAllowed(f"`{path}` is no data file of a dataset on the Hugging Face hub")
