"""Key pairs as vendors have them, for the schemes that sign with a private key."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

PrivateKey = Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

PAYPAL = "messageverificationcerts.paypal.com"


def pem(key: PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def certificate_of(
    key: PrivateKey, name: str = PAYPAL, begins: int = 2020, ends: int = 2120
) -> str:
    """A certificate that signs itself, valid between two New Years, as PEM."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(begins, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(ends, 1, 1, tzinfo=UTC))
    )
    algorithm = None if isinstance(key, Ed25519PrivateKey) else SHA256()
    return builder.sign(key, algorithm).public_bytes(Encoding.PEM).decode()


DISCORD = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SENDGRID = ec.derive_private_key(20_200_202, ec.SECP256R1())
PAYPALS = rsa.generate_private_key(65537, 2048)

PRIVATE_KEYS: dict[str, str] = {
    "discord": pem(DISCORD),
    "paypal": pem(PAYPALS),
    "sendgrid": pem(SENDGRID),
}
"""What each vendor signs with."""

DISCORD_PUBLIC = DISCORD.public_key().public_bytes_raw().hex()
SENDGRID_PUBLIC = b64encode(
    SENDGRID.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()
