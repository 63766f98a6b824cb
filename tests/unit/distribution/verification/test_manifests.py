"""Run configs inside Kubernetes manifests."""

from distribution.verification.document import Source, load
from distribution.verification.findings import KeyPath
from distribution.verification.manifests import unwrap

MANIFEST = """\
apiVersion: v1
kind: Service
metadata: {name: llama-stack}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: llama-stack
data:
  notes: "version: 1"
  stack.yaml: |
    # a comment

    version: 2
    providers: {}
"""


def position(text: str, path: KeyPath) -> tuple[int, int]:
    document, _ = load(unwrap(Source(text, "manifest.yaml")))
    assert document is not None
    found = document.position(path)
    return found.line, found.column


def test_lines_and_columns_are_those_of_the_manifest() -> None:
    assert position(MANIFEST, ("version",)) == (14, 14)
    assert MANIFEST.splitlines()[13][13:] == "2"


def test_the_usual_key_counts_before_others() -> None:
    manifest = MANIFEST + "  run.yaml: |2\n      version: 3\n      providers: {}\n"
    document, _ = load(unwrap(Source(manifest, "manifest.yaml")))
    assert document is not None
    assert document.data["version"] == 3
    assert position(manifest, ("version",)) == (17, 16)


def test_quoted_text_is_where_it_begins() -> None:
    manifest = 'kind: ConfigMap\ndata:\n  run.yaml: "version: 2\\nproviders: {}\\n"\n'
    assert position(manifest, ("version",))[0] == 3


def test_anything_else_is_left_alone() -> None:
    for text in ("version: 2\n", "kind: ConfigMap\ndata: [", "kind: ConfigMap\n", "# ConfigMap\n- 1\n"):
        source = Source(text, "run.yaml")
        assert unwrap(source) is source
