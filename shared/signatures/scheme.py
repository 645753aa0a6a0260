"""The one shape of a verification scheme."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic

from shared.errors import InvalidRequest
from shared.signatures.facts import EventDescription, Payload
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
        """The headers with which the vendor would send this body."""

    def settings(self, raw: Mapping[str, object]) -> Settings:
        """Validated settings, to be kept beside the endpoint. Raises InvalidRequest."""
        return validated(self.settings_model, raw, self.name)

    def check_secret(self, secret: str) -> None:
        """Raises InvalidRequest for a secret that no vendor hands out, such as a clumsy paste."""
        if not 1 <= len(secret) <= MAX_SECRET_LENGTH:
            raise InvalidRequest(f"The secret must have 1 to {MAX_SECRET_LENGTH} characters")
        if not secret.isprintable() or secret != secret.strip():
            raise InvalidRequest("The secret has invisible characters or space around it")

    def generate_secret(self) -> str:
        """A fresh secret of 32 random bytes; empty for a scheme that takes none."""
        return secrets.token_hex(32)

    def credential_headers(self, settings: Settings) -> frozenset[str]:  # noqa: ARG002
        """Fields that carry a credential itself, in lower case: never to be stored."""
        return frozenset()

    def handshake(self, payload: Payload) -> dict[str, str] | None:  # noqa: ARG002
        """The JSON body to answer a verified set-up request with; None for any other request."""
        return None
