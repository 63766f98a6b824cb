"""What a server reads of a run config that has leftovers of 0.2.x in it."""

from pathlib import Path

from distribution.overlay.run_config import without_leftovers


def test_telemetry_as_an_api_becomes_the_setting() -> None:
    config = {"apis": ["inference", "telemetry"], "providers": {"telemetry": [{"provider_id": "t"}], "inference": []}}
    assert without_leftovers(config) == {
        "apis": ["inference"],
        "providers": {"inference": []},
        "telemetry": {"enabled": True},
    }


def test_a_telemetry_setting_is_kept() -> None:
    config = {"providers": {"telemetry": [{"provider_id": "t"}]}, "telemetry": {"enabled": False}}
    assert without_leftovers(config)["telemetry"] == {"enabled": False}


def test_directories_of_external_providers_that_are_not_there_are_passed_over(tmp_path: Path) -> None:
    config = {"external_providers_dir": str(tmp_path), "external_apis_dir": str(tmp_path / "absent")}
    assert without_leftovers(config) == {"external_providers_dir": str(tmp_path)}


def test_of_an_api_that_takes_one_provider_the_last_that_is_on_is_served() -> None:
    files = [{"provider_id": "disk"}, {"provider_id": "s3"}, {"provider_id": None}]
    inference = [{"provider_id": "vllm"}, {"provider_id": "openai"}]
    left = without_leftovers({"providers": {"files": files, "inference": inference}})["providers"]
    assert [one["provider_id"] for one in left["files"]] == ["s3", None]
    assert left["inference"] == inference
