"""Signatures made with a vendor's private key, checked with its public one.

The key's own type decides the algorithm, never a header. `cryptography` is imported when the first
such endpoint is met: the many with a shared secret do not pay for it. Signatures are taken in the one
spelling that vendors write, as the codes in `macs` are.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from functools import lru_cache
from typing import TYPE_CHECKING

from shared.errors import InvalidRequest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.x509 import Certificate

_NOT_BASE64 = re.compile(r"-----[A-Z ]+-----|\s")


def from_hex(value: bytes) -> bytes:
    """The bytes behind lower-case hex; none for any other spelling."""
    try:
        octets = bytes.fromhex(value.decode("ascii"))
    except ValueError:
        return b""
    return octets if octets.hex().encode() == value else b""


def from_base64(value: bytes) -> bytes:
    """The bytes behind padded base64; none for any other spelling."""
    try:
        octets = b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return octets if b64encode(octets) == value else b""


@lru_cache(maxsize=256)
def ed25519_key(text: str) -> ed25519.Ed25519PublicKey:
    """A public key of 32 bytes in hex. Raises ValueError."""
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415

    return ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))


@lru_cache(maxsize=256)
def p256_key(text: str) -> ec.EllipticCurvePublicKey:
    """A public key on the curve P-256: DER in base64, or the same as PEM. Raises ValueError."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415

    key = load_der_public_key(b64decode(_NOT_BASE64.sub("", text), validate=True))
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("no key on P-256")  # noqa: TRY004 (of the text, as it came)
    return key


@lru_cache(maxsize=256)
def certificate(pem: str) -> Certificate:
    """An X.509 certificate. Raises ValueError."""
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415

    return load_pem_x509_certificate(pem.encode())


def verify_ed25519(key: ed25519.Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415

    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def verify_ecdsa(key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    """ECDSA with SHA-256, the signature in DER."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    try:
        key.verify(signature, signed, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def verify_rsa(key: rsa.RSAPublicKey, signature: bytes, signed: bytes) -> bool:
    """RSA with PKCS #1 v1.5 padding and SHA-256."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    try:
        key.verify(signature, signed, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=16)
def _private_key(pem: str) -> object:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        return load_pem_private_key(pem.encode(), None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return None


def sign_with(pem: str, signed: bytes) -> bytes:
    """A signature with this private key, as the three above check it.

    Raises InvalidRequest if it is no private key of those kinds.
    """
    from cryptography.hazmat.primitives.asymmetric import (  # noqa: PLC0415
        ec,
        ed25519,
        padding,
        rsa,
    )
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    match key := _private_key(pem):
        case ed25519.Ed25519PrivateKey():
            return key.sign(signed)
        case ec.EllipticCurvePrivateKey():
            return key.sign(signed, ec.ECDSA(SHA256()))
        case rsa.RSAPrivateKey():
            return key.sign(signed, padding.PKCS1v15(), SHA256())
        case _:
            raise InvalidRequest("Only the vendor's private key can sign")
