"""Where webhooks may be sent: rules for a URL when it is saved, and for each address before it is called.

No network here. A name can lead anywhere, so a URL that passes says nothing about the address behind it:
whoever connects also asks `TargetPolicy.check_address`, about the very address that is connected to.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Self
from urllib.parse import quote

import idna

from shared.addresses import Address, Network, is_public
from shared.errors import InvalidRequest

__all__ = ["MAX_LENGTH", "TargetPolicy", "check_target", "is_public"]

MAX_LENGTH = 2048
"""Of a URL, as it came and as it is stored."""

HTTPS_PORT = 443
HTTP_PORT = 80
LOCALHOST = "localhost"
LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))

INNER_NAMES = re.compile(
    # https://www.iana.org/assignments/special-use-domain-names/
    r"\.(?:alt|arpa|example|internal|invalid|local|localhost|onion|test"
    # not in any public root, and in use inside of networks
    r"|corp|home|intranet|lan|localdomain|mail|private|workgroup)$"
)
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label like this makes a host an IPv4 address to what resolves it (https://url.spec.whatwg.org,
"ends in a number"), whatever its other labels are."""

PARTS = re.compile(r"(https?)://([^/?#]*)([^?#]*)(\?[^#]*)?(?:#.*)?", re.IGNORECASE)
AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{0,5}))?")
STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
UNQUOTED = "/%:@!$&'()*+,;=~?[]"


@dataclass(frozen=True)
class TargetPolicy:
    """What the operator allows beyond https to public addresses."""

    allowed_ports: frozenset[int] = frozenset({HTTPS_PORT})
    allowed_networks: tuple[Network, ...] = ()
    """Networks of the operator's own, where plain http and every port are fine too. Only a local stack
    has any: whoever saves a webhook reaches what is in them."""

    @classmethod
    def from_settings(cls, allowed_ports: str = "", allowed_networks: str = "") -> Self:
        """From DELIVERY_ALLOWED_PORTS (`8443,9443`; 443 always is) and DELIVERY_ALLOWED_NETWORKS
        (`127.0.0.0/8,::1/128`). Raises ValueError, naming what is wrong.
        """
        ports = {HTTPS_PORT, *map(_port, _listed(allowed_ports))}
        networks = tuple(ip_network(network) for network in _listed(allowed_networks))
        return cls(frozenset(ports), networks)

    def allows_network_of(self, address: Address) -> bool:
        return any(address in network for network in self.allowed_networks)

    def allows_localhost(self) -> bool:
        return any(self.allows_network_of(address) for address in LOOPBACK)

    def check_address(self, address: Address, port: int, *, is_encrypted: bool) -> None:
        """Refuses an address that is about to be connected to. The refusal doesn't say which it is: that
        would tell the names and addresses of our network to whoever saves a webhook.
        """
        if self.allows_network_of(address):
            return
        if not is_public(address):
            raise InvalidRequest("The URL must lead to a public address")
        self.check_public(port, is_encrypted=is_encrypted)

    def check_public(self, port: int, *, is_encrypted: bool) -> None:
        """What holds outside of the allowed networks, whatever the address."""
        if not is_encrypted:
            raise InvalidRequest("The URL must begin with https://")
        if port not in self.allowed_ports:
            ports = ", ".join(map(str, sorted(self.allowed_ports)))
            raise InvalidRequest(f"The URL's port must be one of these: {ports}")


def _listed(setting: str) -> list[str]:
    return [entry for entry in map(str.strip, setting.split(",")) if entry]


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise ValueError(f"{text!r} is not a port: it must be a number from 1 to 65535")
    return int(text)


