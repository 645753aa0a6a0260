"""What it means that a request failed, as a code and in words."""

from __future__ import annotations

import errno
import logging
import os
import ssl
from dataclasses import dataclass

import aiohttp

from functions.dispatch.answers import ErrorCode, Outgoing
from functions.dispatch.connecting import Attempt
from shared.errors import InvalidRequest

logger = logging.getLogger(__name__)

OWN_ERRNOS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)
"""This machine has no sockets, memory or ports left: no fault of the receiver's."""

HANDSHAKE_CUT = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
"""What a TLS handshake ends with, and connecting over TCP does not."""


@dataclass(frozen=True, slots=True)
class Failure:
    error: ErrorCode
    message: str
    was_attempted: bool


def explain(error: Exception, attempt: Attempt, request: Outgoing) -> Failure:
    """Why there is no status. Words of the receiver's own are not passed on, nor is any address."""
    was_attempted = attempt.was_attempted
    if refusal := error if isinstance(error, InvalidRequest) else attempt.refusal:
        return Failure("target_refused", refusal.message, was_attempted)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientSSLError):
        return _unconnected(error, attempt)
    if isinstance(error, aiohttp.InvalidURL):
        return Failure("target_refused", "The URL is not valid", was_attempted)
    if isinstance(error, aiohttp.ClientError):
        return _unanswered(error, was_attempted)
    if isinstance(error, TimeoutError):
        doing = "The receiver did not answer" if was_attempted else "The name was not looked up"
        words = f"{doing} within {request.timeout_seconds:g} seconds"
        return Failure("timeout", words, was_attempted)
    logger.error("sending a request failed", exc_info=error)
    return Failure("connection_failed", "Something went wrong on our side", was_attempted)


def _unconnected(
    error: aiohttp.ClientConnectorError | aiohttp.ClientSSLError, attempt: Attempt
) -> Failure:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Failure("dns_failure", "The host's name has no address", attempt.was_attempted)
    reason: Exception = (
        error.certificate_error
        if isinstance(error, aiohttp.ClientConnectorCertificateError)
        else error.os_error
    )
    if isinstance(reason, ssl.CertificateError):
        words = f"The receiver's certificate is not valid: {_certificate_words(reason)}"
        return Failure("tls_failed", words, attempt.was_attempted)
    if isinstance(reason, ssl.SSLError):
        words = f"The TLS handshake failed: {reason.reason or 'no agreement'}"
        return Failure("tls_failed", words, attempt.was_attempted)
    if attempt.is_encrypted and isinstance(reason, HANDSHAKE_CUT):
        words = "The receiver closed the connection during the TLS handshake"
        return Failure("tls_failed", words, attempt.was_attempted)
    number = reason.errno if isinstance(reason, OSError) else None
    if number in OWN_ERRNOS:
        return Failure("connection_failed", "This machine has no connection free", False)
    words = f"The receiver cannot be reached: {os.strerror(number) if number else 'no answer'}"
    return Failure("connection_failed", words, attempt.was_attempted)


def _certificate_words(reason: ssl.CertificateError) -> str:
    return str(getattr(reason, "verify_message", "") or "it does not fit the host")


def _unanswered(error: aiohttp.ClientError, was_attempted: bool) -> Failure:
    if isinstance(error, aiohttp.ClientConnectionError):
        words = "The receiver closed the connection before it answered"
        return Failure("connection_closed", words, was_attempted)
    # Its own words would quote what the receiver sent.
    words = "The receiver's answer is not HTTP, or its head is too large"
    return Failure("invalid_answer", words, was_attempted)
