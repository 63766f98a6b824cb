"""Three servers on one PostgreSQL, one S3 and one Milvus behave as one, also when one of them is killed."""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any

import httpx
import openai
import pytest
from llama_stack_client import APIConnectionError
from openai import NotFoundError

from tests.integration.files.places import S3Place
from tests.integration.files.waiting import wait_until
from tests.integration.prompts.prompts_api import Prompts
from tests.support.milvus import Milvus
from tests.support.postgres import Postgres
from tests.support.run_configs import AGENTS, PROMPTS, postgres_kv, postgres_sql, run_config, vllm_provider
from tests.support.s3 import S3Server
from tests.support.stack_server import StackServer, serve
from tests.support.vllm import Vllm

Replicas = tuple[StackServer, StackServer, StackServer]
QUESTION: Any = [{"role": "user", "content": "What is the capital of France?"}]
DIMENSION = 384


@pytest.fixture(scope="module")
def config(
    vllm: Vllm,
    vllm_embedding: Vllm,
    postgres: Postgres,
    s3_server: S3Server,
    milvus: Milvus,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """A run config with nothing on a local disk."""
    database = postgres.new_database()
    database.execute("CREATE EXTENSION vector")
    place = S3Place(s3_server)
    account = {"host": database.host, "port": database.port, "user": database.user, "password": database.password}
    embedding_models = {vllm_embedding.model: {"embedding_dimension": DIMENSION}}
    providers = {
        "inference": [
            vllm_provider("vllm", vllm.url, max_tokens=12),
            vllm_provider("embedding", vllm_embedding.url, embedding_models=embedding_models),
        ],
        "agents": [AGENTS],
        "prompts": [PROMPTS],
        "files": [
            {
                "provider_id": "files",
                "provider_type": place.provider_type,
                "config": {**place.config, "metadata_store": {"backend": "sql_default", "table_name": "files"}},
            }
        ],
        "vector_io": [
            {
                "provider_id": "milvus",
                "provider_type": "remote::milvus",
                "config": {
                    "uri": milvus.uri,
                    "token": "",
                    "consistency_level": "Strong",
                    "persistence": {"backend": "kv_default", "namespace": "vector_io::milvus"},
                },
            },
            {
                "provider_id": "pgvector",
                "provider_type": "remote::pgvector",
                "config": {
                    **account,
                    "db": database.database,
                    "persistence": {"backend": "kv_default", "namespace": "vector_io::pgvector"},
                },
            },
        ],
    }
    return run_config(
        tmp_path_factory.mktemp("unused"),
        providers,
        kv_backend=postgres_kv(database, "kv"),
        sql_backend=postgres_sql(database),
    )


@pytest.fixture(scope="module")
def replicas(config: dict[str, Any]) -> Iterator[Replicas]:
    """Three servers with the same run config."""
    with ExitStack() as stack:
        one, two, three = (stack.enter_context(serve(config)) for _ in range(3))
        yield one, two, three


def test_a_stored_completion_is_seen_by_all(replicas: Replicas, vllm: Vllm) -> None:
    one, two, _ = replicas

    made = one.openai.chat.completions.create(model=f"vllm/{vllm.model}", messages=QUESTION, max_tokens=4)

    def is_seen() -> bool:
        with suppress(NotFoundError):
            return two.openai.chat.completions.retrieve(made.id).id == made.id
        return False

    # A server stores it after it has answered.
    wait_until(is_seen)


def test_a_response_goes_on_at_another_server(replicas: Replicas, vllm: Vllm) -> None:
    one, two, three = (replica.openai for replica in replicas)
    conversation = one.conversations.create()

    first = two.responses.create(model=f"vllm/{vllm.model}", input="Hello", conversation=conversation.id)
    second = three.responses.create(model=f"vllm/{vllm.model}", input="Again", previous_response_id=first.id)

    assert one.responses.retrieve(second.id).output_text == second.output_text
    assert len(three.conversations.items.list(conversation.id).data) == 2


def test_a_registered_model_is_known_to_all(replicas: Replicas) -> None:
    one, two, three = (replica.client for replica in replicas)

    one.models.register(model_id="new", provider_id="vllm", provider_model_id="served-later", model_type="llm")

    assert "vllm/served-later" in {model.identifier for model in two.models.list()}
    assert three.models.retrieve("vllm/served-later").provider_id == "vllm"
    two.models.unregister("vllm/served-later")
    assert "vllm/served-later" not in {model.identifier for model in one.models.list()}


@pytest.mark.parametrize("provider", ["milvus", "pgvector"])
def test_a_vector_store_is_used_through_all(replicas: Replicas, vllm_embedding: Vllm, provider: str) -> None:
    one, two, three = (replica.openai for replica in replicas)
    model = {"embedding_model": f"embedding/{vllm_embedding.model}", "embedding_dimension": DIMENSION}

    store = one.vector_stores.create(name="shared", extra_body={**model, "provider_id": provider})
    file = two.files.create(file=("a.txt", b"Giraffes have long necks."), purpose="assistants")
    attached = two.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id)
    found = three.vector_stores.search(store.id, query="long necks").data

    assert attached.status == "completed", attached.last_error
    assert [result.content[0].text for result in found] == ["Giraffes have long necks."]
    assert one.vector_stores.retrieve(store.id).file_counts.completed == 1
    three.vector_stores.delete(store.id)
    assert store.id not in {listed.id for listed in two.vector_stores.list().data}
    with pytest.raises(openai.APIStatusError):
        one.vector_stores.retrieve(store.id)


