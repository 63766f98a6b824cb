"""With authentication nobody gets in whom the token service does not know."""

from tests.security.conftest import Served


def test_only_those_get_in_who_are_known(guarded: Served) -> None:
    assert guarded.http.get("/v1/models").status_code == 401
    assert guarded.http_as("eve").get("/v1/models").status_code == 401
    known = guarded.http_as("alice").get("/v1/models").json()["data"]
    assert "vllm/scripted" in {model["identifier"] for model in known}
