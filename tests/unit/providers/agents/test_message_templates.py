"""Templates that put messages into words take little time and memory, whatever they are."""

import pytest
from jinja2.exceptions import TemplateError

from providers.agents.message_templates import LONGEST_TEXT, MOST_STEPS, render_messages

MESSAGES = ["hello ", "there"]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "{% for m in messages %}{{ loop.index }}/{{ loop.length }} {{ m | trim | upper }};{% endfor %}",
            "1/2 HELLO;2/2 THERE;",
        ),
        ("{{ messages[-1] }} {{ messages | join(', ') }} {{ messages | length }}", "there hello , there 2"),
        ("{% set last = messages | last %}{{ last ~ '!' ~ 1 }}", "there!1"),
        ("{% if messages[0].strip() == 'hello' %}{{ 1 + 2 * 3 % 4 }}{% endif %}", "3"),
        ("{{ nobody | default('x') }}{{ messages[0].split('l')[0] }}{{ messages | sort | first }}", "xhehello "),
        ("{{ messages[0] | truncate(3, True, '', 0) }}{{ messages[0][:2] }}", "helhe"),
    ],
)
def test_what_a_template_is_for(source: str, text: str) -> None:
    assert render_messages(source, MESSAGES) == text


ENDLESS = {
    "loops in loops": "{% for a in m %}{% for b in m %}{% for c in m %}{% for d in m %}{% endfor %}"
    + "{% endfor %}" * 3,
    "a loop that makes a loop": "{% for a in m recursive %}{{ loop(m) }}{{ loop(m) }}{% endfor %}",
    "a macro": "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
    "a call": "{% call f() %}{% endcall %}",
    "doubling": "{% set a = m | join %}" + "{% set a = a ~ a %}" * 40,
    "doubling a list": "{% set a = m | join %}" + "{% set a = [a, a] | join %}" * 40,
    "doubling by separators": "{% set a = 'xxxxxxxxx' %}" + "{% set a = a | join(a) %}" * 20,
    "doubling blocks": "{% set a %}{{ m }}{{ m }}{% endset %}",
    "adding": "{{ 'a' + 'b' }}",
    "adding lists": "{{ m + m }}",
    "repeating": "{{ 'a' * 1000000000 }}",
    "widths": "{{ '%1000000000d' % 1 }}",
    "widths of a method": "{{ 'a'.center(1000000000) }}",
    "a format": "{{ '{}'.format(1) }}",
    "a filter of widths": "{{ 'a' | center(1000000000) }}",
    "numbers": "{{ range(1000000000) | sum }}",
    "powers": "{{ 9 ** 9 }}",
    "large numbers": "{{ 100000000000 * 100000000000 }}",
    "words": "{{ lipsum(1000000) }}",
    "much of little": "{% for a in m %}" + "{{ (m | join | list) | length }}" * 50 + "{% endfor %}",
}


@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS.keys())
def test_what_takes_time_or_memory_is_refused(source: str) -> None:
    with pytest.raises((TemplateError, TypeError)):
        render_messages("{% set m = messages %}" + source, ["x" * 500] * 200)


def test_the_messages_and_the_template_have_a_length() -> None:
    for source, messages in (("x" * 5000, []), ("", ["x" * (LONGEST_TEXT + 1)])):
        with pytest.raises(TemplateError, match="longer than"):
            render_messages(source, messages)


def test_each_message_may_be_looped_over() -> None:
    loop = "{% for m in messages %}{{ m }}{% endfor %}"

    assert render_messages(loop, ["x"] * MOST_STEPS) == "x" * MOST_STEPS
    with pytest.raises(TemplateError, match="turns"):
        render_messages(loop, ["x"] * (MOST_STEPS + 1))
