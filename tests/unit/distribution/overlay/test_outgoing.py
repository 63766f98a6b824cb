"""What no route of the image reaches, and providers that users add do: images and documents that are fetched."""

import asyncio
import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from providers.outgoing import VARIABLE, URLNotAllowed
from tests.support import loopback_site
from tests.support.loopback_site import Site


@pytest.fixture
def site() -> Iterator[Site]:
    with loopback_site.serve() as site:
        site.files["/image"] = b"pixels"
        yield site


def module(name: str) -> ModuleType:
    return importlib.import_module(f"llama_stack.providers.utils.{name}")


def localized(url: str) -> Any:
    return asyncio.run(module("inference.prompt_adapter").localize_image_content(url))


def as_raw(url: str) -> Any:
    adapter = module("inference.prompt_adapter")
    image = adapter.ImageContentItem.model_validate({"type": "image", "image": {"url": {"uri": url}}})
    return asyncio.run(adapter.interleaved_content_convert_to_raw(image)).data


def document(url: str) -> Any:
    store = module("memory.vector_store")
    content = store.URL(uri=url)
    return asyncio.run(store.content_from_doc(store.RAGDocument(document_id="one", content=content)))


FETCHING = [localized, as_raw, document]


@pytest.mark.parametrize("fetch", FETCHING)
def test_nothing_on_the_loopback_is_fetched(fetch: Any, site: Site) -> None:
    with pytest.raises(URLNotAllowed):
        fetch(f"{site.address}/image")
    assert site.requests == []


@pytest.mark.parametrize("fetch", [as_raw, document])
def test_no_file_is_read(fetch: Any) -> None:
    with pytest.raises(URLNotAllowed):
        fetch("file:///etc/passwd")


@pytest.mark.parametrize("fetch", FETCHING)
def test_what_is_allowed_is_fetched(fetch: Any, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "allow 127.0.0.1")
    expected = {localized: (b"pixels", "png"), as_raw: b"pixels", document: "pixels"}
    assert fetch(f"{site.address}/image") == expected[fetch]
