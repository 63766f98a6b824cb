"""A request leads the server neither to its own loopback, nor to the cloud's metadata, nor to its files.

Every site that fetches what a request names is tried: documents of the RAG tool and of agents, datasets, tool groups,
MCP tools of responses. What they are led to counts the requests that it gets.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.security.conftest import ROOT, Served
from tests.support import loopback_site, mcp_server
from tests.support.image import BuiltImage
from tests.support.loopback_site import Site
from tests.support.mcp_server import McpServer
from tests.support.sandboxed import serving
from tests.support.scripted_backend import ScriptedBackend

Attack = Callable[[httpx.Client, str], httpx.Response]

ROWS = b"question,answer\nWhat?,That\n"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A service on the loopback, as a sidecar or an admin port."""
    with loopback_site.serve() as site:
        site.files = {"/rows.csv": ROWS, "/page.txt": b"hello"}
        yield site


@pytest.fixture(scope="module")
def mcp() -> Iterator[McpServer]:
    with mcp_server.serve("shout") as server:
        yield server


@pytest.fixture(scope="module")
def allowing(
    built: BuiltImage,
    backend: ScriptedBackend,
    environment: dict[str, str],
    mcp: McpServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    """The image where requests may lead to `localhost`, and the run config leads to 127.0.0.1 and to a file."""
    data = tmp_path_factory.mktemp("allowing")
    (data / "own.csv").write_bytes(ROWS)
    config: dict[str, Any] = yaml.safe_load((ROOT / "run.yaml").read_text())
    config["registered_resources"]["tool_groups"].append(
        {
            "toolgroup_id": "own",
            "provider_id": "model-context-protocol",
            "mcp_endpoint": {"uri": mcp.url},
        }
    )
    config["registered_resources"]["datasets"] = [
        {"dataset_id": "own", "purpose": "eval/question-answer", "source": {"type": "uri", "uri": "/data/own.csv"}}
    ]
    (data / "run.yaml").write_text(yaml.safe_dump(config))
    setting = {"LLAMA_STACK_OUTGOING": "allow localhost"}
    with serving(built, environment | setting, data, "--config", "/data/run.yaml") as url:
        yield Served(url, data, backend)


def by_name(url: str) -> str:
    return url.replace("127.0.0.1", "localhost")


def rag_document(client: httpx.Client, url: str) -> httpx.Response:
    store = client.post(
        "/v1/vector_stores", json={"name": "documents", "embedding_model": "vllm-embedding/scripted-embedding"}
    ).json()
    document = {"document_id": "one", "content": {"uri": url}, "mime_type": "text/plain", "metadata": {}}
    body = {"documents": [document], "vector_store_id": store["id"], "chunk_size_in_tokens": 100}
    return client.post("/v1/tool-runtime/rag-tool/insert", json=body)


def agent_document(client: httpx.Client, url: str) -> httpx.Response:
    config = {"model": "vllm/scripted", "instructions": "Help.", "sampling_params": {"strategy": {"type": "greedy"}}}
    agent = client.post("/v1alpha/agents", json={"agent_config": config}).json()["agent_id"]
    session = client.post(f"/v1alpha/agents/{agent}/session", json={"session_name": "one"}).json()["session_id"]
    turn = {
        "messages": [{"role": "user", "content": "What does it say?"}],
        "documents": [{"content": {"uri": url}, "mime_type": "text/plain"}],
        "stream": True,
    }
    return client.post(f"/v1alpha/agents/{agent}/session/{session}/turn", json=turn)


def dataset(client: httpx.Client, url: str) -> httpx.Response:
    source = {"type": "uri", "uri": url}
    registered = client.post("/v1beta/datasets", json={"purpose": "eval/question-answer", "source": source})
    if registered.is_error:
        return registered
    return client.get(f"/v1beta/datasetio/iterrows/{registered.json()['identifier']}")


def tool_group(client: httpx.Client, url: str) -> httpx.Response:
    body = {"toolgroup_id": "theirs", "provider_id": "model-context-protocol", "mcp_endpoint": {"uri": url}}
    registered = client.post("/v1/toolgroups", json=body)
    if registered.is_error:
        return registered
    return client.get("/v1/tool-runtime/list-tools", params={"tool_group_id": "theirs"})


def mcp_tool(client: httpx.Client, url: str, **more: Any) -> httpx.Response:
    tool = {"type": "mcp", "server_label": "theirs", "server_url": url, **more}
    return client.post("/v1/responses", json={"model": "vllm/scripted", "input": "Hello", "tools": [tool]})


def mcp_tool_in_a_stream(client: httpx.Client, url: str) -> httpx.Response:
    tool = {"type": "mcp", "server_label": "theirs", "server_url": url}
    body = {"model": "vllm/scripted", "input": "Hello", "tools": [tool], "stream": True}
    return client.post("/v1/responses", json=body)


CONTENT: list[Attack] = [rag_document, agent_document, dataset]
TOOLS: list[Attack] = [tool_group, mcp_tool]

LOOPBACK = [
    "http://127.0.0.1:{port}{path}",
    "http://localhost:{port}{path}",
    "http://127.1:{port}{path}",
    "http://2130706433:{port}{path}",
    "http://[::ffff:127.0.0.1]:{port}{path}",
    "http://0.0.0.0:{port}{path}",
    "http://example.com@127.0.0.1:{port}{path}",
]
METADATA = [
    "http://169.254.169.254/latest/meta-data/iam.csv",
    "http://[::ffff:a9fe:a9fe]/latest.csv",
    "http://metadata.google.internal/computeMetadata/v1/x.csv",
    "http://100.100.100.200/latest/meta-data.csv",
]


def refused(answer: httpx.Response) -> None:
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (403, "permission_error", "url_not_allowed")
    assert "LLAMA_STACK_OUTGOING" in error["message"]


@pytest.mark.advisory("server-side-request-forgery")
@pytest.mark.parametrize("attack", [*CONTENT, *TOOLS], ids=lambda attack: attack.__name__)
@pytest.mark.parametrize("url", LOOPBACK)
def test_nothing_on_the_loopback_is_reached(served: Served, site: Site, attack: Attack, url: str) -> None:
    before = list(site.requests)
    port = httpx.URL(site.address).port
    refused(attack(served.http, url.format(port=port, path="/rows.csv")))
    assert site.requests == before


@pytest.mark.advisory("server-side-request-forgery")
@pytest.mark.parametrize("attack", [*CONTENT, *TOOLS], ids=lambda attack: attack.__name__)
@pytest.mark.parametrize("url", METADATA)
def test_metadata_services_are_not_reached(allowing: Served, attack: Attack, url: str) -> None:
    refused(attack(allowing.http, url))


@pytest.mark.advisory("server-side-request-forgery")
@pytest.mark.parametrize("attack", CONTENT, ids=lambda attack: attack.__name__)
@pytest.mark.parametrize("url", ["http://10.96.0.1/x.csv", "http://[fd00::1]/x.csv", "http://192.168.1.1/x.csv"])
def test_content_does_not_come_out_of_the_cluster(served: Served, attack: Attack, url: str) -> None:
    refused(attack(served.http, url))


@pytest.mark.advisory("server-side-request-forgery")
def test_a_stream_is_refused_alike(served: Served, site: Site) -> None:
    before = list(site.requests)
    answer = mcp_tool_in_a_stream(served.http, f"{site.address}/mcp")
    assert "url_not_allowed" in answer.text
    assert site.requests == before


def image(client: httpx.Client, url: str) -> httpx.Response:
    part = {"type": "image_url", "image_url": {"url": url}}
    body = {"model": "vllm/scripted", "messages": [{"role": "user", "content": [part]}]}
    return client.post("/v1/chat/completions", json=body)


@pytest.mark.advisory("server-side-request-forgery")
@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8080/image.png", "http://localhost/image.png", "file:///etc/passwd", "/etc/passwd", *METADATA],
)
def test_a_models_server_is_sent_neither_to_metadata_nor_to_files(served: Served, url: str) -> None:
    before = len(served.backend.asked)
    answer = image(served.http, url)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "url_not_allowed")
    part = {"type": "input_image", "image_url": url}
    question = {"role": "user", "content": [part]}
    assert served.http.post("/v1/responses", json={"model": "vllm/scripted", "input": [question]}).is_error
    assert len(served.backend.asked) == before


