"""How outgoing webhooks are signed. `api` checks settings with it, `dispatch` signs with it.

Whatever a webhook's profile, each delivery carries the three Standard Webhooks headers, with one
signature for each secret that is valid. A profile adds the headers that receivers of one platform
already check; `custom` adds those that the webhook's owner describes.

A profile's key is the secret's whole text. The Standard Webhooks key is what stands in base64 after
`whsec_`; of a secret that does not look so, its text. `standard_secret` gives either in the form that
a receiver's library takes.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Final, Literal

from shared import signatures
from shared.errors import InvalidRequest
from shared.profile_settings import CustomSettings
from shared.signatures.macs import code
from shared.signatures.settings import validated
from shared.signatures.signed_text import signed_text
from shared.version import VERSION

ProfileName = Literal["standard", "chatbots", "whatscrm", "autoresponder", "custom"]

DEFAULT_USER_AGENT: Final = f"Switchhook/{VERSION}"
MAX_SECRET_LENGTH = 500
SECRET_PREFIX = "whsec_"  # noqa: S105

_ALWAYS = frozenset(
    {"content-type", "user-agent", "webhook-id", "webhook-timestamp", "webhook-signature"}
)


@dataclass(frozen=True, slots=True)
class Profile:
    """A way to sign that people choose by name."""

    summary: str
    """One line for people who choose."""
    layout: CustomSettings | None = None
    """The headers beside those of Standard Webhooks; None: no others, or the webhook's own."""


PROFILES: Final[Mapping[ProfileName, Profile]] = MappingProxyType(
    {
        "standard": Profile("Standard Webhooks: webhook-id, webhook-timestamp, webhook-signature"),
        "chatbots": Profile(
            "X-Chatbots-Signature: sha256= and hex",
            CustomSettings(
                signature_header="X-Chatbots-Signature",
                prefix="sha256=",
                event_header="X-Chatbots-Event",
                attempt_header="X-Chatbots-Delivery",
            ),
        ),
        "whatscrm": Profile(
            "X-Webhook-Signature: sha256= and hex",
            CustomSettings(
                signature_header="X-Webhook-Signature",
                prefix="sha256=",
                event_header="X-Webhook-Event",
                attempt_header="X-Webhook-Delivery",
            ),
        ),
        "autoresponder": Profile(
            "X-Webhook-Signature: bare hex",
            CustomSettings(
                signature_header="X-Webhook-Signature",
                event_header="X-Webhook-Event",
                user_agent="AI-Support-Autoresponder/1.0",
            ),
        ),
        "custom": Profile("Any HMAC: headers, prefix, encoding, hash and what is signed are yours"),
    }
)


def checked_profile(
    profile: str, raw: Mapping[str, object] | None
) -> tuple[ProfileName, CustomSettings | None]:
    """A profile's name and settings, checked. Raises InvalidRequest."""
    name = next((name for name in PROFILES if name == profile), None)
    if name is None:
        raise InvalidRequest(f"The profile must be one of {', '.join(PROFILES)}")
    if name == "custom":
        return name, validated(CustomSettings, raw or {}, "the custom profile")
    if raw:
        raise InvalidRequest(f"The profile {name} has no settings")
    return name, None


def header_names(profile: ProfileName, settings: CustomSettings | None) -> frozenset[str]:
    """The headers that a delivery has because of its profile, in lower case: no custom header of
    the webhook may have one of these names either.
    """
    layout = settings or PROFILES[profile].layout
    return _ALWAYS.union(layout.header_names if layout else ())


def generate_secret() -> str:
    """`whsec_` and 32 random bytes in base64."""
    return signatures.generate_secret("standard_webhooks")


def check_secret(secret: str) -> None:
    """Raises InvalidRequest for a secret that cannot be meant, such as a clumsy paste."""
    if not 1 <= len(secret) <= MAX_SECRET_LENGTH:
        raise InvalidRequest(f"The secret must have 1 to {MAX_SECRET_LENGTH} characters")
    if not secret.isprintable() or secret != secret.strip():
        raise InvalidRequest("The secret has invisible characters or space around it")


