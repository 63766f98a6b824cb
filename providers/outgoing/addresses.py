"""What kind of place an address is, whichever way it is written."""

import ipaddress
import re
import socket
from enum import Enum

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Place(Enum):
    """Where an address or a name leads; the value says it in a sentence: "it is ..."."""

    METADATA = "a metadata service of the cloud"
    LINK_LOCAL = "a link-local address"
    RESERVED = "an address that is no host's (unspecified, multicast, reserved or a tunnel)"
    LOOPBACK = "this server's own loopback"
    PRIVATE = "in a private network"
    PUBLIC = "a public address"


NEVER = frozenset({Place.METADATA, Place.LINK_LOCAL, Place.RESERVED})
"""Places that no request leads to, whatever the operator allows."""

# Most lie in link-local networks anyway; these do not, or not all.
METADATA_ADDRESSES = frozenset(
    ipaddress.ip_address(address)
    for address in (
        "169.254.169.254",  # AWS, Azure, Google, Oracle, OpenStack, DigitalOcean
        "169.254.170.2",  # AWS ECS
        "169.254.170.23",  # AWS EKS
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",  # AWS EKS
        "fd20:ce::254",  # Google
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle, of old
        "168.63.129.16",  # Azure's wire server: a public address that leads inside
    )
)
METADATA_NAMES = frozenset(
    {
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "metadata.tencentyun.com",
        "instance-data",
        "instance-data.ec2.internal",
    }
)
LOOPBACK_NAME = re.compile(r"(?:^|\.)(?:localhost|localhost\.localdomain|localhost6|ip6-localhost|ip6-loopback)$")
# Names that only a network of one's own resolves: without a dot, or below one of these.
PRIVATE_NAME = re.compile(r"^[^.]+$|\.(?:svc|cluster\.local|local|localdomain|internal|intranet|lan|corp|home\.arpa)$")

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NO_UNICAST = [ipaddress.ip_network(network) for network in ("0.0.0.0/8", "240.0.0.0/4")]
# Addresses that carry an IPv4 address to a relay that nobody needs any more: IPv4-compatible, Teredo, 6to4, and NAT64
# with a prefix length of the network's own, where nobody can tell which bits are the address.
_TUNNELS = [ipaddress.ip_network(network) for network in ("::/96", "2001::/32", "2002::/16", "64:ff9b:1::/48")]
_IPV6_UNICAST = [ipaddress.ip_network(network) for network in ("2000::/3", "fc00::/7", "fec0::/10")]
_ISATAP = (0x00005EFE, 0x02005EFE)


def literal(host: str) -> Address | None:
    """Return the address that a URL's host is, None for a name.

    Whatever the C library takes for an IPv4 address is one: `127.1`, `0x7f.0.0.1`, `2130706433`, `017700000001`.
    """
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host)) if host and not re.search(r"\s", host) else None
    except OSError:
        return None


def unwrapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for (IPv4-mapped, NAT64), or the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(address.packed[-4:])
    return address


def place(address: Address) -> Place:
    """Return what kind of place an address is."""
    address = unwrapped(address)
    if address in METADATA_ADDRESSES:
        return Place.METADATA
    if address.is_link_local:
        return Place.LINK_LOCAL
    if address.is_loopback:
        return Place.LOOPBACK
    if _belongs_to_no_host(address):
        return Place.RESERVED
    if not address.is_global or getattr(address, "is_site_local", False):
        return Place.PRIVATE
    return Place.PUBLIC


def place_of_name(name: str) -> Place:
    """Return what a name says by itself; what it resolves to may be more."""
    if name in METADATA_NAMES:
        return Place.METADATA
    if LOOPBACK_NAME.search(name):
        return Place.LOOPBACK
    return Place.PRIVATE if PRIVATE_NAME.search(name) else Place.PUBLIC


def _belongs_to_no_host(address: Address) -> bool:
    if address.is_multicast or address.is_unspecified:
        return True
    if isinstance(address, ipaddress.IPv4Address):
        return any(address in network for network in _NO_UNICAST)
    return (
        any(address in network for network in _TUNNELS)
        or (int(address) >> 32) & 0xFFFFFFFF in _ISATAP
        or not any(address in network for network in _IPV6_UNICAST)
    )