@pytest.mark.advisory("server-side-request-forgery")
@pytest.mark.parametrize(
    "url", ["http://169.254.169.254\\@public.example/", "fi\nle:///etc/passwd", " file:///etc/passwd"]
)
def test_a_models_server_is_handed_no_url_that_it_may_read_otherwise(served: Served, url: str) -> None:
    before = len(served.backend.asked)
    assert image(served.http, url).status_code == 400
    assert len(served.backend.asked) == before


@pytest.mark.parametrize(
    "url", ["http://minio.apps.svc/image.png", "https://public.example/image.png", "data:image/png;base64,eA=="]
)
def test_an_image_is_fetched_by_the_models_server(served: Served, url: str) -> None:
    assert image(served.http, url).status_code == 200
    assert served.backend.asked[-1]["messages"][-1]["content"][0]["image_url"]["url"] == url


FILES = [
    "file:///etc/passwd",
    "file:///etc/passwd#.csv",
    "file:///data/server.log#.csv",
    "/etc/passwd",
    "/data/server.log#.csv",
    "s3://bucket/rows.csv",
    "ftp://127.0.0.1/rows.csv",
]


@pytest.mark.advisory("local-files-by-url")
@pytest.mark.parametrize("attack", [rag_document, dataset, tool_group], ids=lambda attack: attack.__name__)
@pytest.mark.parametrize("url", FILES)
def test_files_of_the_server_are_not_read(allowing: Served, attack: Attack, url: str) -> None:
    answer = attack(allowing.http, url)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "url_not_allowed")
    assert "root:" not in answer.text


