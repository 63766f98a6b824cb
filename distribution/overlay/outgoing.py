"""What the server itself fetches because a request names it goes through one gate (providers/outgoing)."""

import asyncio
import io
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any

from distribution.overlay.declaration import change

AsyncFunction = Callable[..., Awaitable[Any]]

TOOL_GROUP, DATASET = "tool group", "dataset"
_operators_own: set[tuple[str, str, str]] = set()
"""(kind, identifier, URL) of what the run config registers: its URLs are the operator's."""

SLUG = "server-side-request-forgery"
FILES_SLUG = "local-files-by-url"
WHERE_FROM = "llama_stack.core.stack:register_resources"
ANY_URL = (
    "The URL of an image or a document in a request is fetched wherever it leads: to the metadata service of the "
    "cloud, to what listens on the loopback, into the cluster; without a limit of size."
)
DATASETS = (
    "A dataset that a request registers is read by pandas, which takes a path of the server's own files, or any URL, "
    "for its URI: rows of a file in the pod, or of a service in the cluster, are answered to whoever asks."
)
HUB = (
    "A dataset that a request registers is loaded by the `datasets` package, which takes local directories and files, "
    "or any URL, for the name of a dataset, for its options, and from the card of a dataset on the hub."
)


def is_operators_own(kind: str, identifier: str | None, url: str) -> bool:
    """Tell whether the run config registers a resource of this identifier with this URL."""
    return (kind, str(identifier), url) in _operators_own


@change(
    WHERE_FROM,
    takes=("run_config", "impls"),
    why="URLs in the run config are the operator's own; those of resources that a request registers are not.",
    advisory=SLUG,
)
def register_resources(register: AsyncFunction) -> AsyncFunction:
    async def register_resources(run_config: Any, impls: dict[Any, Any]) -> None:
        resources = run_config.registered_resources
        for group in resources.tool_groups:
            if group.mcp_endpoint:
                _operators_own.add((TOOL_GROUP, group.toolgroup_id, group.mcp_endpoint.uri))
        for dataset in resources.datasets:
            if dataset.source.type == "uri":
                _operators_own.add((DATASET, dataset.dataset_id, dataset.source.uri))
        await register(run_config, impls)

    return register_resources


def _content_client(original: Any) -> Any:
    """Stand for the httpx of a module that only makes clients which get content."""
    from providers.outgoing import ContentClient

    return SimpleNamespace(AsyncClient=ContentClient)


for module in (
    "llama_stack.providers.inline.agents.meta_reference.agent_instance",
    "llama_stack.providers.inline.tool_runtime.rag.memory",
    "llama_stack.providers.utils.inference.prompt_adapter",
    "llama_stack.providers.utils.memory.vector_store",
):
    change(f"{module}:httpx", why=ANY_URL, advisory=SLUG)(_content_client)


@change(
    "llama_stack.core.routers.inference:InferenceRouter.openai_chat_completion",
    takes=("self", "params"),
    why="The URL of an image is handed to the model's server as it is, also `file:///...` and that of a metadata "
    "service. Which hosts else a model's server asks is for its own settings.",
    advisory=SLUG,
)
def openai_chat_completion(complete: AsyncFunction) -> AsyncFunction:
    from providers.outgoing import Gate, Purpose
    from providers.outgoing.gate import parsed

    async def openai_chat_completion(self: Any, params: Any) -> Any:
        for url in _image_urls(params.messages):
            Gate(Purpose.MODEL).check_what_it_says(parsed(url))
        return await complete(self, params)

    return openai_chat_completion


def _image_urls(messages: list[Any]) -> Iterator[str]:
    """Those that are URLs of something; an image that is there itself leads nowhere."""
    for message in messages:
        for part in message.content if isinstance(message.content, list) else []:
            if part.type == "image_url":
                url = part.image_url.url
                if url[:5].lower() != "data:":
                    yield url


@change(
    "llama_stack.providers.utils.inference.prompt_adapter:open",
    adds=True,
    why="An image `file:///...` in a request is read from the server's own files, where the model runs in the server.",
    advisory=FILES_SLUG,
)
def open_no_files(original: None) -> Any:
    from providers.outgoing import URLNotAllowed

    def open_no_files(path: str, mode: str) -> Any:
        raise URLNotAllowed("URLs of requests are fetched by http and https only, not by `file`")

    return open_no_files


@change(
    "llama_stack.providers.inline.tool_runtime.rag.memory:MemoryToolRuntimeImpl.insert",
    takes=("self", "documents", "vector_db_id", "chunk_size_in_tokens"),
    why=f"{ANY_URL} What cannot be fetched is passed over with a 200; what may not be is refused here.",
    advisory=SLUG,
)
def insert(insert: AsyncFunction) -> AsyncFunction:
    from llama_stack.apis.common.content_types import URL

    from providers.outgoing import Purpose, check

    async def checked_insert(self: Any, documents: list[Any], *rest: Any, **options: Any) -> Any:
        for document in documents:
            if isinstance(document.content, URL) and not document.content.uri.startswith("data:"):
                await check(document.content.uri, Purpose.CONTENT)
        return await insert(self, documents, *rest, **options)

    return checked_insert


