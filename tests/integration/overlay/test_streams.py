"""Streams of providers that pass on what their client library gives them."""

from pathlib import Path

from tests.support.run_configs import run_config
from tests.support.stack_server import serve
from tests.support.vllm import Vllm


def test_a_stream_of_the_openai_client_ends_as_it_should(vllm: Vllm, tmp_path: Path) -> None:
    provider = {
        "provider_id": "openai",
        "provider_type": "remote::openai",
        "config": {"api_key": "none", "base_url": vllm.url},
    }

    with serve(run_config(tmp_path, {"inference": [provider]})) as stack:
        chunks = list(
            stack.openai.completions.create(model=f"openai/{vllm.model}", prompt="Hello", max_tokens=4, stream=True)
        )
        log = stack.program.log.read_text()

    assert chunks[-1].choices[0].finish_reason == "length"
    assert "Traceback" not in log
