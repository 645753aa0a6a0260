"""Receivers in Python, written the way the guides for receivers show them, and vendors' libraries.

Served by Flask over real HTTP; those in JavaScript and PHP are in tests/node/receivers.js.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import standardwebhooks
import svix
from flask import Flask, request
from typing_extensions import override
from werkzeug.serving import WSGIRequestHandler, make_server

Answer = tuple[str, int]
Verify = Callable[[bytes, dict[str, str]], Any]


def flask_app(webhook_secret: str, standard_secret: str) -> Flask:
    """The parsed body printed again, the body as it came, and two libraries."""
    app = Flask(__name__)

    def expected(payload: str) -> str:
        return hmac.new(webhook_secret.encode(), payload.encode(), hashlib.sha256).hexdigest()

    def answer(is_genuine: bool) -> Answer:
        return ("OK", 200) if is_genuine else ("Invalid signature", 401)

    @app.route("/flask/chatbots", methods=["POST"])
    def chatbots() -> Answer:
        signature = request.headers.get("X-Chatbots-Signature", "")
        payload = json.dumps(request.json)
        return answer(hmac.compare_digest(f"sha256={expected(payload)}", signature))

    @app.route("/flask/whatscrm", methods=["POST"])
    def whatscrm() -> Answer:
        signature = request.headers.get("X-Webhook-Signature", "")
        payload = json.dumps(request.json)
        return answer(hmac.compare_digest(signature, f"sha256={expected(payload)}"))

    @app.route("/flask/autoresponder", methods=["POST"])
    def autoresponder() -> Answer:
        signature = request.headers.get("X-Webhook-Signature", "")
        payload = request.get_data(as_text=True)
        return answer(hmac.compare_digest(signature, expected(payload)))

    def by_library(verify: Verify) -> Answer:
        try:
            verify(request.get_data(), dict(request.headers.items()))
        except (
            standardwebhooks.WebhookVerificationError,
            svix.WebhookVerificationError,
            UnicodeDecodeError,  # both decode the body first
        ):
            return answer(False)
        return answer(True)

    @app.route("/pypi/standardwebhooks", methods=["POST"])
    def standard() -> Answer:
        return by_library(standardwebhooks.Webhook(standard_secret).verify)

    @app.route("/pypi/svix", methods=["POST"])
    def by_svix() -> Answer:
        return by_library(svix.Webhook(standard_secret).verify)

    return app


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open

    @override
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """The application's address while it is served."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
