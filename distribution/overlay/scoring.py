"""Scoring functions: the parameters of one request are no other's, and a template is no program."""

import copy
import string
from collections.abc import Awaitable, Callable
from typing import Any

from distribution.overlay.declaration import change

BASE = "llama_stack.providers.utils.scoring.base_scoring_fn:RegisteredBaseScoringFn"
EVALUATE = "llama_stack.providers.inline.eval.meta_reference.eval:MetaReferenceEvalImpl.evaluate_rows"
JUDGE = "llama_stack.providers.inline.scoring.llm_as_judge.scoring_fn.llm_as_judge_scoring_fn:LlmAsJudgeScoringFn"

AsyncFunction = Callable[..., Awaitable[Any]]
# Functions look into rows and parameters as if they were what they should be.
NOT_AS_IT_SHOULD_BE = (ArithmeticError, AssertionError, AttributeError, IndexError, KeyError, TypeError)
NAMES = ("input_query", "expected_answer", "generated_answer")
"""What a judge's template may name, each as it is."""


def with_parameters_of_its_own(method: AsyncFunction) -> AsyncFunction:
    async def do(self: Any, *arguments: Any, **options: Any) -> Any:
        own = copy.copy(self)
        own.supported_fn_defs_registry = {
            name: definition.model_copy(deep=True) for name, definition in self.supported_fn_defs_registry.items()
        }
        return await method(own, *arguments, **options)

    return do


for name, first in {"score": "input_rows", "aggregate": "scoring_results"}.items():
    change(
        f"{BASE}.{name}",
        takes=("self", first, "scoring_fn_identifier", "scoring_params"),
        why="The parameters of a request (judge model, prompt, patterns) become those of the function: whoever scores "
        "next without any is judged with a stranger's.",
        advisory="scoring-parameters-in-common",
    )(with_parameters_of_its_own)


@change(
    f"{JUDGE}.score_row",
    takes=("self", "input_row", "scoring_fn_identifier", "scoring_params"),
    why="A judge's template is formatted with whatever widths it asks for, and `{input_query:9999999999}` fills the "
    "memory.",
    advisory="template-widths",
)
def score_row(original: AsyncFunction) -> AsyncFunction:
    async def score_row(
        self: Any, input_row: dict[str, Any], scoring_fn_identifier: str, scoring_params: Any = None
    ) -> Any:
        params = scoring_params or self.supported_fn_defs_registry[scoring_fn_identifier].params
        if template := getattr(params, "prompt_template", None):
            _refuse_all_but_names(template)
        return await original(self, input_row, scoring_fn_identifier, scoring_params)

    return score_row


def _refuse_all_but_names(template: str) -> None:
    try:
        for _, name, width, conversion in string.Formatter().parse(template):
            if name is not None and (name not in NAMES or width or conversion):
                raise ValueError(f"it has `{{{name}{f':{width}' if width else ''}}}`")
    except ValueError as error:
        wanted = ", ".join(f"{{{name}}}" for name in NAMES)
        raise ValueError(f"prompt_template cannot be used: {error}. It may have {wanted}") from error


def telling_mistakes(method: AsyncFunction) -> AsyncFunction:
    async def do(*arguments: Any, **options: Any) -> Any:
        try:
            return await method(*arguments, **options)
        except NOT_AS_IT_SHOULD_BE as error:
            raise ValueError(f"it cannot be done with these rows and parameters: {error!r}") from error

    return do


for target, takes in {
    f"{BASE}.score": ("self", "input_rows", "scoring_fn_identifier", "scoring_params"),
    f"{BASE}.aggregate": ("self", "scoring_results", "scoring_fn_identifier", "scoring_params"),
    EVALUATE: ("self", "benchmark_id", "input_rows", "scoring_functions", "benchmark_config"),
}.items():
    change(
        target,
        takes=takes,
        why="A row or a parameter of scoring and evaluation that is not as it should be is a 500.",
    )(telling_mistakes)
