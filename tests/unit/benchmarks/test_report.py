"""Figures as tables and bars."""

import json
from xml.etree import ElementTree

import pytest

from benchmarks import plot, report
from benchmarks.report import Conditions, Figure, Target

FIGURES = [
    Figure("chat: CPU", "µs", 250, 25_000, Target(0.01, of_ratio=True), 6, 12),
    Figure("chat: failures", "", 0, 3, Target(0), 0, 12),
    Figure("log", "µs", 8.5, target=Target(10)),
]


def test_a_document_gets_a_table() -> None:
    lines = report.markdown(FIGURES).splitlines()
    assert lines[0] == "| figure | ours | stock | bare | unit | ratio | target | met | others |"
    assert lines[2] == "| chat: CPU | 250 | 25000 | 6 | µs | 0.01 | ratio <= 0.01 | yes | 12 % |"
    assert lines[3] == "| chat: failures | 0 | 3 | 0 |  |  | <= 0 | yes | 12 % |"
    assert lines[4] == "| log | 8.5 |  |  | µs |  | <= 10 | yes |  |"


def test_columns_that_nobody_has_are_left_out() -> None:
    assert "bare" not in report.markdown(FIGURES[2:])
    assert "others" not in report.markdown(FIGURES[2:])


def test_no_line_is_wrapped_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    long = Figure("a name with quite many words in it, which says what it is", "1/s", 1, 2, Target(3, of_ratio=True), 4)
    report.show("title", [long], Conditions(), as_json=False)
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith(long.name)]


def test_json_has_everything(capsys: pytest.CaptureFixture[str]) -> None:
    report.show("title", FIGURES, Conditions(), as_json=True)
    first = json.loads(capsys.readouterr().out)["figures"][0]
    assert (first["ours"], first["stock"], first["bare"], first["others"]) == (250, 25_000, 6, 12)


def test_bars_are_an_image_with_a_bar_for_each_number_that_has_a_unit() -> None:
    image = ElementTree.fromstring(plot.bars("a & b", FIGURES))  # noqa: S314 (our own)
    found = list(image.iter("{http://www.w3.org/2000/svg}rect"))
    assert len(found) == 1 + 3 + 1  # the paper, ours, stock and bare of the first, ours of the last
    widths = [float(bar.attrib["width"]) for bar in found[1:4]]
    assert sorted(widths) == [widths[2], widths[0], widths[1]]


@pytest.mark.parametrize("value", [0, -3.5])
def test_what_has_no_logarithm_is_not_drawn(value: float) -> None:
    image = plot.bars("title", [Figure("chat: added", "ms", value, 10)])
    assert image.count("<rect") == 2
