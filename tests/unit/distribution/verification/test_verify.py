"""Verification as a whole. What it finds in which config is in tests/scenarios."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from distribution.verification import manifests
from distribution.verification.document import Source
from distribution.verification.findings import CODES, Finding
from distribution.verification.subject import Address, Target
from distribution.verification.verify import read, verify
from tests.support.other_user import as_nobody, open_the_way_to

REPOSITORY = Path(__file__).parents[4]
CONFIG = (REPOSITORY / "run.yaml").read_text(encoding="utf-8")


def found(text: str, environment: dict[str, str] | None, *, here: bool = False) -> list[tuple[str, int]]:
    verdict = verify(Source(text, "run.yaml"), Target(environment, here=here))
    return [(one.code, one.line) for one in verdict.findings if one.severity != "info"]


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(CONFIG.splitlines(), start=1) if text in line)


KEYS = """
version image_name apis providers storage backends stores metadata inference conversations server port workers
tls_keyfile tls_certfile auth provider_config type quota kvstore backend namespace table_name db_path models
registered_resources provider_id provider_type config module model_id model_type embedding_dimension files
vector_io vector_stores default_embedding_model default_provider_id telemetry external_providers_dir external_apis_dir
embedding_models persistence kvstore tool_groups access_policy
"""
TEXTS = """
inference files vector_io remote::vllm inline::faiss inline::localfs __disabled__ kv_sqlite sql_sqlite
remote::milvus remote::pgvector remote::trustyai-lmeval inline::rag-runtime inline::milvus remote::tgi kv_mongodb
kv_default embedding ${env.X} ${env.X:=} ${env.X:+y} ${env.x} ${ /proc/x custom
"""
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(TEXTS.split()),
    st.dates(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS.split()), inner, max_size=4)
    ),
    max_leaves=25,
)


def documents(*, values: st.SearchStrategy[object] = VALUES) -> st.SearchStrategy[str]:
    """Run configs with anything anywhere, a good one with parts replaced, and plain noise."""
    whole = yaml.safe_load(CONFIG)

    def replaced(path: list[str], value: object) -> str:
        changed = yaml.safe_load(CONFIG)
        target = changed
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = value
        return yaml.safe_dump(changed)

    paths = [[key] for key in whole] + [["providers", api] for api in whole["providers"]]
    paths += [["storage", "backends"], ["storage", "stores"], ["registered_resources", "models"]]
    return st.one_of(
        st.dictionaries(st.sampled_from(KEYS.split()), values, max_size=8).map(yaml.safe_dump),
        st.builds(replaced, st.sampled_from(paths), values),
        st.text(st.sampled_from("abk:-{}[]&*!|>'\"%@`?#\n\t ,.1$")),
        st.text(),
    )


@settings(deadline=None)
@given(text=documents(), environment=st.sampled_from([None, {}, {"X": "set"}]), here=st.booleans())
def test_no_document_makes_it_crash(text: str, environment: dict[str, str] | None, here: bool) -> None:
    assert_sensible(text, environment, here=here)


def assert_sensible(text: str, environment: dict[str, str] | None, *, here: bool) -> None:
    verdict = verify(manifests.unwrap(Source(text, "run.yaml")), Target(environment, here=here))
    lines = text.count("\n") + text.count("\r") + len(text.splitlines()) + 1
    for one in verdict.findings:
        assert one.code in CODES
        assert one.message.strip()
        assert one.advice.strip()
        assert 1 <= one.line <= lines


def below(folder: Path) -> st.SearchStrategy[object]:
    """Values with paths in them that lead through a folder."""
    inside = st.sampled_from([str(folder), f"{folder}/state", f"{folder}/deep/state/kvstore.db"])
    places = ("db_path", "storage_dir", "path", "external_providers_dir", "external_apis_dir", "tls_certfile")
    leaf = st.dictionaries(st.sampled_from(places), inside, min_size=1)
    kinds = st.sampled_from(["kv_sqlite", "sql_sqlite", "inline::localfs", "inline::files", "inline::sqlite-vec"])
    entry = st.builds(
        lambda kind, config: {"provider_id": "x", "provider_type": kind, "config": config, "type": kind, **config},
        kinds,
        leaf,
    )
    return st.one_of(inside, leaf, entry, st.lists(entry, max_size=2), st.dictionaries(st.just("kv_default"), entry))


@pytest.fixture
def hidden(tmp_path: Path) -> Iterator[Path]:
    """A folder which a user without rights may not search."""
    verify(Source(CONFIG, "run.yaml"), Target({}, here=False))  # imports what that user may not be able to
    folder = tmp_path / "hidden"
    (folder / "state").mkdir(parents=True)
    (folder / "state" / "kvstore.db").touch()
    open_the_way_to(tmp_path)
    folder.chmod(0o000)
    yield folder
    folder.chmod(0o755)


def test_no_path_makes_it_crash_for_a_user_who_may_not_look_there(hidden: Path) -> None:
    def with_backends(backends: object) -> str:
        config = yaml.safe_load(CONFIG)
        config["storage"]["backends"] = backends
        return yaml.safe_dump(config)

    places = below(hidden)
    backends = st.dictionaries(st.sampled_from(["kv_default", "sql_default"]), places).map(with_backends)

    @settings(max_examples=80, deadline=None, database=None)
    @given(text=st.one_of(documents(values=places), backends))
    def crash_with_none(text: str) -> None:
        assert_sensible(text, {}, here=True)

    with as_nobody():
        crash_with_none()


def test_a_directory_that_may_not_be_searched_is_a_finding(hidden: Path) -> None:
    environment = {"SQLITE_STORE_DIR": f"{hidden}/state", "FILES_STORAGE_DIR": f"{hidden}/deep/files"}

    with as_nobody():
        verdict = verify(Source(CONFIG, "run.yaml"), Target(environment, here=True))
    errors = [one for one in verdict.findings if one.severity == "error"]
    assert {one.code for one in errors} == {"directory-not-writable"}
    assert {line_of("/kvstore.db"), line_of("storage_dir:")} <= {one.line for one in errors}
    assert all(f"{hidden} belongs to" in one.message for one in errors)


def test_a_directory_that_cannot_be_made_is_a_finding(tmp_path: Path) -> None:
    environment = {"SQLITE_STORE_DIR": str(tmp_path), "FILES_STORAGE_DIR": "/proc/nowhere/files"}
    assert found(CONFIG, environment, here=True) == [("directory-not-writable", line_of("storage_dir:"))]


@pytest.mark.parametrize("probe", [False, True])
@pytest.mark.parametrize(
    ("environment", "place", "said"),
    [
        ({"VLLM_URL": "http://a..b:8000/v1"}, "url: ${env.VLLM_URL:=}", "`a..b` is no name of a host"),
        ({"VLLM_URL": "http://vllm:70000/v1"}, "url: ${env.VLLM_URL:=}", "it is no URL (port out of range 0-65535)"),
        ({"POSTGRES_HOST": "a..b"}, "host: ${env.POSTGRES_HOST:=localhost}", "`a..b` is no name of a host"),
        ({"POSTGRES_HOST": "db", "POSTGRES_PORT": "70000"}, "port: ${env.POSTGRES_PORT:=5432}", "70000 is no port"),
    ],
)
def test_an_address_that_can_be_none_is_named(environment: dict[str, str], place: str, said: str, probe: bool) -> None:
    verdict = verify(Source(CONFIG, "run.yaml"), Target(environment, here=False), probe=probe)
    wrong = [one for one in verdict.findings if one.code == "invalid-value"]
    assert wrong
    assert {one.severity for one in wrong} == {"error"}
    assert line_of(place) in {one.line for one in wrong}
    assert all(said in one.message for one in wrong)
    assert not [one for one in verdict.findings if one.code == "unreachable" and said in one.message]


@pytest.mark.parametrize("name", ["run.yaml"])
def test_the_order_of_findings_does_not_depend_on_chance(name: str) -> None:
    text = CONFIG.replace("apis:", "apiz:").replace("remote::vllm", "remote::vlm")
    once, again = (verify(Source(text, name), Target({}, here=False)).findings for _ in range(2))
    assert once == again
    assert once == sorted(once, key=lambda one: one.rank)


def test_elsewhere_a_variable_may_or_may_not_be_set() -> None:
    text = CONFIG.replace("${env.VLLM_URL:=}", "${env.VLLM_URL}", 1)
    assert found(text, None) == []
    assert found(text, {}) == [("unset-variable", line_of("url: ${env.VLLM_URL:=}"))]
    assert found(text, {"VLLM_URL": "http://vllm/v1"}) == []


def test_elsewhere_a_provider_that_may_be_on_is_verified() -> None:
    text = CONFIG.replace("remote::qdrant", "remote::qdrantt")
    assert found(text, None) == [("unknown-provider-type", line_of("remote::qdrant"))]
    assert found(text, {}) == []


def test_only_the_target_itself_is_asked_for_its_directories(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment = {"SQLITE_STORE_DIR": f"{tmp_path}/file", "FILES_STORAGE_DIR": f"{tmp_path}/files"}
    assert found(CONFIG, environment) == []
    assert {code for code, _ in found(CONFIG, environment, here=True)} == {"directory-not-writable"}


def test_a_database_of_another_user_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kvstore.db").touch()
    monkeypatch.setattr("os.access", lambda path, _mode: not str(path).endswith("kvstore.db"))
    environment = {"SQLITE_STORE_DIR": str(tmp_path), "FILES_STORAGE_DIR": str(tmp_path)}
    assert found(CONFIG, environment, here=True) == [("directory-not-writable", line_of("/kvstore.db"))]


def test_a_file_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    binary = tmp_path / "run.yaml"
    binary.write_bytes(b"version: \xff")
    for path, word in ((binary, "not UTF-8"), (tmp_path / "absent.yaml", "no such file")):
        unreadable = read(path)
        assert isinstance(unreadable, Finding)
        assert unreadable.code == "file-unreadable"
        assert word in unreadable.message


def test_a_backend_without_its_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "sqlalchemy" else object())
    assert found(CONFIG, {})[0] == ("backend-driver", line_of("type: kv_sqlite"))


def test_little_space_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distribution.verification.checks.directories.ENOUGH_BYTES", 2**63)
    environment = {"SQLITE_STORE_DIR": str(tmp_path), "FILES_STORAGE_DIR": str(tmp_path)}
    assert found(CONFIG, environment, here=True) == [("low-disk-space", line_of("/kvstore.db"))]


def test_a_port_in_use_is_an_error(tmp_path: Path) -> None:
    environment = {"SQLITE_STORE_DIR": str(tmp_path), "FILES_STORAGE_DIR": str(tmp_path)}
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = Address("127.0.0.1", other.getsockname()[1])
        verdict = verify(Source(CONFIG, "run.yaml"), Target(environment, here=True, address=address))
    errors = [one for one in verdict.findings if one.severity == "error"]
    assert [one.code for one in errors] == ["port-unavailable"]
    assert "another process listens there" in errors[0].message


def test_probing_names_what_does_not_answer() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    environment = {
        "VLLM_URL": f"http://127.0.0.1:{closed}/v1",
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(closed),
    }
    for required, severity in ((False, "warning"), (True, "error")):
        verdict = verify(
            Source(CONFIG, "run.yaml"), Target(environment, here=False), probe=True, require_reachable=required
        )
        silent = [one for one in verdict.findings if one.code == "unreachable"]
        assert {one.severity for one in silent} == {severity}
        assert len(silent) == 3
