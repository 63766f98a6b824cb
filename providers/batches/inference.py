"""The inference API as batches need it."""

from typing import Any


class ClientsInference:
    """Passes everything on to the inference API, chat completions as those of a client, who has written the batch."""

    def __init__(self, inference: Any) -> None:
        self._inference = inference

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inference, name)

    async def openai_chat_completion(self, params: Any) -> Any:
        """Answer in a chat, and store it unless the line of the batch says not to."""
        return await self._inference.create_chat_completion(params)
