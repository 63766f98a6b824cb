"""A request loads datasets of the hub, and neither files of this machine nor other URLs."""

import asyncio
from pathlib import Path

import pytest

from providers.outgoing import URLNotAllowed, hub_datasets

ATTACKS = [
    "huggingface:///text?data_files=/etc/passwd&split=train",
    "huggingface://datasets/csv?data_files=/etc/passwd",
    "huggingface://datasets/owner/name?data_files=/etc/passwd",
    "huggingface://datasets/owner/name?data_files=../../other",
    "huggingface://datasets/owner/name?data_files=http://169.254.169.254/latest",
    "huggingface://datasets/owner/name?data_files=file:///etc/passwd",
    "huggingface://datasets/owner/name?data_files=zip://x::/etc/x.zip",
    "huggingface://datasets/owner/name?data_dir=/etc",
    "huggingface://datasets/owner/name?cache_dir=/data/files",
    "huggingface://datasets/owner/name?token=x",
    "huggingface://datasets/owner/name?streaming=1",
    "huggingface://datasets/..",
    "huggingface://datasets/../etc",
    "huggingface://datasets/a/b/c",
    "huggingface://datasets/",
    "huggingfacefile:///etc/passwd",
]


@pytest.mark.parametrize("uri", ATTACKS)
def test_what_is_no_dataset_of_the_hub_is_refused(uri: str) -> None:
    with pytest.raises(URLNotAllowed):
        hub_datasets.named(uri)
    with pytest.raises(URLNotAllowed):
        asyncio.run(hub_datasets.rows(uri))


def test_a_dataset_of_the_hub_has_its_options() -> None:
    uri = "huggingface://datasets/llamastack/simpleqa?split=train&name=default&data_files=data/*.csv"
    assert hub_datasets.named(uri) == (
        "llamastack/simpleqa",
        {"split": "train", "name": "default", "data_files": "data/*.csv"},
    )


def test_what_a_card_names_is_read_from_the_hub_alone(tmp_path: Path) -> None:
    """As the `datasets` package resolves the data files of a card, whose author may be anybody."""
    from datasets import data_files

    (tmp_path / "secret.csv").write_text("a\nb\n")
    patterns = {"train": [str(tmp_path / "secret.csv")]}
    here = data_files.DataFilesDict.from_patterns(patterns, base_path="hf://datasets/owner/name")
    assert here["train"] == [str(tmp_path / "secret.csv")]

    with hub_datasets._from_the_hub_only():
        for attack in (str(tmp_path / "secret.csv"), "http://169.254.169.254/x.csv", "file:///etc/passwd"):
            with pytest.raises(URLNotAllowed):
                data_files.DataFilesDict.from_patterns({"train": [attack]}, base_path="hf://datasets/owner/name")
        with pytest.raises(URLNotAllowed):
            data_files.get_data_patterns(str(tmp_path))
