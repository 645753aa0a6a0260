from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from shared.addresses import IPV4_NOT_PUBLIC, IPV6_NOT_PUBLIC, Network
from shared.errors import InvalidRequest
from shared.targets import MAX_LENGTH, TargetPolicy, check_target, is_public


def wide(text: str) -> str:
    """In full-width characters, which IDNA takes for the ordinary ones."""
    return "".join(chr(ord(character) + 0xFEE0) for character in text)


HOSTED = TargetPolicy()
LOCAL = TargetPolicy.from_settings("", "127.0.0.0/8, ::1/128")
WITH_PORTS = TargetPolicy.from_settings("8443, 9443")

PRIVATE = [
    str(IPv4Address(0)),
    *["0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255"],
    *["100.100.100.200", "127.0.0.1", "127.255.255.255", "168.63.129.16", "169.254.169.254"],
    *["169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1"],
    *["192.31.196.1", "192.52.193.1", "192.88.99.1", "192.168.0.1", "192.175.48.1", "198.18.0.1"],
    *["198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255"],
    *["240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1"],
    *["::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1"],
    *["100:0:0:1::1", "2001::1", "2001:0:4136:e378::1", "2001:2::1", "2001:10::1", "2001:20::1"],
    *["2001:1ff:ffff::1", "2001:db8::1", "2002::1", "2002:7f00:1::1", "2002:c0a8:101::1"],
    *["2620:4f:8000::1", "3fff::1", "3fff:fff::1", "4000::1", "5f00::1", "fc00::1"],
    *["fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "ff0e::1"],
]
PUBLIC = [
    *["1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"],
    *["126.255.255.255", "128.0.0.0", "168.63.129.15", "168.63.129.17", "169.253.255.255"],
    *["172.15.255.255", "172.32.0.0", "192.0.1.0", "192.88.98.255", "192.167.255.255"],
    *["198.17.255.255", "198.20.0.0", "223.255.255.255", "2001:200::1", "2001:4860:4860::8888"],
    *["2001:db9::1", "2003::1", "2606:4700::1111", "2a00:1450::1", "3ffe::1", "2000::1"],
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_of_a_special_purpose_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_beside_them_is_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_a_network_is_out_from_its_first_address_to_its_last() -> None:
    networks: tuple[Network, ...] = (*IPV4_NOT_PUBLIC, *IPV6_NOT_PUBLIC)
    for network in networks:
        assert not is_public(network[0])
        assert not is_public(network[-1])


@given(st.ip_addresses())
def test_what_python_knows_not_to_be_global_is_not_public(
    address: IPv4Address | IPv6Address,
) -> None:
    assert address.is_global or not is_public(address)


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_is_public_inside_of_an_ipv6_one(address: IPv4Address) -> None:
    number = int(address)

    assert not is_public(IPv6Address(number))
    assert not is_public(IPv6Address((0xFFFF << 32) + number))
    assert not is_public(IPv6Address((0x64FF9B << 96) + number))
    assert not is_public(IPv6Address((0x2002 << 112) + (number << 80)))


@pytest.mark.parametrize(
    ("url", "stored"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM:443/Hook", "https://example.com/Hook"),
        ("https://example.com./hook", "https://example.com/hook"),
        ("https://example.com:/hook", "https://example.com/hook"),
        ("https://example.com/hook?a=1#part", "https://example.com/hook?a=1"),
        ("https://example.com?a[]=1", "https://example.com/?a[]=1"),
        ("https://bücher.example.com/ä?q=ü", "https://xn--bcher-kva.example.com/%C3%A4?q=%C3%BC"),
        ("https://xn--bcher-kva.example.com/", "https://xn--bcher-kva.example.com/"),
        ("https://example。com/", "https://example.com/"),
        ("https://8.8.8.8/hook", "https://8.8.8.8/hook"),
        ("https://[2606:4700:0:0::1111]/hook", "https://[2606:4700::1111]/hook"),
    ],
)
def test_a_url_is_stored_in_one_form(url: str, stored: str) -> None:
    assert check_target(url, HOSTED) == stored


def test_what_is_escaped_stays_as_it_is() -> None:
    # Azure's and others' signed URLs hold for these very bytes.
    url = "https://example.com/a%2Fb/%41/..%2F?sp=%2Ftriggers%2Frun&sig=a%2Bb%2Fc%3D&x=%20y+z"

    assert check_target(url, HOSTED) == url


def test_a_percent_sign_alone_is_escaped() -> None:
    assert check_target("https://example.com/100%?a=%zz", HOSTED) == (
        "https://example.com/100%25?a=%25zz"
    )


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_refused_as_a_host(address: str) -> None:
    host = f"[{address}]" if ":" in address else address

    with pytest.raises(InvalidRequest, match="public address"):
        check_target(f"https://{host}/", HOSTED)


@pytest.mark.parametrize(
    "host",
    [
        *["2130706433", "127.1", "127.0.1", "0177.0.0.1", "017700000001", "0x7f.0.0.1"],
        *["0x7f000001", "0X7F.1", "127.0.0.1.", "127.0.0.1..", "127.0.0.01", "08.8.8.8"],
        *[
            "127.0.0.256",
            "1.2.3.4.5",
            "foo.0x",
            "foo.7",
            "0",
            "0x",
            wide("127") + ".0.0.1",
            "127。0。0。1",
        ],
        *[
            "①②⑦.⓪.⓪.①",
            "127.0.0." + wide("1"),
            wide("127.0.0.1"),
            "8.8.8.8.",
            "134744072",
            "4294967295",
        ],
    ],
)
def test_a_number_in_disguise_is_refused(host: str) -> None:
    for policy in (HOSTED, LOCAL):
        with pytest.raises(InvalidRequest, match="four decimal numbers"):
            check_target(f"https://{host}/", policy)


@given(st.ip_addresses(v=4), st.randoms(use_true_random=False))
def test_no_notation_of_inet_aton_passes(address: IPv4Address, choice: random.Random) -> None:
    octets = list(address.packed)
    kept = choice.randrange(4)
    numbers = [*octets[:kept], int.from_bytes(bytes(octets[kept:]), "big")]
    host = ".".join(choice.choice(["{}", "0{:o}", "0x{:x}", "0X{:X}"]).format(n) for n in numbers)
    if host != str(address):
        with pytest.raises(InvalidRequest):
            check_target(f"https://{host}/", HOSTED)


@pytest.mark.parametrize(
    "host",
    [
        *[
            "localhost",
            "LOCALHOST.",
            wide("localhost"),
            "api.localhost",
            "intranet",
            "db",
            "nas.local",
        ],
        *["metadata.google.internal", "kubernetes.default.svc.cluster.local", "router.lan"],
        *["wiki.corp", "fritz.home", "1.0.0.127.in-addr.arpa", "nas.home.arpa", "a.test"],
        *["a.example", "a.invalid", "a.onion", "server.localdomain"],
    ],
)
def test_a_name_of_a_local_network_is_refused(host: str) -> None:
    with pytest.raises(InvalidRequest, match="public domain name"):
        check_target(f"https://{host}/", HOSTED)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.com/", "begin with https"),
        ("http://8.8.8.8/", "begin with https"),
        ("ftp://example.com/", "begin with https"),
        ("//example.com/", "begin with https"),
        ("/hook", "begin with https"),
        ("https:/example.com", "begin with https"),
        ("https:example.com", "begin with https"),
        ("", "begin with https"),
        ("https://", "name a host"),
        ("https:///hook", "name a host"),
        ("https://:443/", "name a host"),
        ("https://::1/", "name a host"),
        ("https://example.com:44a/", "name a host"),
        (f"https://example.com:{wide('443')}/", "name a host"),
        ("https://example.com:0/", "port must be from 1"),
        ("https://example.com:65536/", "port must be from 1"),
        ("https://example.com:8443/", "one of these: 443$"),
        ("https://example.com:80/", "one of these: 443$"),
        ("https://8.8.8.8:22/", "one of these: 443$"),
        ("https://user@example.com/", "user name"),
        ("https://user:word@example.com/", "user name"),
        ("https://example.com@127.0.0.1/", "user name"),
        ("https://@example.com/", "user name"),
        ("https://example.com\\@10.0.0.1/", "backslashes"),
        ("https://exam ple.com/", "character 13"),
        ("https://example.com/a\r\nHost: b", "character 22"),
        ("https://example.com/\0", "invisible"),
        ("https://example.com/\x7f", "invisible"),
        ("https://example.com/\u2028", "invisible"),
        ("https://exam\u00adple.com/", "invisible"),
        ("https://exam\u200bple.com/", "invisible"),
        ("https://example.com/\ud800", "invisible"),
        (" https://example.com/", "character 1$"),
        ("https://[fe80::1%25eth0]/", "without a zone"),
        ("https://[2606:4700::1111%1]/", "without a zone"),
        ("https://[2606:4700::1111]x/", "name a host"),
        ("https://[2606:4700]/", "complete"),
        ("https://[v1.example]/", "complete"),
        ("https://[]/", "complete"),
        ("https://ex%61mple.com/", "valid domain name"),
        ("https://a_b.com/", "valid domain name"),
        ("https://-a.com/", "valid domain name"),
        ("https://a..com/", "valid domain name"),
        ("https://example.com../", "valid domain name"),
        ("https://xn--a.com/", "valid domain name"),
        (f"https://{'a' * 64}.com/", "valid domain name"),
        (f"https://{'a.' * 127}com/", "valid domain name"),
        ("https://example.com/" + "a" * MAX_LENGTH, f"longer than {MAX_LENGTH}"),
        ("https://example.com/" + "ä" * 1000, f"longer than {MAX_LENGTH}"),
    ],
)
def test_a_refusal_says_what_to_change(url: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        check_target(url, HOSTED)


def test_a_port_is_allowed_by_setting() -> None:
    assert check_target("https://example.com:8443/", WITH_PORTS) == "https://example.com:8443/"
    assert check_target("https://example.com/", WITH_PORTS) == "https://example.com/"
    with pytest.raises(InvalidRequest, match="443, 8443, 9443"):
        check_target("https://example.com:8080/", WITH_PORTS)
    with pytest.raises(InvalidRequest):
        check_target("https://10.0.0.1:8443/", WITH_PORTS)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9000/hook",
        "http://127.9.9.9/hook",
        "https://127.0.0.1:9000/hook",
        "http://[::1]:9000/hook",
        "http://localhost:9000/hook",
        "https://localhost/hook",
    ],
)
def test_an_allowed_network_takes_http_on_every_port(url: str) -> None:
    assert check_target(url, LOCAL) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/",
        "http://example.com/",
        "https://example.com:9000/",
        "http://api.localhost/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::2]/",
    ],
)
def test_an_allowed_network_allows_nothing_else(url: str) -> None:
    with pytest.raises(InvalidRequest):
        check_target(url, LOCAL)


