"""Scoring: what a request lacks is said, and a dataset can be scored as a whole."""

from collections.abc import Awaitable, Callable
from typing import Any

from distribution.overlay.declaration import change

ROUTER = "llama_stack.core.routers.eval_scoring:ScoringRouter"
SCORERS = (
    "llama_stack.providers.inline.scoring.basic.scoring:BasicScoringImpl",
    "llama_stack.providers.inline.scoring.llm_as_judge.scoring:LlmAsJudgeScoringImpl",
)

AsyncFunction = Callable[..., Awaitable[Any]]


def with_what_is_missing_said(method: AsyncFunction) -> AsyncFunction:
    async def do(self: Any, *arguments: Any, **options: Any) -> Any:
        if not (arguments[1] if len(arguments) > 1 else options.get("scoring_functions")):
            raise ValueError("scoring_functions is missing: name what to score with, such as {'basic::equality': null}")
        return await method(self, *arguments, **options)

    return do


for name, parameters in {
    "score": ("input_rows", "scoring_functions"),
    "score_batch": ("dataset_id", "scoring_functions", "save_results_dataset"),
}.items():
    change(
        f"{ROUTER}.{name}",
        takes=("self", *parameters),
        why="A request that names no scoring functions, which it may leave out, is a 500.",
    )(with_what_is_missing_said)


def whole_dataset(original: AsyncFunction) -> AsyncFunction:
    from llama_stack.apis.scoring import ScoreBatchResponse

    async def score_batch(
        self: Any, dataset_id: str, scoring_functions: Any = None, save_results_dataset: bool = False
    ) -> Any:
        rows = await self.datasetio_api.iterrows(dataset_id=dataset_id, limit=-1)
        scored = await self.score(input_rows=rows.data, scoring_functions=scoring_functions)
        return ScoreBatchResponse(dataset_id=dataset_id, results=scored.results)

    return score_batch


for scorer in SCORERS:
    change(
        f"{scorer}.score_batch",
        takes=("self", "dataset_id", "scoring_functions", "save_results_dataset"),
        why="No dataset can be scored as a whole: the schema that is looked at went from datasets long ago.",
        reference="llamastack/llama-stack#4420",
        fixed_in="0.4.0",
    )(whole_dataset)
