"""Where requests may lead, whichever way it is written: one table, two purposes."""

import asyncio

import httpx
import pytest

from providers.outgoing import VARIABLE, Gate, Purpose, Rules, URLNotAllowed
from providers.outgoing.gate import parsed

NAMES = {
    "public.example": ["93.184.215.14"],
    "two.example": ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
    "cluster.example": ["10.96.0.10"],
    "half.example": ["93.184.215.14", "10.96.0.10"],
    "loop.example": ["127.0.0.1"],
    "localhost": ["127.0.0.1", "::1"],
    "imds.example": ["169.254.169.254"],
    "mixed.example": ["10.96.0.10", "169.254.169.254"],
    "scoped.example": ["fe80::1%2"],
    "mcp.tools.svc": ["10.96.0.11"],
    "0x7f.1": ["127.0.0.1"],
}


async def resolve(host: str, port: int) -> list[str]:
    if host not in NAMES:
        raise OSError(f"no such host: {host}")
    return NAMES[host]


def gate(purpose: Purpose, rules: str = "", proxy: str | None = None) -> Gate:
    return Gate(purpose, Rules.parse(rules), resolve, lambda _: proxy)


def allowed(url: str, purpose: Purpose, rules: str = "", proxy: str | None = None) -> bool:
    try:
        asyncio.run(gate(purpose, rules, proxy).route(parsed(url)))
    except URLNotAllowed as error:
        assert VARIABLE in str(error) or "http and https only" in str(error)
        return False
    return True


NEVER = [
    "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
    "http://169.254.169.254./",
    "http://169.254.170.2/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0xa9.0xfe.0xa9.0xfe/",
    "http://169.254.43518/",
    "http://[fd00:ec2::254]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[64:ff9b:1::a9fe:a9fe]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:a9fe:a9fe::1]/",
    "http://[2600::5efe:169.254.169.254]/",
    "http://[::169.254.169.254]/",
    "http://100.100.100.200/latest/meta-data",
    "http://192.0.0.192/",
    "http://168.63.129.16/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://METADATA.google.internal./",
    "http://metadata/",
    "http://instance-data/",
    "http://imds.example/",
    "http://mixed.example/",
    "http://169.254.1.1/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://scoped.example/",
    "http://0.0.0.0/",
    "http://0/",
    "http://0.1.2.3/",
    "http://[::]/",
    "http://224.0.0.1/",
    "http://[ff02::1]/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[4000::1]/",
    "http://example.com@169.254.169.254/",
    "http://169.254.169.254:80@169.254.169.254:8080/",
    "http://169.254.169.254#@public.example/",
    "http://169.254.169.254?@public.example/",
]
LOOPBACK = [
    "http://127.0.0.1/",
    "http://127.0.0.1:8321/v1/models",
    "http://127.1/",
    "http://127.255.255.254/",
    "http://0x7f.0.0.1/",
    "http://0x7f.1/",
    "http://017700000001/",
    "http://2130706433/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://loop.example/",
    "http://public.example@127.0.0.1/",
    "http://public.example:80@localhost/",
]
PRIVATE = [
    "http://10.0.0.1/",
    "http://0xa.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://198.18.0.1/",
    "http://[fd12:3456::1]/",
    "http://[fec0::1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[64:ff9b::a00:1]/",
    "http://cluster.example/",
    "http://half.example/",
    "https://cluster.example:8443/mcp",
]
PUBLIC = [
    "http://public.example/",
    "https://public.example:8443/image.png",
    "http://user:password@public.example/",
    "http://127.0.0.1@public.example/",
    "http://two.example/",
    "http://8.8.8.8/",
    "http://[2606:4700:4700::1111]/",
    "http://[64:ff9b::8.8.8.8]/",
]
NO_FETCH = [
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    "file://public.example/etc/passwd",
    "ftp://public.example/",
    "gopher://127.0.0.1:6379/_INFO",
    "s3://bucket/key",
    "data:text/plain,hello",
    "/etc/passwd",
    "public.example/image.png",
]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1\\@public.example/",
        "fi\nle:///etc/passwd",
        " http://public.example/",
        "http://public.example/a b",
    ],
)
def test_a_url_that_others_read_otherwise_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="a space, a backslash or a control character"):
        allowed(url, Purpose.MODEL, "allow 127.0.0.1")


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("url", NEVER)
def test_nothing_leads_to_metadata_link_local_and_no_host(url: str, purpose: Purpose) -> None:
    assert not allowed(url, purpose)
    everything = "allow 0.0.0.0/0 ::/0 imds.example mixed.example scoped.example"
    assert not allowed(url, purpose, everything)


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("url", LOOPBACK)
def test_the_loopback_is_open_only_by_its_name(url: str, purpose: Purpose) -> None:
    assert not allowed(url, purpose)
    assert not allowed(url, purpose, "allow 0.0.0.0/0 ::/0 *.example")
    assert allowed(url, purpose, "allow 127.0.0.0/8 ::1")