def test_localhost_needs_loopback_to_be_allowed() -> None:
    with pytest.raises(InvalidRequest):
        check_target("http://localhost/", TargetPolicy.from_settings("", "10.0.0.0/8"))


def test_the_settings_may_be_empty() -> None:
    assert TargetPolicy.from_settings("", " , ") == HOSTED


@pytest.mark.parametrize(
    ("ports", "networks"),
    [
        ("0", ""),
        ("65536", ""),
        ("https", ""),
        (wide("8443"), ""),
        ("-1", ""),
        ("004430000", ""),
        ("9" * 5000, ""),
        ("", "127.0.0.1/8"),
        ("", "localhost"),
        ("", "10.0.0.0/33"),
    ],
)
def test_broken_settings_are_refused(ports: str, networks: str) -> None:
    with pytest.raises(ValueError, match=r"port|network|host bits"):
        TargetPolicy.from_settings(ports, networks)


def test_an_address_is_checked_with_its_port_and_encryption() -> None:
    public, private = ip_address("8.8.8.8"), ip_address("10.0.0.1")
    HOSTED.check_address(public, 443, is_encrypted=True)
    for address, port, is_encrypted in [
        (public, 443, False),
        (public, 8443, True),
        (private, 443, True),
    ]:
        with pytest.raises(InvalidRequest):
            HOSTED.check_address(address, port, is_encrypted=is_encrypted)
    TargetPolicy(allowed_networks=(ip_network("10.0.0.0/8"),)).check_address(
        private, 9000, is_encrypted=False
    )


