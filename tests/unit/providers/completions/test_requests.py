"""`store` and `metadata` of a request, and the operator's word on those without."""

from typing import Any

import pytest

from providers.completions.requests import checked_metadata, wants_to_be_stored
from providers.completions.settings import BY_DEFAULT, DAYS, Settings, SettingsError


@pytest.mark.parametrize(
    ("store", "by_default", "is_stored"),
    [(None, True, True), (None, False, False), (True, False, True), (False, True, False)],
)
def test_a_request_has_the_last_word(store: bool | None, by_default: bool, is_stored: bool) -> None:
    assert wants_to_be_stored(store, by_default) is is_stored


@pytest.mark.parametrize("store", ["false", 0, [], {}])
def test_store_is_a_boolean(store: Any) -> None:
    with pytest.raises(ValueError, match="`store` has to be true or false"):
        wants_to_be_stored(store, True)


MOST = {f"{number:064}": "x" * 512 for number in range(16)}


@pytest.mark.parametrize("metadata", [None, {}, {"": ""}, MOST])
def test_metadata_may_be(metadata: Any) -> None:
    assert checked_metadata(metadata) == metadata


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ([], "`metadata` has to be an object"),
        ("text", "`metadata` has to be an object"),
        ({**MOST, "one": "more"}, "up to 16 pairs"),
        ({"x" * 65: ""}, "65 characters, more than 64"),
        ({"name": "x" * 513}, "`name` in `metadata` has 513 characters, more than 512"),
        ({"name": 5}, "`name` in `metadata` has to be a text"),
        ({"name": None}, "`name` in `metadata` has to be a text"),
    ],
)
def test_metadata_may_not_be(metadata: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        checked_metadata(metadata)


@pytest.mark.parametrize(
    ("environment", "settings"),
    [
        ({}, Settings(True, None)),
        ({BY_DEFAULT: "", DAYS: ""}, Settings(True, None)),
        ({BY_DEFAULT: "False", DAYS: "30"}, Settings(False, 30)),
        ({BY_DEFAULT: "1", DAYS: "36500"}, Settings(True, 36_500)),
    ],
)
def test_settings_are_variables(environment: dict[str, str], settings: Settings) -> None:
    assert Settings.from_environment(environment) == settings


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({BY_DEFAULT: "never"}, "STORE_CHAT_COMPLETIONS is `never`, which is neither `true` nor `false`"),
        ({DAYS: "0"}, "STORED_COMPLETIONS_DAYS is `0`, which is no whole number"),
        ({DAYS: "-1"}, "is `-1`"),
        ({DAYS: "1.5"}, "is `1.5`"),
        ({DAYS: "36501"}, "is `36501`"),
        ({DAYS: "9" * 5000}, "no whole number of days"),
        ({DAYS: "\N{SUPERSCRIPT TWO}"}, "no whole number of days"),
    ],
)
def test_a_setting_that_cannot_be_read_is_said(environment: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        Settings.from_environment(environment)
