"""Run configs inside Kubernetes manifests."""

from collections.abc import Iterator

import yaml

from distribution.verification.document import LOADER, Source, load

USUAL_KEYS = ("run.yaml", "config.yaml")


def unwrap(source: Source) -> Source:
    """Return the run config inside a ConfigMap, or the source itself when there is none.

    Positions stay those of the manifest. It may hold several documents; the first ConfigMap with something
    like a run config in it counts.
    """
    if "ConfigMap" not in source.text:
        return source
    try:
        candidates = list(_candidates(source))
    except (yaml.YAMLError, ValueError, RecursionError):
        return source  # loading it says what is wrong
    usual = [inner for key, inner in candidates if key in USUAL_KEYS]
    likely = [inner for _, inner in candidates if _looks_like_run_config(inner)]
    return (usual or likely or [inner for _, inner in candidates] or [source])[0]


def _candidates(source: Source) -> Iterator[tuple[str, Source]]:
    for root in yaml.compose_all(source.text, Loader=LOADER):
        fields = _fields(root)
        kind = fields.get("kind")
        if isinstance(kind, yaml.ScalarNode) and kind.value == "ConfigMap":
            for key, value in _fields(fields.get("data")).items():
                if isinstance(value, yaml.ScalarNode):
                    yield key, _inner(source, value)


def _fields(node: yaml.Node | None) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}


def _inner(source: Source, node: yaml.ScalarNode) -> Source:
    if node.style != "|":
        # Folded or quoted text has lost its lines; everything is said to be where it begins.
        return Source(node.value, source.file, node.start_mark.line, 0)
    first_line = node.start_mark.line + 1
    indent = 0
    for outer, inner in zip(source.text.splitlines()[first_line:], node.value.splitlines(), strict=False):
        if inner.strip():
            indent = len(outer) - len(inner)
            break
    return Source(node.value, source.file, first_line, indent)


def _looks_like_run_config(inner: Source) -> bool:
    document, _ = load(inner)
    return document is not None and isinstance(document.data, dict) and "providers" in document.data
