"""Evaluation: its results are for who asked for them."""

from typing import Any

from distribution.overlay.declaration import change

EVAL = "llama_stack.providers.inline.eval.meta_reference.eval:MetaReferenceEvalImpl"
NUMBERED = "Jobs are numbered from 0 and belong to nobody: whoever counts reads the results of all users."


@change(
    f"{EVAL}.run_eval", takes=("self", "benchmark_id", "benchmark_config"), why=NUMBERED, advisory="jobs-of-all-users"
)
def run_eval(run: Any) -> Any:
    async def run_eval(self: Any, benchmark_id: str, benchmark_config: Any) -> Any:
        job = await run(self, benchmark_id, benchmark_config)
        self.__dict__.setdefault("owners", {})[job.job_id] = _access().owner()
        return job

    return run_eval


@change(f"{EVAL}.job_status", takes=("self", "benchmark_id", "job_id"), why=NUMBERED, advisory="jobs-of-all-users")
def job_status(original: Any) -> Any:
    async def job_status(self: Any, benchmark_id: str, job_id: str) -> Any:
        owner = self.__dict__.get("owners", {}).get(job_id)
        if owner is not None and not _access().may("read", job_id, owner):
            raise ValueError(f"Job {job_id} not found")
        return await original(self, benchmark_id, job_id)

    return job_status


def _access() -> Any:
    from providers.access.records import Access

    return Access([], "job")  # the provider is not told of the access policy
