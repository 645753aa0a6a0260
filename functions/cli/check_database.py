"""Checks that only the database can answer: schema, keys, clock, extensions, and work that waits."""

from __future__ import annotations

from datetime import datetime, timedelta

import psycopg

from functions.cli.findings import Finding, Subject, error, ok, warning
from shared.encryption import SecretBox
from shared.errors import InternalError

Connection = psycopg.AsyncConnection[tuple[object, ...]]

MAX_SKEW = timedelta(seconds=60)
"""Signatures are refused from 300 seconds on; a minute is worth a word."""

OVERDUE = timedelta(seconds=60)
"""A sweep comes every few seconds, so nothing that is due waits this long while workers are called."""

WAITING = """
select stage::text, count(*) from public.webhook_events
where status in ('pending', 'processing') and stage in ('classify', 'prepare', 'rules')
  and coalesce(leased_until, run_after) < now() - %(overdue)s
group by stage
union all
-- Deliveries may wait for their receivers' limits: only where no attempt is made at all does nobody call dispatch.
select 'dispatch', count(*) from public.webhook_deliveries d
join public.webhooks w on w.id = d.webhook_id and w.active
where d.status in ('pending', 'delivering') and coalesce(d.leased_until, d.run_after) < now() - %(overdue)s
  and not exists (select from public.webhook_logs l where l.id >= private.first_id_at(now() - %(overdue)s))
having count(*) > 0
"""

DOCUMENT = "functions/deploy/README.md, “The database”"


async def check_database(subject: Subject) -> list[Finding]:
    """Everything that needs DATABASE_URL. Without the schema, only that is told."""
    connection = subject.database
    if connection is None:
        if not subject.settings.database_url.get_secret_value():
            remedy = (
                "Put the session pooler's or the direct address into .env to have the rest checked"
            )
            return [warning("database", "DATABASE_URL is not set", remedy)]
        remedy = "Correct address and password: dashboard, Connect → Session pooler"
        return [error("database", "DATABASE_URL does not let us in", remedy)]
    schema = await _check_schema(connection, subject)
    clock = await _check_clock(connection, subject)
    if schema.level == "error":
        return [ok("database", "DATABASE_URL lets us in"), schema, clock]
    return [
        ok("database", "DATABASE_URL lets us in"),
        schema,
        clock,
        await _check_stored_secrets(connection, subject),
        await _check_sweeps(connection),
        await _check_calls(connection, subject),
        await _check_waiting(connection),
    ]


async def _value(connection: Connection, query: str) -> object:
    row = await (await connection.execute(query.encode())).fetchone()
    return None if row is None else row[0]


async def _check_schema(connection: Connection, subject: Subject) -> Finding:
    if await _value(connection, "select to_regclass('public.webhook_events')") is None:
        return error("schema", "The schema is not there", "Push it: make push")
    if (
        await _value(connection, "select to_regclass('supabase_migrations.schema_migrations')")
        is None
    ):
        return warning("schema", "Nothing notes which migrations ran", "Push them once: make push")
    rows = await connection.execute("select version from supabase_migrations.schema_migrations")
    applied = {str(version) for (version,) in await rows.fetchall()}
    missing = [version for version in subject.migrations if version not in applied]
    if missing:
        says = f"{len(missing)} migrations are missing, the first is {missing[0]}"
        return error("schema", says, "Push them before the functions: make push")
    return ok("schema", f"All {len(applied)} migrations are there")


async def _check_clock(connection: Connection, subject: Subject) -> Finding:
    theirs = await _value(connection, "select clock_timestamp()")
    assert isinstance(theirs, datetime)  # noqa: S101 (that is its type)
    skew = abs(subject.now() - theirs)
    if skew > MAX_SKEW:
        says = (
            f"This machine's clock and the database's are {skew.total_seconds():.0f} seconds apart"
        )
        remedy = "Let both follow NTP (timedatectl set-ntp true): signatures with a time are refused else"
        return error("clock", says, remedy)
    return ok("clock", "This machine's clock agrees with the database's")


