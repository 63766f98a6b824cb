"""The batches API, for whom each batch belongs to. llama-stack's implementation works at them and asks nobody."""

import json
from typing import Literal

from llama_stack.apis.batches import Batches, BatchObject, ListBatchesResponse
from llama_stack.apis.common.errors import ConflictError, ResourceNotFoundError
from llama_stack.core.access_control.datatypes import AccessRule, Action
from llama_stack.core.request_headers import get_authenticated_user
from llama_stack.providers.inline.batches.reference import ReferenceBatchesImpl

from providers.access.owners import Owners

ALL = 2**31
"""More batches than there are."""


class BatchesProvider(Batches):
    """Batches as one user may see and handle them.

    A batch is worked at as the user who sent it: it reads that user's file, uses that user's models, and what it
    writes is that user's.
    """

    def __init__(self, batches: ReferenceBatchesImpl, policy: list[AccessRule]) -> None:
        self._batches = batches
        self._owners = Owners(batches.kvstore, policy, "batch")

    async def shutdown(self) -> None:
        """End what is being worked at."""
        await self._batches.shutdown()

    async def create_batch(
        self,
        input_file_id: str,
        endpoint: str,
        completion_window: Literal["24h"],
        metadata: dict[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> BatchObject:
        """Begin a batch; raises ConflictError where the user has sent another one with the same key."""
        self._owners.require_create()
        key = _of_this_user(idempotency_key) if idempotency_key is not None else None
        try:
            batch = await self._batches.create_batch(input_file_id, endpoint, completion_window, metadata, key)
        except ConflictError as error:
            raise ConflictError(str(error).replace(str(key), str(idempotency_key))) from error
        await self._owners.claim(batch.id)
        return batch

    async def retrieve_batch(self, batch_id: str) -> BatchObject:
        """Return a batch; raises ResourceNotFoundError, also for one that the user may not see."""
        await self._require(Action.READ, batch_id)
        return await self._batches.retrieve_batch(batch_id)

    async def cancel_batch(self, batch_id: str) -> BatchObject:
        """End a batch; raises ResourceNotFoundError, AccessDeniedError, or ConflictError for one that has ended."""
        await self._require(Action.UPDATE, batch_id)
        return await self._batches.cancel_batch(batch_id)

    async def list_batches(self, after: str | None = None, limit: int = 20) -> ListBatchesResponse:
        """List the batches that the user may see, the newest first."""
        found = (await self._batches.list_batches(limit=ALL)).data
        visible = await self._owners.visible([batch.id for batch in found])
        batches = [batch for batch in found if batch.id in visible]
        start = next((at for at, batch in enumerate(batches, 1) if batch.id == after), 0)
        page = batches[start : start + limit]
        return ListBatchesResponse(
            data=page,
            first_id=page[0].id if page else None,
            last_id=page[-1].id if page else None,
            has_more=start + limit < len(batches),
        )

    async def _require(self, action: Action, batch_id: str) -> None:
        await self._owners.require(action, batch_id, ResourceNotFoundError(batch_id, "Batch", "batches.list()"))


def _of_this_user(key: str) -> str:
    """A key that no other user can have. Without authentication it stays as it is."""
    user = get_authenticated_user()
    return json.dumps([user.principal, key]) if user else key
