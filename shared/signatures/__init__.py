"""Who sent this request? One small pure verifier per vendor, all of one shape; see README.md."""

from shared.signatures.facts import MAX_FACT_LENGTH, UNKNOWN_EVENT_TYPE, EventDescription
from shared.signatures.handshake import Handshake
from shared.signatures.registry import SCHEMES, generate_secret, scheme_named
from shared.signatures.request import Headers, SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import SchemeSettings
from shared.signatures.storable_headers import storable_headers

__all__ = [
    "MAX_FACT_LENGTH",
    "SCHEMES",
    "UNKNOWN_EVENT_TYPE",
    "EventDescription",
    "Handshake",
    "Headers",
    "Scheme",
    "SchemeSettings",
    "SignedRequest",
    "Verified",
    "generate_secret",
    "scheme_named",
    "storable_headers",
]
