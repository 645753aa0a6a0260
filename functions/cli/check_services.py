"""Checks of what answers over HTTP: Supabase with both keys, and every function."""

from __future__ import annotations

import asyncio

import httpx

from functions.cli.findings import Finding, Subject, error, ok, warning
from shared.encryption import SecretBox
from shared.version import VERSION

WORKERS = ("classify", "prepare-for-rules", "process-rules", "dispatch")
OPTIONAL = "console"
FUNCTIONS = ("ingest", *WORKERS, "api", OPTIONAL)
NO_ANSWER = "does not answer"
KEYS_PAGE = "the project's dashboard, Project settings → API keys"


async def check_supabase(subject: Subject) -> list[Finding]:
    """The address, then both keys; they are not tried where nothing answers."""
    settings = subject.settings
    if not settings.supabase_url:
        return [error("supabase", "SUPABASE_URL is not set", "Put it into .env; see .env.example")]
    url = settings.supabase_url.rstrip("/")
    publishable = settings.supabase_publishable_key.get_secret_value()
    try:
        answer = await subject.client.get(
            f"{url}/auth/v1/health", headers={"apikey": publishable or "none"}
        )
    except httpx.HTTPError:
        remedy = "Start it (make up), or correct SUPABASE_URL; a paused project is resumed there"
        return [error("supabase", f"{url} does not answer", remedy)]
    findings = [ok("supabase", f"{url} answers")]
    if answer.status_code == httpx.codes.OK:
        findings.append(ok("publishable-key", "SUPABASE_PUBLISHABLE_KEY is accepted"))
    else:
        remedy = f"Copy it (sb_publishable_…) from {KEYS_PAGE}"
        findings.append(error("publishable-key", "SUPABASE_PUBLISHABLE_KEY is refused", remedy))
    return [*findings, await _check_secret_key(subject, url)]


async def _check_secret_key(subject: Subject, url: str) -> Finding:
    key = subject.settings.supabase_secret_key.get_secret_value()
    # An RPC that only service_role may call, with nothing to do.
    try:
        answer = await subject.client.post(
            f"{url}/rest/v1/rpc/ingest_events",
            headers={"apikey": key or "none"},
            json={"p_events": "[]"},
        )
    except httpx.HTTPError:
        remedy = "Try again; if it stays so, look into the project's status in its dashboard"
        return error("secret-key", "Not tried: the Data API does not answer", remedy)
    if answer.status_code == httpx.codes.OK:
        return ok("secret-key", "SUPABASE_SECRET_KEY acts as service_role")
    if answer.status_code == httpx.codes.NOT_FOUND:
        remedy = "Push the schema: make push"
        return error("secret-key", "The Data API does not know ingest_events", remedy)
    remedy = f"Copy the secret key (sb_secret_…), not the publishable one, from {KEYS_PAGE}"
    return error("secret-key", "SUPABASE_SECRET_KEY does not act as service_role", remedy)


async def check_encryption_keys(subject: Subject) -> list[Finding]:
    setting = subject.settings.encryption_keys.get_secret_value()
    try:
        SecretBox.from_setting(setting)
    except ValueError as problem:
        remedy = (
            "Restore the keys that were used before. Only where no endpoint exists yet, make one: "
            "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
        )
        return [error("encryption-keys", str(problem), remedy)]
    return [ok("encryption-keys", "ENCRYPTION_KEYS are Fernet keys")]


async def check_functions(subject: Subject) -> list[Finding]:
    """Each function's health page, and whether workers take FUNCTIONS_SECRET."""
    health = await asyncio.gather(*(_check_health(subject, name) for name in FUNCTIONS))
    if all(finding.says == NO_ANSWER for finding in health):
        remedy = "Start them (make up), or correct FUNCTIONS_URL"
        says = f"No function answers at {subject.settings.functions_url}"
        return [error("functions", says, remedy)]
    return [*health, await _check_functions_secret(subject)]


def _function_url(subject: Subject, name: str) -> str:
    return f"{subject.settings.functions_url.rstrip('/')}/functions/v1/{name}"


async def _check_health(subject: Subject, name: str) -> Finding:
    check = f"function {name}"
    try:
        answer = await subject.client.get(f"{_function_url(subject, name)}/healthz")
        data = answer.json()["data"]
        version, database = data["version"], data["database"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        remedy = (
            f"Deploy it, or look into its log; {_function_url(subject, name)}/healthz should answer"
        )
        if name == OPTIONAL:
            return warning(check, NO_ANSWER, f"Nothing, if you go without its pages. {remedy}")
        return error(check, NO_ANSWER, remedy)
    if database != "reachable":
        remedy = "Correct SUPABASE_URL and the keys in the function's own settings"
        return error(check, "runs, and does not reach the database", remedy)
    if version != VERSION:
        return warning(check, f"is version {version}, this is {VERSION}", "Deploy it anew")
    return ok(check, f"is healthy, version {version}")


async def _check_functions_secret(subject: Subject) -> Finding:
    secret = subject.settings.functions_secret.get_secret_value()
    # A delivery that does not exist: whoever may ask has nothing done.
    try:
        answer = await subject.client.post(
            _function_url(subject, "dispatch"),
            headers={"Authorization": f"Bearer {secret}"},
            json={"delivery_ids": ["00000000-0000-0000-0000-000000000000"]},
        )
    except httpx.HTTPError:
        return error(
            "functions-secret", "Not tried: dispatch does not answer", "See function dispatch"
        )
    if answer.status_code == httpx.codes.OK:
        return ok("functions-secret", "dispatch takes FUNCTIONS_SECRET")
    remedy = "Let FUNCTIONS_SECRET be the same here, in every function's settings and in Vault"
    return error(
        "functions-secret", f"dispatch answers {answer.status_code} to FUNCTIONS_SECRET", remedy
    )
