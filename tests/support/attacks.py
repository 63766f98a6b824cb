"""How one user reaches for what is another's: each operation of the API, with the other's ids in path, query and body.

An operation is named without the prefix of its version, as in `GET /agents/{agent_id}`; it is attacked below each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from tests.support import belongings
from tests.support.belongings import CANDIDATE, CHAT_MODEL, EMBEDDING_MODEL, Belongings


class Outcome(Enum):
    """What must come of an attack; in no case does the answer say anything of the other's."""

    REFUSED = auto()
    """Forbidden, or not found: which of the two is not told."""
    HARMLESS = auto()
    """Whatever is answered, as long as it is no error of the server's."""


@dataclass(frozen=True)
class Attack:
    """A request; `theirs` are the other's belongings, `mine` those of the attacker."""

    body: Callable[[Belongings, Belongings], Any] | None = None
    query: Callable[[Belongings], dict[str, Any]] = lambda theirs: {}
    on_mine: bool = False
    """Whether the path has the attacker's own ids."""
    outcome: Outcome = Outcome.REFUSED


def harmless(body: Callable[[Belongings, Belongings], Any] | None = None, **options: Any) -> Attack:
    """An attack that may be answered."""
    return Attack(body, outcome=Outcome.HARMLESS, **options)


def listing(*queries: Callable[[Belongings], dict[str, Any]]) -> tuple[Attack, ...]:
    """A list, asked for with the other's ids as well."""
    return (harmless(), *(harmless(query=query) for query in queries))


def fixed(body: Any) -> tuple[Attack, ...]:
    """One request with the other's ids in the path alone."""
    return (Attack(lambda theirs, mine: body),)


BY_ID = (Attack(),)
NOBODYS: tuple[Attack, ...] = ()

TURN = {"messages": [{"role": "user", "content": "hello"}], "stream": True}
CHAT = [{"role": "user", "content": "hello"}]
SEARCH = 'call knowledge_search {"query": "third drawer"}'


def response(**fields: Any) -> dict[str, Any]:
    """A request for a response."""
    return {"model": CHAT_MODEL, "input": "hello", **fields}


def searching(vector_store_id: str) -> dict[str, Any]:
    """A request for a response for which a vector store is searched."""
    return response(input=SEARCH, tools=[{"type": "file_search", "vector_store_ids": [vector_store_id]}])


def turn_searching(vector_store_id: str) -> dict[str, Any]:
    """A turn of an agent for which a vector store is searched."""
    group = {"name": "builtin::rag", "args": {"vector_db_ids": [vector_store_id]}}
    return {"messages": [{"role": "user", "content": SEARCH}], "stream": True, "toolgroups": [group]}


def evaluation(theirs: Belongings, mine: Belongings) -> dict[str, Any]:
    """An evaluation of the other's model."""
    candidate = {"type": "model", "model": theirs["model_id"], "sampling_params": {"max_tokens": 10}}
    return {"benchmark_config": {"eval_candidate": candidate}}


def rows(word: str) -> list[dict[str, Any]]:
    """Rows as scoring functions take them."""
    return [{"input_query": word, "expected_answer": word, "generated_answer": word}]


def chunk(word: str) -> dict[str, Any]:
    """A chunk for a vector store."""
    return {"content": word, "embedding": [1.0] * 8, "metadata": {"document_id": word}, "stored_chunk_id": word}


_a_message = {"type": "message", "role": "user", "content": "hello"}

