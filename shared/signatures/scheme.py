"""The one shape of a verification scheme."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic

from shared.errors import InvalidRequest
from shared.signatures.facts import EventDescription, Payload
from shared.signatures.handshake import Handshake
from shared.signatures.request import SignedRequest
from shared.signatures.settings import Settings, validated

MAX_SECRET_LENGTH = 1024


@dataclass(frozen=True, slots=True)
class Verified:
    """What the headers of a genuine request said; None where they said nothing."""

    event_type: str | None = None
    delivery_id: str | None = None
    timestamp: int | None = None
    """Unix seconds, where the scheme signs them."""


class Scheme(ABC, Generic[Settings]):
    """How one vendor signs, and where it writes what kind of event it sends.

    Nothing here reads a clock or the network; `now` is in whole unix seconds.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for people who choose a scheme."""
    signature_headers: ClassVar[frozenset[str]] = frozenset()
    """Fields that carry a signature and no credential, in lower case: safe to store."""
    needs_secret: ClassVar[bool] = True
    """False where there is none, or where the vendor's public key is among the settings."""
    has_private_key: ClassVar[bool] = False
    """True where only the vendor can sign: its public key is among the settings, or comes with them."""
    takes_forms: ClassVar[bool] = False
    """Whether bodies may be form-encoded instead of JSON."""
    takes_arrays: ClassVar[bool] = False
    """Whether a body may be a JSON array: an event for each item."""
    settings_model: type[Settings]

    @abstractmethod
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: Settings, now: int
    ) -> Verified:
        """Check the raw bytes. `keys` are the endpoint's secrets, several during a rotation.

        Raises InvalidSignature for whatever is not genuine, malformed input of any kind included.
        """

    @abstractmethod
    def describe(
        self, request: SignedRequest, payload: Payload, settings: Settings
    ) -> EventDescription:
        """What kind of event this is, and its ids; for a request already verified and parsed."""

    @abstractmethod
    def sign(
        self,
        body: bytes,
        key: str,
        settings: Settings,
        now: int,
        *,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> dict[str, str]:
        """The headers with which the vendor would send this body.

        `key` is the secret; for a vendor that signs with a private key, that key as PEM.
        """

    def complete(
        self,
        body: bytes,
        key: str,  # noqa: ARG002
        now: int,  # noqa: ARG002
    ) -> bytes:
        """The body with what the vendor writes into it when it sends: a time, or the signature."""
        return body

    def query(self, body: bytes) -> str:  # noqa: ARG002
        """What the vendor appends to the address for this body, after the question mark."""
        return ""

    def sent_at(self, request: SignedRequest, settings: Settings) -> int | None:  # noqa: ARG002
        """When the request says that it was sent, in unix seconds; None if it does not say so, or
        not in the vendor's way. For schemes with `tolerance_seconds` among their settings.
        """
        return None

    def settings(self, raw: Mapping[str, object]) -> Settings:
        """Validated settings, to be kept beside the endpoint. Raises InvalidRequest."""
        return validated(self.settings_model, raw, self.name)

    def check_secret(self, secret: str) -> None:
        """Raises InvalidRequest for a secret that no vendor hands out, such as a clumsy paste."""
        if not self.needs_secret:
            if secret:
                raise InvalidRequest(f"The scheme {self.name} takes no secret")
            return
        if not 1 <= len(secret) <= MAX_SECRET_LENGTH:
            raise InvalidRequest(f"The secret must have 1 to {MAX_SECRET_LENGTH} characters")
        if not secret.isprintable() or secret != secret.strip():
            raise InvalidRequest("The secret has invisible characters or space around it")

    def generate_secret(self) -> str:
        """A fresh secret of 32 random bytes; empty for a scheme that takes none."""
        return secrets.token_hex(32) if self.needs_secret else ""

    def credential_headers(self, settings: Settings) -> frozenset[str]:  # noqa: ARG002
        """Fields that carry a credential itself, in lower case: never to be stored."""
        return frozenset()

    def proof_headers(self, settings: Settings) -> frozenset[str]:
        """Fields of which one at least must be there, in lower case; none if the body has it all."""
        return self.signature_headers | self.credential_headers(settings)

    def greeting(
        self,
        request: SignedRequest,  # noqa: ARG002
        settings: Settings,  # noqa: ARG002
    ) -> Handshake | None:
        """The answer to a set-up request that the vendor does not sign; None for any other."""
        return None

    def handshake(
        self,
        request: SignedRequest,  # noqa: ARG002
        payload: Payload,  # noqa: ARG002
        keys: Sequence[str],  # noqa: ARG002
    ) -> Handshake | None:
        """The answer to a verified set-up request; None for any other request."""
        return None
