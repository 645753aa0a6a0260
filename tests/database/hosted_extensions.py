"""Stand-ins for what hosted projects have and the local stack has not: pg_cron, pg_net and Vault.

They have the names, signatures and privileges of the real ones as far as sql/80_schedule.sql knows
them, and record calls.
"""

from __future__ import annotations

from tests.database.rpcs import Connection, Row

CRON = """
create schema cron;
create table cron.job (jobid bigserial primary key, schedule text not null, command text not null, jobname text unique);
create table cron.job_run_details (jobid bigint, runid bigserial primary key, end_time timestamptz);
create function cron.schedule(job_name text, schedule text, command text) returns bigint
language plpgsql as $$
declare v_id bigint;
begin
  if not {seconds} and schedule like '%seconds' then
    raise exception 'invalid schedule: %', schedule using errcode = '22023';
  end if;
  insert into cron.job as j (jobname, schedule, command) values (job_name, $2, $3)
  on conflict (jobname) do update set schedule = excluded.schedule, command = excluded.command
  returning j.jobid into v_id;
  return v_id;
end
$$;
grant usage on schema cron to postgres;
grant all on all tables in schema cron to postgres;
grant all on all sequences in schema cron to postgres;
"""

NET = """
create schema net;
create unlogged table net.http_request_queue (
  id bigserial primary key, method text not null, url text not null, headers jsonb, body bytea,
  timeout_milliseconds integer not null);
create function net.http_post(
  url text, body jsonb default '{}', params jsonb default '{}',
  headers jsonb default '{"Content-Type": "application/json"}',
  timeout_milliseconds integer default 5000) returns bigint
language sql as $$
  insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
  values ('POST', $1, $4, convert_to($2::text, 'UTF8'), $5) returning id
$$;
grant usage on schema net to postgres;
grant all on all tables in schema net to postgres;
grant all on all sequences in schema net to postgres;
"""

VAULT = """
create schema vault;
create table vault.secrets (name text unique, secret text not null);
create view vault.decrypted_secrets as select name, secret as decrypted_secret from vault.secrets;
grant usage on schema vault to postgres;
grant select on vault.decrypted_secrets to postgres;
"""

FUNCTIONS_URL = "https://abc.supabase.co"
SECRET = "functions-secret"


def add_cron(connection: Connection, *, seconds: bool = True) -> None:
    """`seconds`: whether it is a pg_cron from 1.5 on, which takes intervals of seconds."""
    connection.execute(CRON.replace("{seconds}", str(seconds).lower()).encode())


def add_net(connection: Connection, **secrets: str) -> None:
    """pg_net, and Vault with these secrets; where functions are and how to call them if none are named."""
    connection.execute(NET.encode())
    connection.execute(VAULT.encode())
    named = secrets or {
        "switchhook_functions_url": FUNCTIONS_URL,
        "switchhook_functions_secret": SECRET,
    }
    for name, value in named.items():
        connection.execute("insert into vault.secrets values (%s, %s)", [name, value])


def jobs(connection: Connection) -> dict[str, Row]:
    """What pg_cron was told, by the name of the job."""
    return {row["jobname"]: row for row in connection.execute("select * from cron.job")}


def calls(connection: Connection) -> list[Row]:
    """What pg_net was told to post, in order."""
    return connection.execute(
        "select url, headers, convert_from(body, 'UTF8') as body, timeout_milliseconds "
        "from net.http_request_queue order by id"
    ).fetchall()