@pytest.mark.advisory("local-files-by-url")
@pytest.mark.parametrize(
    "uri", ["data::file:///etc/passwd#.csv", "data:///etc/passwd#.csv", "data:/../etc/passwd#.csv"]
)
def test_a_data_url_is_no_way_to_files_of_the_server(allowing: Served, uri: str) -> None:
    answer = dataset(allowing.http, uri)
    assert answer.status_code == 400, answer.text
    assert "root:" not in answer.text


@pytest.mark.advisory("local-files-by-url")
@pytest.mark.parametrize(
    "uri",
    [
        "huggingface:///text?data_files=/etc/passwd&split=train",
        "huggingface://datasets/text?data_files=/etc/passwd&split=train",
        "huggingface://datasets/owner/name?data_files=/etc/passwd",
        "huggingface://datasets/owner/name?cache_dir=/data/files",
    ],
)
def test_the_hub_is_no_way_to_files_of_the_server(served: Served, uri: str) -> None:
    answer = dataset(served.http, uri)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "url_not_allowed")


@pytest.mark.advisory("local-files-by-url")
def test_who_takes_the_place_of_a_dataset_in_the_run_config_reads_no_files(allowing: Served) -> None:
    source = {"type": "uri", "uri": "/data/server.log#.csv"}
    body = {"purpose": "eval/question-answer", "source": source, "dataset_id": "own"}
    assert allowing.http.post("/v1beta/datasets", json=body).status_code == 403
    same = {"purpose": "eval/question-answer", "source": {"type": "uri", "uri": "/data/own.csv"}}
    assert allowing.http.post("/v1beta/datasets", json=same | {"dataset_id": "other"}).status_code == 403


