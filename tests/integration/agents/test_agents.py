"""Agents, Responses and conversations."""

from typing import Any

import openai
import pytest

from tests.integration.prompts.prompts_api import Prompts
from tests.support.stack_server import StackServer
from tests.support.vllm import Vllm

QUESTION = "What is the capital of France?"


@pytest.fixture(params=["alone", "furnished"])
def stack(request: pytest.FixtureRequest) -> StackServer:
    """Either server: agents do not need what they do not use."""
    server: StackServer = request.getfixturevalue(request.param)
    return server


def test_a_turn(stack: StackServer, vllm: Vllm) -> None:
    agents = stack.client.alpha.agents
    agent_id = agents.create(agent_config={"model": f"vllm/{vllm.model}", "instructions": "Be brief."}).agent_id
    session_id = agents.session.create(agent_id, session_name="a session").session_id

    chunks = list(
        agents.turn.create(session_id, agent_id=agent_id, messages=[{"role": "user", "content": QUESTION}], stream=True)
    )

    last = chunks[-1].event.payload
    assert last.event_type == "turn_complete"
    assert last.turn.output_message.content
    session = agents.session.retrieve(session_id, agent_id=agent_id)
    assert [turn.turn_id for turn in session.turns] == [last.turn.turn_id]


def test_a_response_goes_on_from_another(stack: StackServer, vllm: Vllm) -> None:
    responses = stack.openai.responses

    first = responses.create(model=f"vllm/{vllm.model}", input=QUESTION)
    second = responses.create(model=f"vllm/{vllm.model}", input="And Italy?", previous_response_id=first.id)

    assert first.output_text
    assert second.output_text
    assert responses.retrieve(second.id).output_text == second.output_text
    # What came before is input of the second: question, answer, question.
    assert len(responses.input_items.list(second.id).data) == 3


def test_a_completed_response_is_stored_when_it_says_so(stack: StackServer, vllm: Vllm) -> None:
    for _ in range(5):
        conversation = stack.openai.conversations.create()
        events = stack.openai.responses.create(
            model=f"vllm/{vllm.model}", input=QUESTION, conversation=conversation.id, stream=True
        )
        for event in events:
            if event.type in ("response.completed", "response.incomplete"):
                stored = stack.openai.responses.retrieve(event.response.id)
                items = stack.openai.conversations.items.list(conversation.id).data
                break
        else:
            pytest.fail("no response")
        assert stored.output_text == event.response.output_text
        assert len(items) == 2
        events.close()


def test_what_an_agent_lacks_is_named_when_it_is_needed(alone: StackServer, vllm: Vllm) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        alone.openai.responses.create(
            model=f"vllm/{vllm.model}", input=QUESTION, extra_body={"guardrails": ["some-shield"]}
        )

    assert "the API safety" in error.value.response.text


def test_prompts_files_and_conversations_together(furnished: StackServer, vllm: Vllm, vllm_embedding: Vllm) -> None:
    prompts = Prompts(furnished.client)
    prompt_id = prompts.create("Answer a {{ who }} about animals.", ["who"])["prompt_id"]
    file = furnished.openai.files.create(file=("a.txt", b"Giraffes have long necks."), purpose="assistants")
    store = furnished.openai.vector_stores.create(
        extra_body={"embedding_model": f"embedding/{vllm_embedding.model}", "embedding_dimension": 384}
    )
    furnished.openai.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id)
    conversation = furnished.openai.conversations.create()
    search: Any = {"type": "file_search", "vector_store_ids": [store.id]}

    response = furnished.openai.responses.create(
        model=f"vllm/{vllm.model}",
        instructions=prompts.get(prompt_id)["prompt"].replace("{{ who }}", "child"),
        input="Which animal has a long neck?",
        tools=[search],
        conversation=conversation.id,
    )

    assert response.status in ("completed", "incomplete")
    assert response.instructions == "Answer a child about animals."
    items = furnished.openai.conversations.items.list(conversation.id).data
    assert items[0].type == "message"
    assert len(items) == 1 + len(response.output)
