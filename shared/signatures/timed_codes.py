"""What Stripe, Paddle and Calendly have in common: time and codes in one header, such as `t=1,v1=a,v1=b`.

Each v1 is the hex HMAC-SHA256, under one of the secrets, of the time, a mark and the body.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from typing_extensions import override

from shared.signatures.macs import any_genuine, code, is_fresh, key_bytes, parse_timestamp, refusal
from shared.signatures.request import SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import TimestampSettings


class TimedCodes(Scheme[TimestampSettings]):
    header: ClassVar[str]
    """As the vendor writes it."""
    time: ClassVar[str] = "t"
    version: ClassVar[str] = "v1"
    separator: ClassVar[str] = ","
    mark: ClassVar[bytes] = b"."
    """Between time and body in what is signed."""
    settings_model = TimestampSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: TimestampSettings, now: int
    ) -> Verified:
        sent_at, claimed = self._read(request)
        if not any_genuine(key_bytes(keys), sent_at + self.mark + request.body, claimed):
            raise refusal(f"no {self.version} in {self.header} matches")
        timestamp = parse_timestamp(sent_at)
        if not is_fresh(timestamp, now, settings.tolerance_seconds):
            raise refusal(f"{self.time} in {self.header} is outside the window")
        return Verified(timestamp=timestamp)

    @override
    def sent_at(self, request: SignedRequest, settings: TimestampSettings) -> int | None:
        return parse_timestamp(self._read(request)[0])

    @override
    def sign(
        self,
        body: bytes,
        key: str,
        settings: TimestampSettings,
        now: int,
        *,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> dict[str, str]:
        signature = code(key.encode(), b"%d%b%b" % (now, self.mark, body)).decode()
        return {self.header: f"{self.time}={now}{self.separator}{self.version}={signature}"}

    def _read(self, request: SignedRequest) -> tuple[bytes, list[bytes]]:
        """The time, empty unless it comes once, and the codes."""
        times, codes = [], []
        value = request.headers.single(self.header.lower().encode())
        for item in value.split(self.separator.encode()):
            name, _, content = item.strip().partition(b"=")
            if name == self.time.encode():
                times.append(content)
            elif name == self.version.encode():
                codes.append(content)
        return (times[0] if len(times) == 1 else b""), codes
