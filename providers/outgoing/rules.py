"""The operator's setting: which hosts and networks URLs of requests may or may not lead to."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from providers.outgoing.addresses import METADATA_NAMES, NEVER, Address, Network, literal, place, unwrapped

VARIABLE = "LLAMA_STACK_OUTGOING"
"""The environment variable that holds the setting."""

EXAMPLE = "allow 10.20.0.0/16 *.models.example; refuse kubernetes.default.svc"
ALLOW, REFUSE = "allow", "refuse"
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")


class RulesError(ValueError):
    """The setting cannot be read; the message says all that is wrong with it."""


@dataclass(frozen=True)
class Entry:
    """One host, `*.name`, network or `*`, and what is to be done with it."""

    text: str
    allows: bool
    network: Network | None = None

    def matches(self, name: str | None, address: Address | None) -> bool:
        """Tell whether the entry speaks of a host of this name, or of this address."""
        if self.network is not None:
            return address is not None and unwrapped(address) in self.network
        if self.text == "*":
            return True
        if name is None:
            return False
        return name.endswith(self.text[1:]) if self.text.startswith("*.") else name == self.text

    @property
    def exactness(self) -> tuple[int, int, bool]:
        """Order entries: a name, `*.name`, a network, `*`; the longer before the shorter; refuse before allow."""
        if self.network is not None:
            return 1, self.network.prefixlen, not self.allows
        if self.text == "*":
            return 0, 0, not self.allows
        return (2 if self.text.startswith("*.") else 3), len(self.text), not self.allows

    @property
    def names_loopback(self) -> bool:
        """Whether the loopback is meant: a range that merely contains it does not open it, nor do subdomains."""
        if self.network is not None:
            return self.network.is_loopback
        return "*" not in self.text


@dataclass(frozen=True)
class Rules:
    """What the operator allows and refuses besides what is so by default."""

    entries: tuple[Entry, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Rules":
        """Read `allow ENTRY...; refuse ENTRY...`; raises RulesError."""
        entries: list[Entry] = []
        problems: list[str] = []
        for clause in re.split(r"[;\n]", text):
            words = re.split(r"[\s,]+", clause.strip())
            if words == [""]:
                continue
            if words[0].lower() not in (ALLOW, REFUSE):
                problems.append(f"`{clause.strip()}` begins with neither `allow` nor `refuse`")
                continue
            allows = words[0].lower() == ALLOW
            named = [word for word in words[1:] if word]
            if not named:
                problems.append(f"`{words[0]}` names nothing")
            for word in named:
                if word.lower() in (ALLOW, REFUSE):
                    problems.append(f"a `;` is missing before `{word}`")
                    continue
                try:
                    entries.append(_entry(word, allows))
                except ValueError as error:
                    problems.append(str(error))
        problems += _contradictions(entries)
        if problems:
            raise RulesError(f"{'; '.join(problems)}. It is written like `{EXAMPLE}`")
        return cls(tuple(entries))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Rules":
        """Read the setting from the variables of a process; raises RulesError."""
        return cls.parse(environment.get(VARIABLE, ""))

    def entry_for(self, name: str | None, address: Address | None) -> Entry | None:
        """Return the entry that decides: the one that names the host most exactly, None where there is none."""
        matching = [entry for entry in self.entries if entry.matches(name, address)]
        return max(matching, key=lambda entry: entry.exactness, default=None)


def _entry(word: str, allows: bool) -> Entry:
    text = word.lower().rstrip(".")
    if "://" in text:
        raise ValueError(f"`{word}` is a URL: name its host alone")
    if text == "*":
        if allows:
            raise ValueError("`*` can only be refused: name the hosts and networks to allow")
        return Entry(text, allows)
    address = text.removeprefix("[").removesuffix("]")
    if literal(address.partition("/")[0]) is not None:
        return Entry(text, allows, _network(word, address, allows))
    name = text.removeprefix("*.")
    if not name.isascii():
        name = name.encode("idna").decode()
        text = f"*.{name}" if text.startswith("*.") else name
    if not _NAME.fullmatch(name):
        what = "a port is no part of it" if re.fullmatch(r".+:\d+", name) else "it is no host, `*.name` or network"
        raise ValueError(f"`{word}` cannot be read: {what}")
    if allows and text in METADATA_NAMES:
        raise ValueError(f"`{word}` is a metadata service, which cannot be allowed")
    return Entry(text, allows)


def _network(word: str, text: str, allows: bool) -> Network:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        try:
            meant = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ValueError(f"`{word}` is neither an address nor a network") from None
        raise ValueError(f"`{word}` is no network: is {meant} meant?") from None
    kind = place(network.network_address)
    nothing_else = network.num_addresses == 1 or network.is_link_local or network.is_multicast or network.is_reserved
    if allows and kind in NEVER and nothing_else:
        raise ValueError(f"`{word}` cannot be allowed: it is {kind.value}")
    return network


def _contradictions(entries: list[Entry]) -> Iterator[str]:
    allowed = {entry.network or entry.text for entry in entries if entry.allows}
    for entry in entries:
        if not entry.allows and (entry.network or entry.text) in allowed:
            yield f"`{entry.text}` is both allowed and refused"
