"""Headers of requests are read with care, and those of answers keep browsers from guessing."""

import pytest

from tests.security.conftest import Served

pytestmark = pytest.mark.advisory("careless-headers")


def test_a_redirect_names_no_host(served: Served) -> None:
    answer = served.http.get("/v1/vector_stores/?limit=1", headers={"Host": "evil.example"})

    assert answer.status_code == 307
    assert answer.headers["location"] == "/v1/vector_stores?limit=1"


@pytest.mark.parametrize("path", ["/v1/models", "/nowhere", "/openapi.json"])
def test_browsers_are_told_to_be_careful_and_not_by_whom(served: Served, path: str) -> None:
    headers = served.http.get(path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "server" not in headers
    assert "access-control-allow-origin" not in served.http.get(path, headers={"Origin": "http://evil.example"}).headers


def test_a_page_that_was_uploaded_runs_nowhere(served: Served) -> None:
    name = 'a"\r\nSet-Cookie: x=y\r\n\u202egpj.html'
    file = served.http.post(
        "/v1/files", files={"file": (name, b"<script>alert(1)</script>", "text/html")}, data={"purpose": "assistants"}
    ).json()

    answer = served.http.get(f"/v1/files/{file['id']}/content")

    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("name", ["Authorization", "traceparent", "tracestate", "X-LlamaStack-Client-Version"])
def test_a_header_that_is_no_text_is_a_mistake_and_no_traceback(served: Served, name: str) -> None:
    before = served.log.count("Traceback")

    answer = served.http.get("/v1/models", headers=[(name.encode(), b"Bearer \xff\xfe")])

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 400)
    assert served.log.count("Traceback") == before


@pytest.mark.parametrize(
    "path",
    [
        "/v1/files/..%2f..%2fetc%2fpasswd/content",
        "/v1/files/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/v1/files/a%00b/content",
        "/v1/vector_stores/..%2f..",
        "/v1/conversations/a%00b/items",
        "/v1/agents/%00",
        "/v1/batches/batch_:x",
        "/v1/prompts/..%2f..%2f",
        "/v1/datasets/%00",
        "/v1/responses/" + "x" * 5000,
    ],
)
def test_an_id_leads_nowhere(served: Served, path: str) -> None:
    assert served.http.get(path).status_code in (400, 404)
    assert served.http.delete(path).status_code in (400, 404, 405)