async def _check_stored_secrets(connection: Connection, subject: Subject) -> Finding:
    try:
        box = SecretBox.from_setting(subject.settings.encryption_keys.get_secret_value())
    except ValueError:
        return error("stored-secrets", "Not tried: there are no keys", "See encryption-keys")
    rows = await connection.execute(
        "(select ciphertext from private.endpoint_secrets where expires_at is null or expires_at > now()"
        " order by created_at desc limit 100) union all (select ciphertext from private.webhook_secrets"
        " where expires_at is null or expires_at > now() order by created_at desc limit 100)"
    )
    stored = [str(ciphertext) for (ciphertext,) in await rows.fetchall()]
    unreadable = sum(not _fits(box, ciphertext) for ciphertext in stored)
    if unreadable:
        says = (
            f"{unreadable} of the {len(stored)} newest secrets cannot be read with ENCRYPTION_KEYS"
        )
        remedy = "Add the key that they were stored under to ENCRYPTION_KEYS, after the first, everywhere"
        return error("stored-secrets", says, remedy)
    return ok("stored-secrets", f"The {len(stored)} newest secrets can be read")


def _fits(box: SecretBox, ciphertext: str) -> bool:
    try:
        box.decrypt(ciphertext)
    except InternalError:
        return False
    return True


async def _check_sweeps(connection: Connection) -> Finding:
    if await _value(connection, "select to_regclass('cron.job')") is None:
        remedy = f"Enable pg_cron, or keep a scheduler running, as make up does: {DOCUMENT}"
        return warning(
            "sweeps", "pg_cron is not there: the database does not sweep by itself", remedy
        )
    active = "select count(*) from cron.job where jobname in ('switchhook-sweep', 'switchhook-retention')"
    if await _value(connection, active) != 2:
        remedy = "Run in the SQL editor: select private.schedule();"
        return error("sweeps", "pg_cron is there, and has not been told to sweep", remedy)
    return ok("sweeps", "pg_cron sweeps and deletes what is old")


async def _check_calls(connection: Connection, subject: Subject) -> Finding:
    if await _value(connection, "select private.functions_are_known()") is not True:
        remedy = f"Enable pg_net, or keep a scheduler running, as make up does: {DOCUMENT}"
        return warning("calls", "pg_net is not there: the database does not call functions", remedy)
    rows = await connection.execute(
        "select name, decrypted_secret from vault.decrypted_secrets where name like 'switchhook\\_%'"
    )
    told = {str(name): str(value) for name, value in await rows.fetchall()}
    secret = told.get("switchhook_functions_secret")
    if secret is None or not any(name.endswith("_url") for name in told):
        remedy = (
            f"Put switchhook_functions_url and switchhook_functions_secret into Vault: {DOCUMENT}"
        )
        return error(
            "calls", "Vault does not say where the functions are and how to call them", remedy
        )
    if secret != subject.settings.functions_secret.get_secret_value():
        remedy = "Let switchhook_functions_secret in Vault say what FUNCTIONS_SECRET says"
        return error("calls", "Vault has another secret than FUNCTIONS_SECRET", remedy)
    return ok("calls", "pg_net calls functions as soon as they have work")


async def _check_waiting(connection: Connection) -> Finding:
    rows = await connection.execute(WAITING, {"overdue": OVERDUE})
    waiting = {str(stage): count for stage, count in await rows.fetchall()}
    if waiting:
        told = ", ".join(f"{count} in {stage}" for stage, count in sorted(waiting.items()))
        remedy = (
            "Nobody calls the workers, or they cannot keep up: see sweeps, calls and their logs"
        )
        return error("waiting", f"Work has been due for over a minute: {told}", remedy)
    return ok("waiting", "Nothing that is due waits")