@pytest.mark.parametrize("provider", ["milvus", "pgvector"])
def test_no_file_of_a_vector_store_is_lost_when_all_attach_and_remove_some(
    replicas: Replicas, vllm_embedding: Vllm, provider: str
) -> None:
    clients = [replica.openai for replica in replicas]
    model = {"embedding_model": f"embedding/{vllm_embedding.model}", "embedding_dimension": DIMENSION}
    store = clients[0].vector_stores.create(name="busy", extra_body={**model, "provider_id": provider})
    uploaded = [
        clients[0].files.create(file=(f"{number}.txt", f"Text {number}.".encode()), purpose="assistants").id
        for number in range(24)
    ]

    def attach(number: int) -> None:
        client = clients[number % 3]
        client.vector_stores.files.create(store.id, file_id=uploaded[number])
        if number % 4 == 0:
            client.vector_stores.files.delete(uploaded[number], vector_store_id=store.id)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(attach, range(24)))

    kept = {file_id for number, file_id in enumerate(uploaded) if number % 4}
    for client in clients:
        files = list(client.vector_stores.files.list(store.id, limit=100))
        assert {file.id for file in files} == kept
        assert [file.last_error for file in files if file.status != "completed"] == []
        counts = client.vector_stores.retrieve(store.id).file_counts
        assert (counts.completed, counts.failed, counts.total) == (18, 0, 18)


def test_a_file_batch_is_followed_at_another_server(replicas: Replicas, vllm_embedding: Vllm) -> None:
    one, two, _ = (replica.openai for replica in replicas)
    model = {"embedding_model": f"embedding/{vllm_embedding.model}", "embedding_dimension": DIMENSION}
    store = one.vector_stores.create(name="batch", extra_body={**model, "provider_id": "pgvector"})
    files = [one.files.create(file=("a.txt", b"Text."), purpose="assistants").id for _ in range(3)]

    batch = one.vector_stores.file_batches.create(store.id, file_ids=files)
    done = two.vector_stores.file_batches.poll(batch.id, vector_store_id=store.id, poll_interval_ms=200)

    assert (done.status, done.file_counts.completed) == ("completed", 3)


def test_nothing_acknowledged_is_lost_when_a_server_is_killed(config: dict[str, Any], replicas: Replicas) -> None:
    with serve(config) as victim:
        acknowledged: list[tuple[str, str]] = []
        enough = threading.Event()
        with ThreadPoolExecutor(4) as pool:
            writers = [pool.submit(_write_until_it_dies, victim, kind, acknowledged, enough) for kind in WRITES]
            assert enough.wait(120)
            victim.program.process.send_signal(signal.SIGKILL)
            for writer in writers:
                writer.result()

    for kind, identifier in acknowledged:
        for replica in replicas[:2]:
            READS[kind](replica, identifier)


def _write_prompt(server: StackServer) -> str:
    return str(Prompts(server.client).create("Hello")["prompt_id"])


def _write_file(server: StackServer) -> str:
    return server.openai.files.create(file=("f", b"content"), purpose="assistants").id


def _write_conversation(server: StackServer) -> str:
    return server.openai.conversations.create(metadata={"a": "b"}).id


def _read_prompt(server: StackServer, prompt_id: str) -> None:
    assert Prompts(server.client).get(prompt_id)["prompt"] == "Hello"


def _read_conversation(server: StackServer, conversation_id: str) -> None:
    assert server.openai.conversations.retrieve(conversation_id).metadata == {"a": "b"}


def _read_file(server: StackServer, file_id: str) -> None:
    assert server.openai.files.content(file_id).read() == b"content"


WRITES = {"prompt": _write_prompt, "file": _write_file, "conversation": _write_conversation}
READS = {"prompt": _read_prompt, "file": _read_file, "conversation": _read_conversation}
ENOUGH = 60


def _write_until_it_dies(
    server: StackServer, kind: str, acknowledged: list[tuple[str, str]], enough: threading.Event
) -> None:
    try:
        while True:
            acknowledged.append((kind, WRITES[kind](server)))
            if len(acknowledged) >= ENOUGH:
                enough.set()
    except (openai.APIConnectionError, APIConnectionError, httpx.TransportError):
        pass
