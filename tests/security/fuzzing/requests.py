"""Requests that the server takes, by operation: what fuzzing changes a part of, so that the rest still gets through."""

from typing import Any

from tests.security.fuzzing.resources import ANSWERED, EMBEDDING, MODEL, QUESTION, Known, evaluated
from tests.support.scripted_backend import DIMENSION

Requests = dict[str, list[dict[str, Any]]]

SAID = {"role": "user", "content": "hi"}
FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}
IMAGE = "data:image/png;base64,AAAA"
AUTO = {"type": "auto"}


def valid_requests(known: Known) -> Requests:
    """Return bodies by operation, its path with /v1."""
    return {
        **_models(),
        **_responses(known),
        **_agents(known),
        **_stores(known),
        **_rag(known),
        **_evaluation(),
        **_registered(),
        "POST /v1/batches": [
            {
                "input_file_id": known["file_id"][1],
                "endpoint": "/v1/chat/completions",
                "completion_window": "24h",
                "metadata": {"a": "b"},
            }
        ],
        "POST /v1/prompts": [{"prompt": "hello {{name}}", "variables": ["name"]}],
    }


def _models() -> Requests:
    chat = {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "text", "text": "hi"}, _part("image_url", url=IMAGE)]},
            {"role": "assistant", "content": "x", "tool_calls": [_call("c")]},
            {"role": "tool", "tool_call_id": "c", "content": "x"},
        ],
        "temperature": 0.5,
        "max_tokens": 5,
        "n": 1,
        "stop": ["a"],
        "tools": [{"type": "function", "function": FUNCTION}],
        "tool_choice": "auto",
        "response_format": {"type": "json_object"},
        "seed": 1,
        "logit_bias": {"1": 1},
    }
    text = {"model": MODEL, "prompt": "hi", "max_tokens": 5, "echo": False, "stop": "x", "n": 1}
    return {
        "POST /v1/chat/completions": [
            {**chat, "store": True, "metadata": {"a": "b"}},
            {**chat, "stream": True, "stream_options": {"include_usage": True}},
        ],
        "POST /v1/chat/completions/{completion_id}": [{"metadata": {"a": "b"}}],
        "POST /v1/completions": [text, {**text, "stream": True}],
        "POST /v1/embeddings": [{"model": EMBEDDING, "input": ["hi"], "encoding_format": "float", "user": "u"}],
    }


def _part(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, kind: fields}


def _call(identifier: str) -> dict[str, Any]:
    return {"id": identifier, "type": "function", "function": {"name": "f", "arguments": "{}"}}


def _responses(known: Known) -> Requests:
    store, conversation = known["vector_store_id"][0], known["conversation_id"][0]
    asked = {
        "input": "hi",
        "model": MODEL,
        "store": True,
        "temperature": 0.5,
        "instructions": "be good",
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
        "tools": [
            {"type": "file_search", "vector_store_ids": [store], "max_num_results": 3},
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}},
        ],
        "max_infer_iters": 2,
        "include": ["file_search_call.results"],
    }
    items = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
        {"type": "web_search_call", "id": "w", "status": "completed"},
        {"type": "file_search_call", "id": "w", "status": "completed", "queries": ["q"]},
    ]
    return {
        "POST /v1/responses": [
            asked,
            {**asked, "stream": True},
            {"input": items, "model": MODEL, "previous_response_id": known["response_id"][0]},
            {"input": "hi", "model": MODEL, "conversation": conversation, "tools": [{"type": "web_search"}]},
        ],
        "POST /v1/conversations": [{"items": [{"type": "message", **SAID}], "metadata": {"a": "b"}}],
        "POST /v1/conversations/{conversation_id}": [{"metadata": {"a": "b"}}],
        "POST /v1/conversations/{conversation_id}/items": [{"items": items[:1]}, {"items": items[1:3]}],
    }


def _agents(known: Known) -> Requests:
    config = {
        "model": MODEL,
        "instructions": "be good",
        "sampling_params": {"strategy": {"type": "greedy"}, "max_tokens": 5},
        "toolgroups": ["builtin::rag"],
        "max_infer_iters": 2,
        "input_shields": [],
        "output_shields": [],
        "enable_session_persistence": True,
        "name": "n",
    }
    rag = {"name": "builtin::rag/knowledge_search", "args": {"vector_db_ids": known["vector_store_id"][:1]}}
    document = {"content": "text", "mime_type": "text/plain"}
    session = "/v1/agents/{agent_id}/session"
    return {
        "POST /v1/agents": [{"agent_config": config}],
        f"POST {session}": [{"session_name": "s"}],
        f"POST {session}/{{session_id}}/turn": [
            {"messages": [SAID], "stream": True, "documents": [document], "tool_config": {"tool_choice": "auto"}},
            {"messages": [SAID], "stream": True, "toolgroups": [rag]},
        ],
        f"POST {session}/{{session_id}}/turn/{{turn_id}}/resume": [
            {"tool_responses": [{"call_id": "c", "tool_name": "f", "content": "x"}], "stream": True}
        ],
    }