def test_a_refusal_does_not_tell_the_address() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        HOSTED.check_address(ip_address("10.1.2.3"), 443, is_encrypted=True)
    assert "10." not in refusal.value.message


HOSTS = st.one_of(
    st.text(max_size=20),
    st.from_regex(r"[a-z0-9.\-äß]{1,20}\.(com|de|1|0x7)", fullmatch=True),
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map("[{}]".format),
)
URLS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["https://", "http://", "HTTPS://", "https:", ""]),
    HOSTS,
    st.sampled_from(["", ":443", ":8443", ":", ":0443"]),
    st.text(max_size=20).map("/{}".format) | st.sampled_from(["", "?a=b", "#x"]),
)


@given(URLS)
@example("https://example.com/[")
@example("https://example.com/?a[b]=%5B^`{|}<>\"'")
@example("https://example.com/ä%C3%A4%zz//..//.")
def test_every_url_is_refused_in_words_or_read_alike_by_every_parser(url: str) -> None:
    try:
        checked = check_target(url, HOSTED)
    except InvalidRequest:
        return

    assert checked.isascii()
    assert check_target(checked, HOSTED) == checked
    host = urlsplit(checked).hostname
    parsed = URL(checked, encoded=True)
    assert host == parsed.raw_host == httpx.URL(checked).raw_host.decode()
    assert parsed.port == (urlsplit(checked).port or 443)
    # What the request line will hold is what was checked, byte by byte.
    assert checked.endswith(parsed.raw_path_qs)
