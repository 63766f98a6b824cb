"""The model server of the benchmarks answers as vLLM does, and what the benchmarks say of it is true."""

import socket
import time
from collections.abc import Iterator

import pytest
import requests
from openai import InternalServerError, OpenAI

from benchmarks import backend, load, peers, streams
from benchmarks.load import posted
from benchmarks.peers import CHAT_PATH as CHAT
from benchmarks.peers import Server
from tests.support.process import LOOPBACK, NotInstalled


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with peers.serve_backend() as served:
        yield served


@pytest.fixture(scope="module")
def client(server: Server) -> OpenAI:
    return OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=20)


@pytest.fixture(scope="module")
def wrk() -> None:
    try:
        load.check_wrk()
    except NotInstalled as error:
        pytest.skip(str(error))


def test_each_chat_completion_has_an_id_of_its_own(client: OpenAI) -> None:
    answers = [client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "Hi"}]) for _ in "ab"]
    assert answers[0].id != answers[1].id
    for answer in answers:
        assert answer.choices[0].finish_reason == "stop"
        assert answer.choices[0].message.content
        assert answer.usage
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_is_as_long_as_asked_and_says_what_it_used(client: OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="chat",
            messages=[{"role": "user", "content": "Count in 7 chunks"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert [bool(chunk.choices and chunk.choices[0].delta.content) for chunk in chunks] == 7 * [True] + 2 * [False]
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == 7
    assert len({chunk.id for chunk in chunks}) == 1


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_equal_texts_have_equal_vectors_in_either_encoding(server: Server, encoding: str) -> None:
    body = {"model": "embedding", "input": ["a", "b", "a"], "encoding_format": encoding}
    answer = requests.post(f"{server.url}/v1/embeddings", json=body, timeout=20)
    vectors = [one["embedding"] for one in answer.json()["data"]]
    assert vectors[0] == vectors[2] != vectors[1]
    assert len(vectors[0]) == (backend.DIMENSION if encoding == "float" else 4 * backend.DIMENSION * 4 // 3)


@pytest.mark.parametrize("tokens", [[1, 2, 3], [[1, 2], [3]]])
def test_tokens_are_texts_too(server: Server, tokens: list[int]) -> None:
    answer = requests.post(f"{server.url}/v1/embeddings", json={"model": "embedding", "input": tokens}, timeout=20)
    assert len(answer.json()["data"]) == (1 if isinstance(tokens[0], int) else 2)


def test_a_prompt_is_completed(client: OpenAI) -> None:
    assert client.completions.create(model="chat", prompt="The capital of France is").choices[0].text


def test_it_fails_where_it_is_asked_to(client: OpenAI) -> None:
    with pytest.raises(InternalServerError) as error:
        client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "answer with 503"}])
    assert error.value.status_code == 503


def test_a_stream_that_is_left_is_ended(server: Server) -> None:
    with requests.post(server.url + CHAT, json=streams.body(100_000), stream=True, timeout=20) as answer:
        next(answer.iter_content(10))
    counts = _counts(server)
    assert counts["abandoned"] >= 1
    assert counts["streams"] == 0


def test_a_request_in_pieces_and_one_after_it_are_understood(server: Server) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: here\r\nCONTENT-LENGTH: 2\r\n\r\n"
    with socket.create_connection((LOOPBACK, int(server.url.rpartition(":")[2])), timeout=20) as connection:
        for pieces in ([head[:30], head[30:], b"{", b"}"], [head + b"{}"]):
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.02)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")


def test_chunks_are_counted_and_their_way_is_measured(server: Server) -> None:
    sample = streams.run(server, chunks=20, count=6, clients=3)
    assert len(sample.first) == 6
    assert len(sample.delays) == 120
    assert sample.failures == 0
    assert min(sample.delays) > 0


def test_a_stream_that_is_not_answered_is_a_failure(server: Server) -> None:
    elsewhere = Server("nobody", "http://127.0.0.1:9", server.process, server.log, server.data)
    assert streams.run(elsewhere, chunks=2, count=3, clients=1).failures == 3


def test_wrk_counts_answers(server: Server, wrk: None) -> None:
    before = _counts(server).get("chat", 0)
    sample = load.run(server, posted(CHAT, {"messages": []}), connections=8, seconds=1)
    asked = _counts(server)["chat"] - before
    assert 0 <= asked - sample.answers <= 8  # one on each connection is cut off
    assert sample.failures == 0
    assert sample.median <= sample.p99
    assert sample.cpu > 0


def test_wrk_counts_bad_statuses(server: Server, wrk: None) -> None:
    sample = load.run(server, posted(CHAT, {"messages": "answer with 503"}), connections=2, seconds=1)
    assert sample.bad_statuses == sample.answers > 0
    assert sample.rate == 0


def test_wrk_counts_requests_that_take_too_long(server: Server, wrk: None) -> None:
    sample = load.run(server, posted(CHAT, {"messages": "after 2500 ms"}), connections=3, seconds=4)
    assert (sample.answers, sample.timeouts) == (3, 3)


def _counts(server: Server) -> dict[str, int]:
    counts: dict[str, int] = requests.get(f"{server.url}/counts", timeout=20).json()
    return counts
