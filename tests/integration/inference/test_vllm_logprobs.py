"""Log probabilities in a stream."""

from tests.support.stack_server import StackServer
from tests.support.vllm import Vllm


def test_a_stream_with_log_probabilities_ends_as_it_should_and_is_stored(stack: StackServer, vllm: Vllm) -> None:
    completions = stack.openai.chat.completions
    chunks = list(
        completions.create(
            model=f"vllm/{vllm.model}",
            messages=[{"role": "user", "content": "Hello"}],
            max_tokens=2,
            logprobs=True,
            top_logprobs=2,
            stream=True,
        )
    )

    given = [choice.logprobs for chunk in chunks for choice in chunk.choices if choice.logprobs]
    tokens = [token for logprobs in given for token in logprobs.content or []]
    assert len(tokens) == 2
    assert all(len(token.top_logprobs) == 2 for token in tokens)

    # The server stores it after the stream has ended.
    stack.program.wait_until(lambda: chunks[0].id in {one.id for one in completions.list()}, timeout=10)
    stored = completions.retrieve(chunks[0].id).choices[0].logprobs
    assert stored is not None
    assert [token.token for token in stored.content or []] == [token.token for token in tokens]