def rows(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


def test_what_the_run_config_names_is_the_operators_own(allowing: Served, mcp: McpServer) -> None:
    assert rows(allowing.http.get("/v1beta/datasetio/iterrows/own")) == [{"question": "What?", "answer": "That"}]
    tools = allowing.http.get("/v1/tool-runtime/list-tools", params={"tool_group_id": "own"}).json()["data"]
    assert [tool["name"] for tool in tools] == ["shout"]
    called = allowing.http.post(
        "/v1/tool-runtime/invoke", json={"tool_name": "shout", "kwargs": {"query": "the operator"}}
    )
    assert called.json()["content"][0]["text"] == "shout heard the operator"
    refused(mcp_tool(allowing.http, mcp.url))


def test_what_the_setting_allows_is_fetched(allowing: Served, site: Site, mcp: McpServer) -> None:
    before = len(site.requests)
    assert rag_document(allowing.http, f"{by_name(site.address)}/page.txt").status_code == 200
    assert agent_document(allowing.http, f"{by_name(site.address)}/page.txt").status_code == 200
    assert rows(dataset(allowing.http, f"{by_name(site.address)}/rows.csv")) == [
        {"question": "What?", "answer": "That"}
    ]
    assert sorted(site.requests[before:]) == ["/page.txt", "/page.txt", "/rows.csv"]
    assert listed_tools(mcp_tool(allowing.http, by_name(mcp.url))) == ["shout"]


def test_what_needs_no_fetch_is_taken(served: Served) -> None:
    for inline in ("data:text/csv,question,answer%0AWhat?,That", f"data:text/csv;base64,{b64encode(ROWS).decode()}"):
        assert rows(dataset(served.http, inline)) == [{"question": "What?", "answer": "That"}]
    assert rag_document(served.http, "data:text/plain,hello").status_code == 200


def listed_tools(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    (listing,) = [item for item in answer.json()["output"] if item["type"] == "mcp_list_tools"]
    return [tool["name"] for tool in listing["tools"]]


TOKEN = "t0ken-of-the-tool"


@pytest.mark.advisory("mcp-authorization")
@pytest.mark.parametrize("given", [{"authorization": TOKEN}, {"headers": {"Authorization": f"Bearer {TOKEN}"}}])
def test_a_tools_token_goes_to_its_server_and_nowhere_else(
    allowing: Served, mcp: McpServer, given: dict[str, Any]
) -> None:
    before = len(mcp.headers), len(allowing.backend.headers)
    answer = mcp_tool(allowing.http, by_name(mcp.url), **given)

    assert listed_tools(answer) == ["shout"]
    assert {headers.get("authorization") for headers in mcp.headers[before[0] :]} == {f"Bearer {TOKEN}"}
    assert TOKEN not in json.dumps(allowing.backend.headers[before[1] :])
    assert TOKEN not in json.dumps(allowing.backend.asked)
    assert TOKEN not in answer.text
    stored = answer.json()["id"]
    assert TOKEN not in allowing.http.get(f"/v1/responses/{stored}").text
    assert TOKEN not in allowing.http.get(f"/v1/responses/{stored}/input_items").text
    assert TOKEN not in allowing.log
    assert not [path for path in _files(allowing.data) if TOKEN.encode() in path.read_bytes()]


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


@pytest.mark.advisory("mcp-authorization")
def test_a_token_that_is_given_twice_is_refused(allowing: Served, mcp: McpServer) -> None:
    answer = mcp_tool(allowing.http, by_name(mcp.url), authorization=TOKEN, headers={"authorization": "Bearer other"})
    assert answer.status_code == 400
    assert "not in both" in answer.json()["error"]["message"]
    assert TOKEN not in answer.text


@pytest.mark.advisory("mcp-authorization")
@pytest.mark.parametrize(
    "given",
    [
        {"authorization": f"{TOKEN}\r\nX-Other: 1"},
        {"authorization": f"{TOKEN}\u20ac"},
        {"authorization": {"token": TOKEN}},
        {"headers": {"X-Api-Key": f"{TOKEN}\n"}},
        {"headers": {"X Api Key": TOKEN}},
    ],
)
def test_a_token_that_cannot_be_sent_is_not_said(allowing: Served, mcp: McpServer, given: dict[str, Any]) -> None:
    answer = mcp_tool(allowing.http, by_name(mcp.url), **given)
    assert answer.status_code == 400
    assert TOKEN not in answer.text
    assert TOKEN not in allowing.log


@pytest.mark.advisory("mcp-authorization")
def test_headers_for_https_are_not_sent_in_clear(allowing: Served) -> None:
    with mcp_server.serve("whisper") as mcp:
        address = by_name(mcp.url)
        body = {"toolgroup_id": "plain", "provider_id": "model-context-protocol", "mcp_endpoint": {"uri": address}}
        assert allowing.http.post("/v1/toolgroups", json=body).is_success
        listed = allowing.http.get("/v1/tool-runtime/list-tools", params={"tool_group_id": "plain"}).json()["data"]
        assert [tool["name"] for tool in listed] == ["whisper"]
        secure = address.replace("http://", "https://")
        for url, expected in ((secure, None), (address, "Bearer for-this-server")):
            before = len(mcp.headers)
            data = {"mcp_headers": {url: {"Authorization": "Bearer for-this-server"}}}
            called = allowing.http.post(
                "/v1/tool-runtime/invoke",
                json={"tool_name": "whisper", "kwargs": {"query": "hello"}},
                headers={"X-LlamaStack-Provider-Data": json.dumps(data)},
            )
            assert called.json()["content"][0]["text"] == "whisper heard hello"
            assert {headers.get("authorization") for headers in mcp.headers[before:]} == {expected}


@pytest.mark.advisory("server-side-request-forgery")
def test_a_setting_that_cannot_be_read_stops_the_start(built: BuiltImage, tmp_path: Path) -> None:
    started = built.run(
        "python", "-m", "distribution", environment={"LLAMA_STACK_OUTGOING": "allow http://mcp.example"}, data=tmp_path
    )
    assert started.returncode == 78
    assert "The environment variable LLAMA_STACK_OUTGOING cannot be read" in started.stderr
    assert "`http://mcp.example` is a URL: name its host alone" in started.stderr
