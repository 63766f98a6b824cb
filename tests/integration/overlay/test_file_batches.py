"""A file batch goes on after the server has been killed in the middle of it."""

import signal
from functools import partial
from pathlib import Path

from tests.support.run_configs import FAISS, local_files, run_config, vllm_provider
from tests.support.stack_server import serve
from tests.support.vllm import Vllm

FILES = 30


def test_an_interrupted_file_batch_goes_on_after_a_restart(tmp_path: Path, vllm_embedding: Vllm) -> None:
    embedding_models = {vllm_embedding.model: {"embedding_dimension": 384}}
    providers = {
        "inference": [vllm_provider("embedding", vllm_embedding.url, embedding_models=embedding_models)],
        "files": [local_files(tmp_path)],
        "vector_io": [FAISS],
    }
    config = run_config(tmp_path, providers)
    model = {"embedding_model": f"embedding/{vllm_embedding.model}", "embedding_dimension": 384}
    with serve(config) as killed:
        client = killed.openai
        store = client.vector_stores.create(name="zoo", extra_body=model)
        names = [f"{number}.txt" for number in range(FILES)]
        files = [client.files.create(file=(name, name.encode()), purpose="assistants").id for name in names]
        batch = client.vector_stores.file_batches.create(store.id, file_ids=files)
        killed.program.process.send_signal(signal.SIGKILL)
        killed.program.process.wait()

    with serve(config) as server:
        stores = server.openai.vector_stores
        follow = partial(stores.file_batches.retrieve, batch.id, vector_store_id=store.id)
        server.program.wait_until(lambda: follow().status != "in_progress", timeout=120)
        done = follow()
        assert (done.status, done.file_counts.completed) == ("completed", FILES)
        assert {file.id for file in stores.files.list(store.id, limit=100)} == set(files)
