"""Which IP addresses are strangers' on the public Internet, and which lead into somebody's network.

The list is written down rather than left to `ipaddress.is_global`, whose answer changes with the version
of Python. Sources, all by IANA (RFC 6890 says what the first two are):

- https://www.iana.org/assignments/iana-ipv4-special-registry/
- https://www.iana.org/assignments/iana-ipv6-special-registry/
- https://www.iana.org/assignments/ipv6-address-space/ (only 2000::/3 is global unicast)

Anycast services of the registries are left out with the rest: no webhook is received there.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

IPV4_NOT_PUBLIC: tuple[IPv4Network, ...] = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network, RFC 791
        "10.0.0.0/8",  # private, RFC 1918
        "100.64.0.0/10",  # shared by carriers' NAT, RFC 6598; Alibaba's metadata 100.100.100.200
        "127.0.0.0/8",  # loopback, RFC 1122
        "168.63.129.16/32",  # Azure's wire server, reachable from its machines only
        "169.254.0.0/16",  # link local, RFC 3927; most clouds' metadata 169.254.169.254
        "172.16.0.0/12",  # private, RFC 1918
        "192.0.0.0/24",  # protocol assignments, RFC 6890; Oracle's metadata 192.0.0.192
        "192.0.2.0/24",  # documentation, RFC 5737
        "192.31.196.0/24",  # AS112, RFC 7535
        "192.52.193.0/24",  # AMT, RFC 7450
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "192.168.0.0/16",  # private, RFC 1918
        "192.175.48.0/24",  # AS112, RFC 7534
        "198.18.0.0/15",  # benchmarking, RFC 2544
        "198.51.100.0/24",  # documentation, RFC 5737
        "203.0.113.0/24",  # documentation, RFC 5737
        "224.0.0.0/4",  # multicast, RFC 5771
        "240.0.0.0/4",  # reserved, RFC 1112; broadcast 255.255.255.255
    )
)

IPV6_PUBLIC = IPv6Network("2000::/3")
"""Everything else is out: loopback, unspecified, IPv4-mapped (::ffff:0:0/96), NAT64 (64:ff9b::/96 and
64:ff9b:1::/48), discard only (100::/64), segment routing (5f00::/16), unique local (fc00::/7, with Amazon's
metadata fd00:ec2::254), link local (fe80::/10), site local (fec0::/10), multicast (ff00::/8)."""

IPV6_NOT_PUBLIC: tuple[IPv6Network, ...] = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, RFC 2928: Teredo 2001::/32, benchmarking, ORCHID
        "2001:db8::/32",  # documentation, RFC 3849
        "2002::/16",  # 6to4, RFC 3056: an IPv4 address of any kind is in it
        "2620:4f:8000::/48",  # AS112, RFC 7534
        "3fff::/20",  # documentation, RFC 9637
    )
)


def is_public(address: Address) -> bool:
    """Whether a stranger on the Internet may have this address."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in IPV4_NOT_PUBLIC)
    if address not in IPV6_PUBLIC:
        return False
    return not any(address in network for network in IPV6_NOT_PUBLIC)
