"""The prompts API as llama-stack's client sends it; the pinned release of that has no methods for it."""

from dataclasses import dataclass
from typing import Any

from llama_stack_client import LlamaStackClient


@dataclass(frozen=True)
class Prompts:
    """The prompts of one server. Errors are those of the client."""

    client: LlamaStackClient

    def create(self, prompt: str, variables: list[str] | None = None) -> dict[str, Any]:
        return self._post("/v1/prompts", prompt=prompt, variables=variables)

    def get(self, prompt_id: str, version: int | None = None) -> dict[str, Any]:
        query = {} if version is None else {"version": version}
        return self._get(f"/v1/prompts/{prompt_id}", query)

    def list(self) -> dict[str, dict[str, Any]]:
        """All prompts by their id."""
        return {prompt["prompt_id"]: prompt for prompt in self._get("/v1/prompts")["data"]}

    def versions(self, prompt_id: str) -> Any:
        return self._get(f"/v1/prompts/{prompt_id}/versions")["data"]

    def update(self, prompt_id: str, prompt: str, version: int, **more: Any) -> dict[str, Any]:
        return self._post(f"/v1/prompts/{prompt_id}", prompt=prompt, version=version, **more)

    def set_default(self, prompt_id: str, version: int) -> dict[str, Any]:
        return self._post(f"/v1/prompts/{prompt_id}/set-default-version", version=version)

    def delete(self, prompt_id: str) -> None:
        self.client.delete(f"/v1/prompts/{prompt_id}", cast_to=object)

    def _get(self, path: str, query: dict[str, Any] | None = None) -> dict[str, Any]:
        answer: Any = self.client.get(path, cast_to=object, options={"params": query or {}})
        return dict(answer)

    def _post(self, path: str, **body: Any) -> dict[str, Any]:
        answer: Any = self.client.post(path, cast_to=object, body=body)
        return dict(answer)