def _stores(known: Known) -> Requests:
    file, static = known["file_id"][0], {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}
    created = {
        "name": "n",
        "file_ids": [file],
        "metadata": {"a": "b"},
        "chunking_strategy": {"type": "static", "static": static},
        "embedding_model": EMBEDDING,
        "embedding_dimension": DIMENSION,
    }
    searched = {
        "query": "sky",
        "filters": {"type": "eq", "key": "a", "value": "b"},
        "max_num_results": 3,
        "ranking_options": {"ranker": "weighted", "score_threshold": 0.0},
    }
    store = "/v1/vector_stores/{vector_store_id}"
    return {
        "POST /v1/vector_stores": [{**created, "provider_id": provider} for provider in ("faiss", "sqlite-vec")],
        f"POST {store}": [{"name": "n", "metadata": {"a": "b"}}],
        f"POST {store}/files": [{"file_id": file, "attributes": {"a": "b", "n": 1}, "chunking_strategy": AUTO}],
        f"POST {store}/files/{{file_id}}": [{"attributes": {"a": "c"}}],
        f"POST {store}/file_batches": [{"file_ids": [file], "attributes": {"a": "b"}, "chunking_strategy": AUTO}],
        f"POST {store}/search": [searched],
    }


def _rag(known: Known) -> Requests:
    faiss, sqlite_vec = known["vector_store_id"]
    chunk = {"content": "sky", "metadata": {"document_id": "d"}}
    document = {"document_id": "d", "content": "text", "mime_type": "text/plain", "metadata": {"a": 1}}
    config = {
        "query_generator_config": {"type": "default", "separator": " "},
        "max_chunks": 3,
        "max_tokens_in_context": 500,
        "chunk_template": "{index} {chunk.content} {metadata}",
    }
    ranked = {"mode": "hybrid", "max_chunks": 3, "ranker": {"type": "rrf", "impact_factor": 60.0}}
    generator = {"type": "llm", "model": MODEL, "template": "{{ messages }}"}
    call = {"query": "sky", "vector_db_ids": [faiss], "query_config": {"max_chunks": 3, "mode": "vector"}}
    return {
        "POST /v1/vector-io/insert": [
            {"vector_db_id": faiss, "chunks": [chunk]},
            {"vector_db_id": sqlite_vec, "chunks": [{**chunk, "chunk_metadata": {"document_id": "d", "source": "s"}}]},
        ],
        "POST /v1/vector-io/query": [
            {"vector_db_id": faiss, "query": "sky", "params": {"mode": "vector", "score_threshold": 0.0}},
            {"vector_db_id": sqlite_vec, "query": "sky", "params": ranked},
            {"vector_db_id": sqlite_vec, "query": "sky", "params": {"mode": "keyword"}},
        ],
        "POST /v1/tool-runtime/rag-tool/insert": [{"documents": [document], "vector_store_id": faiss}],
        "POST /v1/tool-runtime/rag-tool/query": [
            {"content": "sky", "vector_store_ids": [faiss], "query_config": {**config, "mode": "vector"}},
            {"content": "sky", "vector_store_ids": [sqlite_vec], "query_config": {**config, "mode": "hybrid"}},
            {"content": "sky", "vector_store_ids": [faiss], "query_config": {"query_generator_config": generator}},
        ],
        "POST /v1/tool-runtime/invoke": [{"tool_name": "knowledge_search", "kwargs": call}],
    }


def _evaluation() -> Requests:
    regex = {"type": "regex_parser", "parsing_regexes": ["(a)"], "aggregation_functions": ["accuracy"]}
    judge = {
        "type": "llm_as_judge",
        "judge_model": MODEL,
        "prompt_template": "{input_query} {generated_answer}",
        "judge_score_regexes": ["(said)"],
        "aggregation_functions": ["categorical_count"],
    }
    functions = {
        "basic::equality": None,
        "basic::regex_parser_multiple_choice_answer": regex,
        "llm-as-judge::base": judge,
    }
    run = {"eval_candidate": evaluated(), "scoring_params": {}, "num_examples": 1}
    benchmark = "/v1/eval/benchmarks/{benchmark_id}"
    return {
        "POST /v1/scoring/score": [
            {"input_rows": [ANSWERED], "scoring_functions": {name: params}} for name, params in functions.items()
        ],
        "POST /v1/scoring/score-batch": [{"dataset_id": "rows", "scoring_functions": {"basic::equality": None}}],
        "POST /v1/datasetio/append-rows/{dataset_id}": [{"rows": [ANSWERED | QUESTION]}],
        f"POST {benchmark}/jobs": [{"benchmark_config": run}],
        f"POST {benchmark}/evaluations": [
            {"input_rows": [ANSWERED | QUESTION], "scoring_functions": ["basic::equality"], "benchmark_config": run}
        ],
    }


def _registered() -> Requests:
    """Each registers what is not there yet."""
    judge = {"type": "llm_as_judge", "judge_model": MODEL, "prompt_template": "{input_query}"}
    rows = {"type": "rows", "rows": [{"a": 1}]}
    return {
        "POST /v1/scoring-functions": [
            {
                "scoring_fn_id": "llm-as-judge::new",
                "description": "d",
                "return_type": {"type": "number"},
                "provider_id": "llm-as-judge",
                "params": judge,
            }
        ],
        "POST /v1/shields": [{"shield_id": "new", "provider_id": "llama-guard", "provider_shield_id": MODEL}],
        "POST /v1/datasets": [{"dataset_id": "new", "purpose": "eval/messages-answer", "source": rows}],
        "POST /v1/eval/benchmarks": [
            {"benchmark_id": "new", "dataset_id": "rows", "scoring_functions": ["basic::equality"]}
        ],
        "POST /v1/toolgroups": [{"toolgroup_id": "new", "provider_id": "rag-runtime", "args": {"a": 1}}],
    }
