"""Which run config is served."""

from pathlib import Path

import pytest

from distribution.launch.config_search import BAKED_CONFIG, choose_config
from distribution.launch.errors import BAD_CONFIG, UserError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text("version: 2\n")
    return path


def test_the_order(config: Path, tmp_path: Path) -> None:
    mounted = tmp_path / "run.yaml"
    mounted.write_text("version: 2\n")
    environment = {"RUN_CONFIG_PATH": str(config), "LLAMA_STACK_CONFIG": str(mounted)}

    assert choose_config(str(mounted), environment).path == mounted
    assert choose_config(None, environment).reason == "RUN_CONFIG_PATH"
    assert choose_config(None, {"LLAMA_STACK_CONFIG": str(mounted)}).reason == "LLAMA_STACK_CONFIG"
    assert choose_config(None, {}, usual_places=(mounted, config)).path == mounted
    assert choose_config(None, {}, usual_places=(tmp_path / "absent.yaml",)).path == BAKED_CONFIG


def test_an_empty_variable_asks_for_nothing(config: Path) -> None:
    assert choose_config(None, {"RUN_CONFIG_PATH": ""}, usual_places=(config,)).path == config


@pytest.mark.parametrize("variable", ["RUN_CONFIG_PATH", "LLAMA_STACK_CONFIG"])
def test_what_was_asked_for_and_is_not_there_is_an_error(variable: str, config: Path) -> None:
    with pytest.raises(UserError, match=f"{variable}.* is not there") as raised:
        choose_config(None, {variable: "/nowhere/run.yaml"}, usual_places=(config,))
    assert raised.value.exit_code == BAD_CONFIG


def test_a_relative_path_says_where_it_was_looked_for() -> None:
    with pytest.raises(UserError, match=f"looked for in {Path.cwd()}"):
        choose_config("nowhere.yaml", {})


def test_a_directory_names_what_is_in_it(config: Path) -> None:
    with pytest.raises(UserError, match=r"is a directory with .*mine\.yaml"):
        choose_config(str(config.parent), {})


def test_a_dangling_link_in_a_usual_place_is_an_error(tmp_path: Path, config: Path) -> None:
    link = tmp_path / "run.yaml"
    link.symlink_to(tmp_path / "gone.yaml")
    with pytest.raises(UserError, match="is not there"):
        choose_config(None, {}, usual_places=(link, config))