@pytest.mark.parametrize("url", PRIVATE)
def test_private_networks_are_for_tools(url: str) -> None:
    assert not allowed(url, Purpose.CONTENT)
    assert allowed(url, Purpose.TOOL)
    assert allowed(url, Purpose.CONTENT, "allow 0.0.0.0/0 ::/0")


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("url", PUBLIC)
def test_public_addresses_are_for_all(url: str, purpose: Purpose) -> None:
    assert allowed(url, purpose)


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("url", NO_FETCH)
def test_only_http_is_fetched(url: str, purpose: Purpose) -> None:
    assert not allowed(url, purpose, "allow 0.0.0.0/0 ::/0 127.0.0.0/8 public.example")


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http:///etc/passwd",
        "http://%31%32%37.0.0.1/",
        "http://0177.0.0.1/",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://\u24dbocalhost/",
    ],
)
def test_what_names_no_host_is_no_url(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        asyncio.run(gate(Purpose.TOOL).route(parsed(url)))


RULES = [
    # rules, URL, for content, for a tool
    ("allow 10.96.0.0/16", "http://cluster.example/", True, True),
    ("allow 10.97.0.0/16", "http://cluster.example/", False, True),
    ("allow cluster.example", "http://cluster.example/", True, True),
    ("allow CLUSTER.example.", "http://cluster.example./", True, True),
    ("allow *.example", "http://cluster.example/", True, True),
    ("allow example", "http://cluster.example/", False, True),
    ("allow *.cluster.example", "http://cluster.example/", False, True),
    ("allow 10.96.0.10", "http://half.example/", True, True),
    ("refuse 10.0.0.0/8", "http://cluster.example/", False, False),
    ("refuse cluster.example", "http://cluster.example/", False, False),
    ("refuse public.example", "http://public.example/", False, False),
    ("refuse *.example", "http://public.example/", False, False),
    ("refuse 93.184.215.14", "http://two.example/", False, False),
    ("refuse 10.0.0.0/8", "http://[::ffff:10.0.0.1]/", False, False),
    # the more exact decides
    ("allow 10.0.0.0/8; refuse 10.96.0.0/16", "http://cluster.example/", False, False),
    ("refuse 10.0.0.0/8; allow 10.96.0.10", "http://cluster.example/", True, True),
    ("refuse 10.0.0.0/8; allow cluster.example", "http://cluster.example/", True, True),
    ("allow *.example; refuse cluster.example", "http://cluster.example/", False, False),
    ("refuse *.svc; allow *.tools.svc", "http://mcp.tools.svc/", True, True),
    # nothing but what is named
    ("refuse *", "http://public.example/", False, False),
    ("refuse *", "http://mcp.tools.svc/", False, False),
    ("refuse *; allow mcp.tools.svc", "http://mcp.tools.svc/", True, True),
    ("refuse *; allow mcp.tools.svc", "http://cluster.example/", False, False),
    # the loopback by its name
    ("allow localhost", "http://localhost:9000/mcp", True, True),
    ("allow loop.example", "http://loop.example/", True, True),
    ("allow 127.0.0.1", "http://127.0.0.2/", False, False),
]


@pytest.mark.parametrize(("rules", "url", "content", "tool"), RULES)
def test_the_operators_rules(rules: str, url: str, content: bool, tool: bool) -> None:
    assert (allowed(url, Purpose.CONTENT, rules), allowed(url, Purpose.TOOL, rules)) == (content, tool)


THROUGH_A_PROXY = [
    # the proxy resolves: what the name says decides
    ("http://public.example/", True, True),
    ("http://unknown-to-us.example/", True, True),
    ("http://mcp.tools.svc/", False, True),
    ("http://mcp.tools.svc.cluster.local/", False, True),
    ("http://printer/", False, True),
    ("http://10.0.0.1/", False, True),
    ("http://localhost/", False, False),
    ("http://app.localhost/", False, False),
    ("http://127.1/", False, False),
    ("http://169.254.169.254/", False, False),
    ("http://metadata.google.internal/", False, False),
]


@pytest.mark.parametrize(("url", "content", "tool"), THROUGH_A_PROXY)
def test_where_a_proxy_resolves_names_the_name_decides(url: str, content: bool, tool: bool) -> None:
    proxy = "http://proxy.example:3128"
    assert allowed(url, Purpose.CONTENT, proxy=proxy) is content
    assert allowed(url, Purpose.TOOL, proxy=proxy) is tool
    assert not allowed(url, Purpose.TOOL, "refuse *", proxy)


@pytest.mark.parametrize(("url", "may"), [(url, tool) for url, _, tool in THROUGH_A_PROXY])
def test_a_model_is_sent_where_a_tool_may_be(url: str, may: bool) -> None:
    try:
        gate(Purpose.MODEL).check_what_it_says(parsed(url))
    except URLNotAllowed:
        assert not may
    else:
        assert may


def test_the_proxy_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", ".svc,10.0.0.1")
    checked = Gate(Purpose.TOOL, Rules(), resolve)
    assert asyncio.run(checked.route(parsed("https://elsewhere.example/"))).proxy == "http://proxy.example:3128"
    assert asyncio.run(checked.route(parsed("https://mcp.tools.svc/"))).addresses == ["10.96.0.11"]
    assert asyncio.run(checked.route(parsed("http://public.example/"))).addresses == ["93.184.215.14"]


def test_a_name_that_does_not_resolve_is_no_matter_of_permission() -> None:
    with pytest.raises(httpx.ConnectError, match=r"nowhere\.example cannot be resolved"):
        asyncio.run(gate(Purpose.CONTENT).route(parsed("http://nowhere.example/")))
    asyncio.run(gate(Purpose.CONTENT).check("http://nowhere.example/"))


def test_the_refusal_names_the_host_and_nothing_else_of_the_url() -> None:
    with pytest.raises(URLNotAllowed) as refused:
        asyncio.run(gate(Purpose.CONTENT).check("http://user:s3cr3t@cluster.example/path?token=s3cr3t"))
    assert str(refused.value) == (
        "The host `cluster.example` is in a private network: content for a request is not fetched from there, unless "
        "the operator of this server allows it with LLAMA_STACK_OUTGOING"
    )