def standard_secret(secret: str) -> str:
    """The secret as every Standard Webhooks library takes it: padded, and with its prefix."""
    return SECRET_PREFIX + b64encode(_standard_key(secret)).decode()


def _standard_key(secret: str) -> bytes:
    """The bytes in base64 after `whsec_`, with or without padding; else those of the whole text."""
    encoded = secret.removeprefix(SECRET_PREFIX)
    try:
        key = b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        return secret.encode()
    # Another spelling of the same bytes is not what a library would have written.
    is_encoded = key and b64encode(key).decode().rstrip("=") == encoded.rstrip("=")
    return key if is_encoded and encoded != secret else secret.encode()


@dataclass(frozen=True)
class Signing:
    """How one webhook's deliveries are signed; made once, used for each."""

    profile: ProfileName
    settings: CustomSettings | None
    """Those of the `custom` profile."""
    secrets: tuple[str, ...] = field(repr=False)
    """Those that are valid, newest first."""

    def __post_init__(self) -> None:
        if (self.settings is not None) != (self.profile == "custom"):
            raise ValueError("The custom profile has settings, and no other does")
        if not self.secrets or not all(self.secrets):
            raise ValueError("A webhook has at least one secret, and none is empty")

    @cached_property
    def layout(self) -> CustomSettings | None:
        return self.settings or PROFILES[self.profile].layout

    @cached_property
    def user_agent(self) -> str:
        return (self.layout and self.layout.user_agent) or DEFAULT_USER_AGENT

    @cached_property
    def text_keys(self) -> tuple[bytes, ...]:
        return tuple(secret.encode() for secret in self.secrets)

    @cached_property
    def standard_keys(self) -> tuple[bytes, ...]:
        return tuple(map(_standard_key, self.secrets))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver one body."""

    body: bytes
    event_type: str
    message_id: str
    """The same on every try."""
    attempt_id: str
    """This try's own."""
    timestamp: int
    """Unix seconds of this try: receivers refuse old ones."""
    try_number: int
    """0 for the first try."""


def sign(signing: Signing, attempt: Attempt) -> dict[str, str]:
    """All headers of a delivery that are ours to decide.

    `webhook-signature` has room for a signature by each secret. A profile's header has room for one:
    the newest secret's on the first try, the next secret's on the next try and so on, so a receiver
    that knows either of two accepts within two tries.
    """
    sent_at = str(attempt.timestamp)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": signing.user_agent,
        "webhook-id": attempt.message_id,
        "webhook-timestamp": sent_at,
        "webhook-signature": _standard_signatures(signing, attempt),
    }
    layout = signing.layout
    if layout is not None:
        key = signing.text_keys[attempt.try_number % len(signing.text_keys)]
        headers[layout.signature_header] = _profile_signature(layout, key, attempt)
        facts = (
            (layout.event_header, attempt.event_type),
            (layout.delivery_header, attempt.message_id),
            (layout.attempt_header, attempt.attempt_id),
            (layout.timestamp_header, sent_at),
        )
        headers |= {name: value for name, value in facts if name}
    return headers


def _standard_signatures(signing: Signing, attempt: Attempt) -> str:
    signed = b"%b.%d.%b" % (attempt.message_id.encode(), attempt.timestamp, attempt.body)
    codes = (code(key, signed, "base64").decode() for key in signing.standard_keys)
    return " ".join(f"v1,{own}" for own in codes)


def _profile_signature(layout: CustomSettings, key: bytes, attempt: Attempt) -> str:
    sent_at, message_id = str(attempt.timestamp).encode(), attempt.message_id.encode()
    signed = signed_text(layout.template, sent_at, message_id, attempt.body)
    return layout.prefix + code(key, signed, layout.encoding, layout.hash).decode()
