"""Prompts written by llama-stack's built-in service stay, and stay readable for it."""

from tests.integration.prompts.conftest import Backend, Serve
from tests.integration.prompts.prompts_api import Prompts


def test_prompts_outlive_a_switch_in_either_direction(backend: Backend, serve_prompts: Serve, prompts: Prompts) -> None:
    # On PostgreSQL and Redis the built-in service can create prompts and get a version of them, and no more.
    works = backend["type"] == "kv_sqlite"

    with serve_prompts(providers=()) as stack:
        built_in = Prompts(stack.client)
        theirs = built_in.create("Hello {{ name }}", ["name"])
        prompt_id = theirs["prompt_id"]
        if works:
            theirs = built_in.update(prompt_id, "Bye {{ name }}", version=1, variables=["name"])

        with serve_prompts() as successor:
            prompts = Prompts(successor.client)
            assert prompts.get(prompt_id) == prompts.list()[prompt_id] == theirs | {"is_default": True}
            assert prompts.versions(prompt_id)[-1] == theirs | {"is_default": True}

            ours = prompts.update(prompt_id, "Hi {{ name }}", theirs["version"], variables=["name"])
            fresh = prompts.create("fresh")

        assert built_in.get(prompt_id, ours["version"]) == ours | {"is_default": False}
        assert built_in.get(fresh["prompt_id"], 1) == fresh | {"is_default": False}
        if works:
            assert built_in.get(prompt_id)["version"] == ours["version"]
            assert {prompt_id, fresh["prompt_id"]} <= built_in.list().keys()
            assert built_in.versions(prompt_id)[-1] == ours