@change(
    "llama_stack.core.routing_tables.datasets:DatasetsRoutingTable.register_dataset",
    takes=("self", "purpose", "source", "metadata", "dataset_id"),
    why=f"{DATASETS} It is refused when it is registered, and again when it is read.",
    advisory=FILES_SLUG,
)
def register_dataset(register: AsyncFunction) -> AsyncFunction:
    async def register_dataset(
        self: Any, purpose: Any, source: Any, metadata: Any = None, dataset_id: str | None = None
    ) -> Any:
        uri = source.get("uri") if isinstance(source, dict) else getattr(source, "uri", None)
        if uri and not is_operators_own(DATASET, dataset_id, uri):
            await _check_dataset(uri)
        return await register(self, purpose, source, metadata, dataset_id)

    return register_dataset


async def _check_dataset(uri: str) -> None:
    from providers.outgoing import Purpose, check, hub_datasets

    if uri.startswith("huggingface"):
        hub_datasets.named(uri)
    elif not uri.startswith("data:"):
        await check(uri, Purpose.CONTENT)


@change(
    "llama_stack.providers.inline.datasetio.localfs.datasetio:PandasDataframeDataset.load",
    takes=("self",),
    why=DATASETS,
    advisory=FILES_SLUG,
)
def load(load: AsyncFunction) -> AsyncFunction:
    from providers.outgoing import fetch
    from providers.outgoing.gate import parsed

    async def load_dataset(self: Any) -> None:
        definition = self.dataset_def
        uri = getattr(definition.source, "uri", None)
        if self.df is not None or uri is None or is_operators_own(DATASET, definition.identifier, uri):
            await load(self)
        elif uri.startswith("data:"):
            # Not by upstream: where the ending is right it hands this to pandas, which takes `data::file:` for a file.
            content, kind = _of_data_url(uri)
            self.df = await asyncio.to_thread(_table, content, is_text=kind == "text")
        else:
            # The ending says what it is, as in upstream.
            path = parsed(uri).path
            if not path.endswith((".csv", ".xlsx")):
                raise ValueError("Unsupported file type: the URL of a dataset ends in .csv or .xlsx")
            answer = await fetch(uri)
            self.df = await asyncio.to_thread(_table, answer.content, is_text=path.endswith(".csv"))

    return load_dataset


def _of_data_url(uri: str) -> tuple[bytes, str]:
    """The content of a data URL and the first half of its type."""
    with urllib.request.DataHandler().data_open(urllib.request.Request(uri)) as answer:  # noqa: S310 (opens nothing)
        return answer.read(), answer.headers.get_content_maintype()


def _table(content: bytes, *, is_text: bool) -> Any:
    import pandas  # half a second that the start does not need

    file = io.BytesIO(content)
    try:
        return pandas.read_csv(file) if is_text else pandas.read_excel(file)
    except ImportError as error:
        raise ValueError(f"This server reads no spreadsheets, only CSV: {error}") from error


HUGGINGFACE = "llama_stack.providers.remote.datasetio.huggingface.huggingface:HuggingfaceDatasetIOImpl"


@change(
    f"{HUGGINGFACE}.iterrows",
    takes=("self", "dataset_id", "start_index", "limit"),
    why=HUB,
    advisory=FILES_SLUG,
)
def iterrows(iterrows: AsyncFunction) -> AsyncFunction:
    from llama_stack.providers.utils.pagination import paginate_records

    from providers.outgoing import hub_datasets

    async def iterrows_of_the_hub(
        self: Any, dataset_id: str, start_index: int | None = None, limit: int | None = None
    ) -> Any:
        uri = self.dataset_infos[dataset_id].source.uri
        if is_operators_own(DATASET, dataset_id, uri):
            return await iterrows(self, dataset_id, start_index, limit)
        return paginate_records(await hub_datasets.rows(uri), start_index, limit)

    return iterrows_of_the_hub


@change(
    f"{HUGGINGFACE}.append_rows",
    takes=("self", "dataset_id", "rows"),
    why="Rows that a request appends to a dataset that a request has registered are pushed, with the server's own "
    "token, to whatever repository on the hub the dataset's metadata name.",
    advisory=SLUG,
)
def append_rows(append: AsyncFunction) -> AsyncFunction:
    async def append_rows(self: Any, dataset_id: str, rows: list[dict[str, Any]]) -> Any:
        if not is_operators_own(DATASET, dataset_id, self.dataset_infos[dataset_id].source.uri):
            raise PermissionError(
                f"The dataset `{dataset_id}` was registered by a request: rows go to the hub, with this server's "
                "token, only for datasets in the run config"
            )
        return await append(self, dataset_id, rows)

    return append_rows