def check_target(url: str, policy: TargetPolicy) -> str:
    """The URL as it is stored and called: ASCII only, no fragment, no default port.

    Raises InvalidRequest with words that say what to change.
    """
    scheme, authority, path, query = _parts(url)
    is_encrypted = scheme == "https"
    default_port = HTTPS_PORT if is_encrypted else HTTP_PORT
    host, port = _host_and_port(authority, default_port)
    address = _literal(host)
    if address:
        policy.check_address(address, port, is_encrypted=is_encrypted)
        host = f"[{address}]" if address.version == 6 else str(address)
    else:
        host = _name(host)
        if host != LOCALHOST or not policy.allows_localhost():
            _refuse_inner(host)
            policy.check_public(port, is_encrypted=is_encrypted)
    shown_port = "" if port == default_port else f":{port}"
    checked = f"{scheme}://{host}{shown_port}{_quoted(path) or '/'}{_quoted(query)}"
    if len(checked) > MAX_LENGTH:
        raise InvalidRequest(f"The URL must be no longer than {MAX_LENGTH} characters")
    return checked


def _parts(url: str) -> tuple[str, str, str, str]:
    """Scheme, authority, path and query with its question mark."""
    if len(url) > MAX_LENGTH:
        raise InvalidRequest(f"The URL must be no longer than {MAX_LENGTH} characters")
    for character in url:
        # C: control, format, surrogate, unassigned. Z: spaces and line ends.
        if unicodedata.category(character)[0] in "CZ" or character == "\\":
            raise InvalidRequest(
                "The URL must hold no spaces, backslashes or invisible characters;"
                f" one is at character {url.index(character) + 1}"
            )
    found = PARTS.fullmatch(url)
    if not found:
        raise InvalidRequest("The URL must begin with https://, and be absolute")
    scheme, authority, path, query = found.groups(default="")
    if "@" in authority:
        raise InvalidRequest("The URL must hold no user name or password; use a header instead")
    return scheme.lower(), authority, path, query


def _host_and_port(authority: str, default_port: int) -> tuple[str, int]:
    found = AUTHORITY.fullmatch(authority)
    if not found or not found[1]:
        raise InvalidRequest("The URL must name a host, and a port by its number if any")
    port = int(found[2] or default_port)
    if not 1 <= port <= 65535:
        raise InvalidRequest("The URL's port must be from 1 to 65535")
    return found[1], port


def _literal(host: str) -> Address | None:
    """The address that the host is written as, or None for a name."""
    if not host.startswith("["):
        try:
            return IPv4Address(host)  # only as four decimal numbers
        except ValueError:
            return None
    try:
        address = IPv6Address(host[1:-1])
    except ValueError:
        address = None
    # A zone names one of our own interfaces.
    if address is None or address.scope_id is not None:
        raise InvalidRequest("The URL's IPv6 address must be complete and without a zone")
    return address


def _name(host: str) -> str:
    """The host name as DNS knows it: lower case, ASCII, without the dot at the end."""
    try:
        name = host.lower() if host.isascii() else idna.encode(host, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise InvalidRequest("The URL's host must be a valid domain name") from None
    # The dots at the end are taken away for this question only: they hide no number.
    if NUMBER.fullmatch(name.rstrip(".").rpartition(".")[2]):
        raise InvalidRequest(
            "The URL's host must be a domain name, or an IPv4 address as four decimal numbers"
        )
    name = name.removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(map(LABEL.fullmatch, labels)):
        raise InvalidRequest("The URL's host must be a valid domain name")
    try:
        for label in labels:
            if label.startswith("xn--"):
                idna.ulabel(label)
    except (idna.IDNAError, UnicodeError):
        raise InvalidRequest("The URL's host must be a valid domain name") from None
    return name


def _refuse_inner(name: str) -> None:
    if "." not in name or INNER_NAMES.search(name):
        raise InvalidRequest(
            "The URL's host must be a public domain name, not one of a local network"
        )


def _quoted(text: str) -> str:
    """With everything escaped that may not stand in a request line, and nothing escaped twice."""
    return quote(STRAY_PERCENT.sub("%25", text), safe=UNQUOTED)
