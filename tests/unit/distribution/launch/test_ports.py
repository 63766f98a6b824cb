"""Which port is served on."""

import pytest

from distribution.launch.errors import USAGE, UserError
from distribution.launch.ports import choose_port


def test_the_order() -> None:
    environment = {"LLAMA_STACK_PORT": "9000"}
    assert choose_port(5001, environment, 7000).number == 5001
    assert choose_port(None, environment, 7000).number == 9000
    assert choose_port(None, {}, 7000).number == 7000
    assert choose_port(None, {}).number == 8321


def test_what_kubernetes_writes_beside_a_service_is_nobodys_wish() -> None:
    assert choose_port(None, {"LLAMA_STACK_PORT": "tcp://10.0.0.1:8321"}, 7000).source == "server.port"


@pytest.mark.parametrize("value", ["eighty", "0", "65536", "-1", "\u0668"])
def test_what_is_no_port_is_refused(value: str) -> None:
    with pytest.raises(UserError, match="LLAMA_STACK_PORT") as raised:
        choose_port(None, {"LLAMA_STACK_PORT": value})
    assert raised.value.exit_code == USAGE