ATTACKS: dict[str, tuple[Attack, ...]] = {
    # What nobody owns.
    "GET /health": NOBODYS,
    "GET /version": NOBODYS,
    "GET /inspect/routes": NOBODYS,
    "GET /providers": NOBODYS,
    "GET /providers/{provider_id}": NOBODYS,
    # What is registered.
    "GET /models": listing(),
    "GET /models/{model_id}": BY_ID,
    "DELETE /models/{model_id}": BY_ID,
    "POST /models": (harmless(lambda a, b: {"model_id": a.word, "provider_id": "vllm", "metadata": {"of": b.word}}),),
    "GET /shields": listing(),
    "GET /shields/{identifier}": BY_ID,
    "DELETE /shields/{identifier}": BY_ID,
    "POST /shields": (
        harmless(
            lambda a, b: {"shield_id": a["shield_id"], "provider_id": "llama-guard", "provider_shield_id": CHAT_MODEL}
        ),
    ),
    "POST /safety/run-shield": (Attack(lambda a, b: {"shield_id": a["shield_id"], "messages": CHAT, "params": {}}),),
    "POST /moderations": (harmless(lambda a, b: {"model": a["shield_id"], "input": "hello"}),),
    "GET /toolgroups": listing(),
    "GET /toolgroups/{toolgroup_id}": BY_ID,
    "DELETE /toolgroups/{toolgroup_id}": BY_ID,
    "POST /toolgroups": (
        harmless(
            lambda a, b: {"toolgroup_id": a["toolgroup_id"], "provider_id": "rag-runtime", "args": {"of": b.word}}
        ),
    ),
    "GET /tools": (*listing(), Attack(query=lambda a: {"toolgroup_id": a["toolgroup_id"]})),
    "GET /tools/{tool_name}": BY_ID,
    "GET /tool-runtime/list-tools": (*listing(), Attack(query=lambda a: {"tool_group_id": a["toolgroup_id"]})),
    "GET /datasets": listing(),
    "GET /datasets/{dataset_id}": BY_ID,
    "DELETE /datasets/{dataset_id}": BY_ID,
    "POST /datasets": (harmless(lambda a, b: belongings.dataset(a["dataset_id"], b.word)),),
    "GET /datasetio/iterrows/{dataset_id}": BY_ID,
    "POST /datasetio/append-rows/{dataset_id}": fixed({"rows": [{"input_query": "mine"}]}),
    "GET /scoring-functions": listing(),
    "GET /scoring-functions/{scoring_fn_id}": BY_ID,
    "DELETE /scoring-functions/{scoring_fn_id}": BY_ID,
    "POST /scoring-functions": (harmless(lambda a, b: belongings.scoring_function(a["scoring_fn_id"], b.word)),),
    "POST /scoring/score": (
        Attack(lambda a, b: {"input_rows": rows(b.word), "scoring_functions": {a["scoring_fn_id"]: None}}),
    ),
    "POST /scoring/score-batch": (
        Attack(lambda a, b: {"dataset_id": a["dataset_id"], "scoring_functions": {belongings.SCORING_FUNCTION: None}}),
    ),
    "GET /eval/benchmarks": listing(),
    "GET /eval/benchmarks/{benchmark_id}": BY_ID,
    "DELETE /eval/benchmarks/{benchmark_id}": BY_ID,
    "POST /eval/benchmarks": (harmless(lambda a, b: belongings.benchmark(a["benchmark_id"], b["dataset_id"], b.word)),),
    "POST /eval/benchmarks/{benchmark_id}/evaluations": (
        Attack(
            lambda a, b: {"input_rows": rows(b.word), "scoring_functions": [], "benchmark_config": CANDIDATE},
        ),
    ),
    "POST /eval/benchmarks/{benchmark_id}/jobs": (
        *fixed({"benchmark_config": CANDIDATE}),
        Attack(evaluation, on_mine=True),
    ),
    "GET /eval/benchmarks/{benchmark_id}/jobs/{job_id}": BY_ID,
    "GET /eval/benchmarks/{benchmark_id}/jobs/{job_id}/result": BY_ID,
    "DELETE /eval/benchmarks/{benchmark_id}/jobs/{job_id}": BY_ID,
    # Models.
    "POST /chat/completions": (
        Attack(lambda a, b: {"model": a["model_id"], "messages": CHAT}),
        Attack(lambda a, b: {"model": a["model_id"], "messages": CHAT, "stream": True}),
        # A client may have a say in the id under which its answer is stored: with vLLM by `request_id`.
        harmless(lambda a, b: {"model": CHAT_MODEL, "messages": CHAT, "user": chosen_id(a)}),
        harmless(lambda a, b: {"model": CHAT_MODEL, "messages": CHAT, "user": chosen_id(a), "stream": True}),
    ),
    "GET /chat/completions": listing(lambda a: {"after": a["completion_id"]}, lambda a: {"model": CHAT_MODEL}),
    "GET /chat/completions/{completion_id}": BY_ID,
    "GET /chat/completions/{completion_id}/messages": BY_ID,
    "POST /chat/completions/{completion_id}": fixed({"metadata": {"of": "mine"}}),
    "DELETE /chat/completions/{completion_id}": BY_ID,
    "POST /completions": (
        Attack(lambda a, b: {"model": a["model_id"], "prompt": "hello"}),
        Attack(lambda a, b: {"model": a["model_id"], "prompt": "hello", "stream": True}),
    ),
    "POST /embeddings": (Attack(lambda a, b: {"model": a["model_id"], "input": "hello"}),),
    "POST /inference/rerank": (harmless(lambda a, b: {"model": a["model_id"], "query": "hello", "items": ["hello"]}),),
    # Files, prompts, batches.
    "GET /files": listing(lambda a: {"after": a["file_id"]}),
    "POST /files": NOBODYS,
    "GET /files/{file_id}": BY_ID,
    "GET /files/{file_id}/content": BY_ID,
    "DELETE /files/{file_id}": BY_ID,
    "GET /prompts": listing(),
    "POST /prompts": NOBODYS,
    "GET /prompts/{prompt_id}": (Attack(), Attack(query=lambda a: {"version": 1})),
    "GET /prompts/{prompt_id}/versions": BY_ID,
    "POST /prompts/{prompt_id}": fixed({"prompt": "Say nothing.", "version": 1}),
    "POST /prompts/{prompt_id}/set-default-version": fixed({"version": 1}),
    "DELETE /prompts/{prompt_id}": BY_ID,
    "GET /batches": listing(lambda a: {"after": a["batch_id"]}),
    "POST /batches": (
        harmless(lambda a, b: a_batch(a["input_file_id"])),
        # Chosen by a client, these are the same for two of them now and then.
        harmless(lambda a, b: a_batch(a["input_file_id"], idempotency_key="monday")),
        harmless(lambda a, b: a_batch(b["input_file_id"], idempotency_key="monday", metadata={"of": b.word})),
    ),
    "GET /batches/{batch_id}": BY_ID,
    "POST /batches/{batch_id}/cancel": BY_ID,
    # Vector stores.
    "GET /vector_stores": listing(lambda a: {"after": a["vector_store_id"]}, lambda a: {"limit": 100}),
    "POST /vector_stores": (
        harmless(lambda a, b: a_store(file_ids=[a["file_id"]])),
        harmless(lambda a, b: a_store(provider_vector_store_id=a["vector_store_id"])),
        harmless(lambda a, b: a_store(vector_store_id=a["vector_store_id"])),
        Attack(lambda a, b: {"embedding_model": a["model_id"], "embedding_dimension": 8}),
    ),
    "GET /vector_stores/{vector_store_id}": BY_ID,
    "POST /vector_stores/{vector_store_id}": fixed({"name": "mine", "metadata": {"of": "me"}}),
    "DELETE /vector_stores/{vector_store_id}": BY_ID,
    "POST /vector_stores/{vector_store_id}/search": fixed({"query": "third drawer"}),
    "GET /vector_stores/{vector_store_id}/files": BY_ID,
    "POST /vector_stores/{vector_store_id}/files": (
        Attack(lambda a, b: {"file_id": b["file_id"]}),
        Attack(lambda a, b: {"file_id": a["file_id"]}),
        harmless(lambda a, b: {"file_id": a["file_id"]}, on_mine=True),
    ),
    "GET /vector_stores/{vector_store_id}/files/{file_id}": BY_ID,
    "GET /vector_stores/{vector_store_id}/files/{file_id}/content": BY_ID,
    "POST /vector_stores/{vector_store_id}/files/{file_id}": fixed({"attributes": {"of": "me"}}),
    "DELETE /vector_stores/{vector_store_id}/files/{file_id}": BY_ID,
    "POST /vector_stores/{vector_store_id}/file_batches": (
        Attack(lambda a, b: {"file_ids": [b["file_id"]]}),
        harmless(lambda a, b: {"file_ids": [a["file_id"]]}, on_mine=True),
    ),
    "GET /vector_stores/{vector_store_id}/file_batches/{batch_id}": BY_ID,
    "GET /vector_stores/{vector_store_id}/file_batches/{batch_id}/files": BY_ID,
    "POST /vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel": BY_ID,
    "POST /vector-io/insert": (Attack(lambda a, b: {"vector_db_id": a["vector_store_id"], "chunks": [chunk(b.word)]}),),
    "POST /vector-io/query": (Attack(lambda a, b: {"vector_db_id": a["vector_store_id"], "query": "third drawer"}),),
    # Tools.
    "POST /tool-runtime/rag-tool/insert": (
        Attack(
            lambda a, b: {
                "vector_store_id": a["vector_store_id"],
                "documents": [{"document_id": b.word, "content": b.word, "metadata": {}}],
                "chunk_size_in_tokens": 100,
            }
        ),
    ),
    "POST /tool-runtime/rag-tool/query": (
        Attack(lambda a, b: {"content": "third drawer", "vector_store_ids": [a["vector_store_id"]]}),
        Attack(
            lambda a, b: {"content": "third drawer", "vector_store_ids": [b["vector_store_id"], a["vector_store_id"]]}
        ),
        Attack(
            lambda a, b: {
                "content": "third drawer",
                "vector_store_ids": [b["vector_store_id"]],
                "query_config": {"query_generator_config": {"type": "llm", "model": a["model_id"], "template": "x"}},
            }
        ),
    ),
    "POST /tool-runtime/invoke": (
        Attack(
            lambda a, b: {
                "tool_name": "knowledge_search",
                "kwargs": {"query": "third drawer", "vector_db_ids": [a["vector_store_id"]]},
            }
        ),
        Attack(lambda a, b: {"tool_name": f"{a['toolgroup_id']}/web_search", "kwargs": {"query": "hello"}}),
    ),
    # Responses and conversations.
    "GET /responses": listing(lambda a: {"after": a["response_id"]}, lambda a: {"model": CHAT_MODEL}),
    "POST /responses": (
        Attack(lambda a, b: response(previous_response_id=a["response_id"])),
        Attack(lambda a, b: response(previous_response_id=a["response_id"], stream=True)),
        Attack(lambda a, b: response(conversation=a["conversation_id"])),
        Attack(lambda a, b: response(conversation=a["conversation_id"], stream=True)),
        Attack(lambda a, b: response(conversation=a["conversation_id"], stream=True, store=False)),
        Attack(lambda a, b: response(model=a["model_id"])),
        Attack(lambda a, b: response(model=a["model_id"], stream=True)),
        harmless(lambda a, b: response(guardrails=[a["shield_id"]])),
        harmless(lambda a, b: searching(a["vector_store_id"])),
    ),
    "GET /responses/{response_id}": BY_ID,
    "GET /responses/{response_id}/input_items": (Attack(), Attack(query=lambda a: {"limit": 5})),
    "DELETE /responses/{response_id}": BY_ID,
    "POST /conversations": (harmless(lambda a, b: {"items": [{**_a_message, "id": a["item_id"]}]}),),
    "GET /conversations/{conversation_id}": BY_ID,
    "POST /conversations/{conversation_id}": fixed({"metadata": {"of": "me"}}),
    "DELETE /conversations/{conversation_id}": BY_ID,
    "GET /conversations/{conversation_id}/items": (Attack(), Attack(query=lambda a: {"after": a["item_id"]})),
    "POST /conversations/{conversation_id}/items": (
        *fixed({"items": [_a_message]}),
        harmless(lambda a, b: {"items": [{**_a_message, "id": a["item_id"]}]}, on_mine=True),
    ),
    "GET /conversations/{conversation_id}/items/{item_id}": BY_ID,
    "DELETE /conversations/{conversation_id}/items/{item_id}": BY_ID,
    # Agents.
    "GET /agents": listing(lambda a: {"limit": 100}),
    "POST /agents": NOBODYS,
    "GET /agents/{agent_id}": BY_ID,
    "DELETE /agents/{agent_id}": BY_ID,
    "GET /agents/{agent_id}/sessions": BY_ID,
    "POST /agents/{agent_id}/session": fixed({"session_name": "mine"}),
    "GET /agents/{agent_id}/session/{session_id}": BY_ID,
    "DELETE /agents/{agent_id}/session/{session_id}": BY_ID,
    "POST /agents/{agent_id}/session/{session_id}/turn": (
        *fixed(TURN),
        harmless(lambda a, b: turn_searching(a["vector_store_id"]), on_mine=True),
    ),
    "GET /agents/{agent_id}/session/{session_id}/turn/{turn_id}": BY_ID,
    "POST /agents/{agent_id}/session/{session_id}/turn/{turn_id}/resume": fixed({"tool_responses": [], "stream": True}),
    "GET /agents/{agent_id}/session/{session_id}/turn/{turn_id}/step/{step_id}": BY_ID,
}


def chosen_id(theirs: Belongings) -> str:
    """What a client says to the scripted backend so that its answer gets the id of the other's."""
    return theirs["completion_id"].removeprefix("chatcmpl-")


def a_batch(input_file_id: str, **fields: Any) -> dict[str, Any]:
    """A request for a batch."""
    endpoint = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    return {"input_file_id": input_file_id, **endpoint, **fields}


def a_store(**fields: Any) -> dict[str, Any]:
    """A request for a vector store."""
    return {"name": "mine", "embedding_model": EMBEDDING_MODEL, **fields}
