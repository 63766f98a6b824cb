"""Jobs of evaluations: for who began them, whichever provider works at them."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from distribution.overlay.declaration import change

ROUTER = "llama_stack.core.routers.eval_scoring:EvalRouter"
REFERENCE = "llama_stack.providers.inline.eval.meta_reference.eval:MetaReferenceEvalImpl"
UNCHECKED = (
    "Who may use a benchmark sees the results of every evaluation that anybody made of it, and of any other benchmark: "
    "jobs are numbered from 0 and belong to nobody."
)

AsyncFunction = Callable[..., Awaitable[Any]]


@change(
    f"{REFERENCE}.run_eval",
    takes=("self", "benchmark_id", "benchmark_config"),
    why=UNCHECKED,
    advisory="jobs-of-all-users",
)
def unguessable(run: AsyncFunction) -> AsyncFunction:
    async def run_eval(self: Any, benchmark_id: str, benchmark_config: Any) -> Any:
        job = await run(self, benchmark_id, benchmark_config)
        result = self.jobs.pop(job.job_id)
        job.job_id = f"job_{uuid4().hex}"
        self.jobs[job.job_id] = result
        return job

    return run_eval


@change(
    f"{ROUTER}.run_eval",
    takes=("self", "benchmark_id", "benchmark_config"),
    why=UNCHECKED,
    advisory="jobs-of-all-users",
)
def claimed(run: AsyncFunction) -> AsyncFunction:
    async def run_eval(self: Any, benchmark_id: str, benchmark_config: Any) -> Any:
        owners = _owners(self)
        owners.require_create()
        job = await run(self, benchmark_id, benchmark_config)
        await owners.claim(_name(benchmark_id, job.job_id))
        return job

    return run_eval


def checked(action: str) -> Callable[[AsyncFunction], AsyncFunction]:
    def make(method: AsyncFunction) -> AsyncFunction:
        async def do(self: Any, benchmark_id: str, job_id: str) -> Any:
            name = _name(benchmark_id, job_id)
            await _owners(self).require(action, name, ValueError(f"Job {job_id} not found"))
            return await method(self, benchmark_id, job_id)

        return do

    return make


for name, action in {"job_status": "read", "job_result": "read", "job_cancel": "delete"}.items():
    change(
        f"{ROUTER}.{name}",
        takes=("self", "benchmark_id", "job_id"),
        why=UNCHECKED,
        advisory="jobs-of-all-users",
    )(checked(action))


def _name(benchmark_id: str, job_id: str) -> str:
    return f"{benchmark_id}/{job_id}"


def _owners(self: Any) -> Any:
    """Whose jobs are: beside the registry of benchmarks, for the providers keep them each in another way."""
    from providers.access.owners import Owners

    return Owners(self.routing_table.dist_registry.kvstore, self.routing_table.policy, "eval_job")
