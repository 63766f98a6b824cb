"""The servers that the other tests lean on do what they are asked, and no more."""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
import redis
import requests
from botocore.exceptions import ClientError
from docker import DockerClient
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageFunctionToolCall

from tests.integration.files.waiting import wait_until
from tests.support import registry as registry_server
from tests.support.podman import Podman
from tests.support.postgres import Postgres
from tests.support.process import StartError, accepts, running
from tests.support.redis import Redis
from tests.support.registry import Registry
from tests.support.s3 import S3Server
from tests.support.vllm import Vllm


def test_a_program_that_ends_early_is_reported_with_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('the disk is on fire'); raise SystemExit(3)"]
    with (
        pytest.raises(StartError, match=r"ended with code 3(.|\n)*the disk is on fire"),
        running(command, log=tmp_path / "log", ready=lambda: False),
    ):
        pass


def test_a_program_that_never_answers_is_stopped(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]
    log = tmp_path / "log"
    with (
        pytest.raises(StartError, match="not ready after 1 s"),
        running(command, log=log, ready=lambda: False, timeout=1),
    ):
        pass
    assert not Path(f"/proc/{int(log.read_text())}").exists()


def test_s3_knows_its_account_only(s3_server: S3Server) -> None:
    def client(secret: str) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=s3_server.endpoint,
            region_name=s3_server.region,
            aws_access_key_id=s3_server.access_key,
            aws_secret_access_key=secret,
        )

    s3 = client(s3_server.secret_key)
    s3.create_bucket(Bucket="servers")
    s3.put_object(Bucket="servers", Key="key", Body=b"value")
    assert s3.get_object(Bucket="servers", Key="key")["Body"].read() == b"value"
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client("wrong").list_buckets()


def test_postgres_asks_for_the_password(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url) as connection:
        connection.execute("CREATE EXTENSION vector")
        assert connection.execute("SELECT '[1,2]'::vector <-> '[1,4]'::vector").fetchone() == (2.0,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url.replace(postgres.password, "wrong"))


def test_redis_stores(redis_server: Redis) -> None:
    client = redis.Redis.from_url(redis_server.url)
    client.set("key", "value")
    assert client.get("key") == b"value"


def test_registry_is_open(registry: Registry) -> None:
    assert requests.get(f"{registry.url}/v2/", timeout=5).status_code == 200


def test_registry_with_tls_and_accounts() -> None:
    with registry_server.serve(tls=True, accounts={"ann": "secret"}) as registry:
        url, ca = f"{registry.url}/v2/", str(registry.ca)
        assert requests.get(url, verify=ca, timeout=5).status_code == 401
        assert requests.get(url, verify=ca, auth=("ann", "secret"), timeout=5).status_code == 200
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(url, timeout=5)


def test_docker_answers(docker_client: DockerClient) -> None:
    assert docker_client.ping()


def test_podman_keeps_to_its_storage(podman: Podman) -> None:
    assert podman.run("info", "--format", "{{.Store.GraphRoot}}").stdout.strip() == str(podman.directory / "root")


def test_podman_speaks_dockers_language(podman: Podman) -> None:
    with podman.api() as host:
        assert DockerClient(host).ping()


def test_vllm_answers(vllm: Vllm) -> None:
    answer = OpenAI(base_url=vllm.url, api_key="none").chat.completions.create(
        model=vllm.model,
        messages=[{"role": "user", "content": "What is the capital of France?"}],
        temperature=0,
    )
    assert "Paris" in (answer.choices[0].message.content or "")


def test_vllm_calls_the_tool_it_is_told_to(vllm: Vllm) -> None:
    schema: dict[str, object] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    answer = OpenAI(base_url=vllm.url, api_key="none").chat.completions.create(
        model=vllm.model,
        messages=[{"role": "user", "content": "What is the weather in Paris?"}],
        tools=[{"type": "function", "function": {"name": "get_weather", "parameters": schema}}],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        temperature=0,
    )
    [call] = answer.choices[0].message.tool_calls or []
    assert isinstance(call, ChatCompletionMessageFunctionToolCall)
    assert isinstance(json.loads(call.function.arguments)["city"], str)


def test_vllm_embeds(vllm_embedding: Vllm) -> None:
    client = OpenAI(base_url=vllm_embedding.url, api_key="none")
    data = client.embeddings.create(model=vllm_embedding.model, input=["a cat", "a kitten", "granite"]).data
    cat, kitten, granite = (item.embedding for item in data)

    def likeness(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    assert likeness(cat, kitten) > likeness(cat, granite)


@pytest.mark.parametrize("end", ["", "\n    os.kill(os.getpid(), signal.SIGKILL)"], ids=["done", "killed"])
def test_nothing_is_left_after_the_tests(tmp_path: Path, end: str) -> None:
    script = f"""
import os, signal
from tests.support import redis
with redis.serve() as server:
    print(server.port, flush=True){end}
"""
    port = int(subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True).stdout)
    wait_until(lambda: not _accepts(port))


def _accepts(port: int) -> bool:
    with suppress(ConnectionRefusedError):
        return accepts(port)
    return False
