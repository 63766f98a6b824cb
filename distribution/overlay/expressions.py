"""Regular expressions of a request, and of upstream on what a request brings: they end in time."""

import asyncio
import importlib
import math
import re
import time
from contextvars import ContextVar
from typing import Any

from distribution.overlay.declaration import change

BASIC = "llama_stack.providers.inline.scoring.basic"
JUDGE = "llama_stack.providers.inline.scoring.llm_as_judge.scoring_fn.llm_as_judge_scoring_fn"

SECONDS_OF_ONE_SEARCH = 1.0
SECONDS_OF_ALL_SEARCHES = 20.0
"""For one expression and one text, and for all of a request."""
LONGEST_EXPRESSION = 10_000
"""In characters."""
MOST_REPETITIONS = 300_000
"""Its length, times all of its counts: `(a{1000}){1000}` is compiled to a million letters, of 350 bytes each."""

COUNT = re.compile(r"\{(\d*)(?:,(\d*))?\}")

_seconds_left: ContextVar[list[float] | None] = ContextVar(
    "seconds that the searches of a request may take", default=None
)


class TimedExpressions:
    """Stands for the module `re`: searches that end in time, whatever the expression.

    Raises ValueError, the client's mistake, for one that does not and for one that is none.
    """

    def __init__(self, plain: Any) -> None:
        self._plain = plain

    def __getattr__(self, name: str) -> Any:
        """Return a flag or `compile` as it is, and anything that searches with a limit."""
        regex = importlib.import_module("regex")
        regex.cache_all(False)  # what a request brings is not kept
        wanted = getattr(regex, name)
        if name not in ("search", "match", "fullmatch", "findall", "finditer", "split", "sub"):
            return wanted

        def search(expression: Any, *arguments: Any, **options: Any) -> Any:
            if isinstance(expression, self._plain.Pattern):  # upstream's own, compiled before
                return getattr(self._plain, name)(expression, *arguments, **options)
            text = getattr(expression, "pattern", expression)
            if len(text) > LONGEST_EXPRESSION:
                raise ValueError(f"a regular expression is longer than {LONGEST_EXPRESSION} characters")
            if _repetitions(text) > MOST_REPETITIONS:
                raise ValueError(f"the regular expression `{text[:100]}` repeats too much")
            left = _seconds_left.get() or [SECONDS_OF_ONE_SEARCH]
            started = time.monotonic()
            try:
                found = wanted(
                    expression, *arguments, timeout=min(SECONDS_OF_ONE_SEARCH, max(left[0], 0.001)), **options
                )
                return list(found) if name == "finditer" else found
            except TimeoutError as error:
                raise ValueError(f"the regular expression `{text[:100]}` takes too long") from error
            except (regex.error, RecursionError) as error:
                raise ValueError(f"the regular expression `{text[:100]}` is none: {error}") from error
            finally:
                left[0] -= time.monotonic() - started

        return search


def _repetitions(expression: str) -> int:
    """How large it is when it has been compiled, at most."""
    return math.prod(
        (max(int(number) for number in (*counts, "1") if number) for counts in COUNT.findall(expression)),
        start=len(expression),
    )


for module in (
    f"{BASIC}.scoring_fn.regex_parser_scoring_fn",
    f"{BASIC}.scoring_fn.docvqa_scoring_fn",
    f"{BASIC}.utils.math_utils",
    f"{BASIC}.utils.ifeval_utils",
    JUDGE,
):
    change(
        f"{module}:re",
        why="The regular expressions and the texts of a request to score answers may take hours, in which the server "
        "does nothing else: `(a+)+$` against thirty letters.",
        advisory="endless-expressions",
    )(TimedExpressions)


@change(
    f"{BASIC}.scoring:BasicScoringImpl.score",
    takes=("self", "input_rows", "scoring_functions"),
    why="While answers are scored the server does nothing else.",
    advisory="endless-expressions",
)
def score_in_a_thread(original: Any) -> Any:
    async def score(self: Any, input_rows: Any, scoring_functions: Any = None) -> Any:
        def in_a_loop_of_its_own() -> Any:
            _seconds_left.set([SECONDS_OF_ALL_SEARCHES])
            return asyncio.run(original(self, input_rows, scoring_functions))

        return await asyncio.to_thread(in_a_loop_of_its_own)

    return score
