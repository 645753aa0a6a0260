-- What every other file stands on: the private schema, admins, and the small functions shared by all tables.
-- Nothing in `private` is reachable through the Data API: PostgREST exposes `public` only.
--
-- Refusals that callers of the Data API see are raised with errcode 'PT' and the HTTP status, which makes PostgREST
-- answer with that status, and with the error's own number (shared/errors.py) as detail. Raised bare, a number of ours
-- reaches the caller as status 400, or from the local API server as 500 without the number.

create schema if not exists private;
comment on schema private is 'Secrets, raw bodies and helper functions. Never exposed through the Data API.';
revoke all on schema private from public;
grant usage on schema private to authenticated, service_role;

create table private.admins (
  user_id uuid primary key references auth.users (id) on delete cascade,
  created_at timestamptz not null default now()
);
comment on table private.admins is 'Users who see and manage everybody''s rows. Rows are added in the dashboard''s SQL editor only.';
alter table private.admins enable row level security;
revoke all on table private.admins from public, anon, authenticated, service_role;

-- Security definer: policies of every table ask it, and their callers may not read private.admins.
create function private.is_admin() returns boolean
language sql stable security definer set search_path = ''
as $$
  select exists (select from private.admins a where a.user_id = (select auth.uid()))
$$;
comment on function private.is_admin() is 'Whether the caller''s JWT belongs to an admin.';
revoke execute on function private.is_admin() from public, anon;
grant execute on function private.is_admin() to authenticated, service_role;

create function private.owns(p_user_id uuid) returns boolean
language sql stable security invoker set search_path = ''
as $$
  select coalesce(p_user_id = (select auth.uid()), false) or private.is_admin()
$$;
comment on function private.owns(uuid) is 'Whether the caller may manage a row of this user: their own, or anybody''s for an admin.';
revoke execute on function private.owns(uuid) from public, anon;
grant execute on function private.owns(uuid) to authenticated, service_role;

create function private.touch_updated_at() returns trigger
language plpgsql security invoker set search_path = ''
as $$
begin
  new.updated_at := now();
  return new;
end
$$;
comment on function private.touch_updated_at() is 'Keeps updated_at true.';
revoke execute on function private.touch_updated_at() from public;

create function private.wake(p_function text) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  -- NOTIFY takes a lock at commit that the whole database shares, so this runs once per statement, never per row.
  perform pg_notify('switchhook', p_function);
  perform private.call_function(p_function);
end
$$;
comment on function private.wake(text) is
  'Says that a pipeline function has work: to whoever listens on the channel "switchhook", and hosted to the function itself. A lost call costs one sweep interval, never an event.';
revoke execute on function private.wake(text) from public, anon, authenticated;
grant execute on function private.wake(text) to service_role;

create function private.max_attempts() returns integer
language sql immutable security invoker set search_path = ''
as $$ select 10 $$;
comment on function private.max_attempts() is 'Claims after which an event that never finished is failed.';
revoke execute on function private.max_attempts() from public, anon, authenticated;
grant execute on function private.max_attempts() to service_role;

create function private.backoff(p_attempts integer) returns interval
language sql volatile security invoker set search_path = ''
as $$
  -- 2 s, 4 s, 8 s … up to 30 min, each ±20 % so that failures of one moment do not come back together.
  select least(1800, power(2, least(p_attempts, 11))) * (0.8 + random() * 0.4) * interval '1 second'
$$;
comment on function private.backoff(integer) is 'The wait before the next attempt, after p_attempts attempts.';
revoke execute on function private.backoff(integer) from public, anon, authenticated;
grant execute on function private.backoff(integer) to service_role;

create function private.may_pass(p_sqlstate text) returns boolean
language sql immutable security invoker set search_path = ''
as $$
  -- Rolled back for others' sake (40), out of resources (53), locked (55), stopped by an operator (57), a broken disk (58, XX).
  select left(p_sqlstate, 2) in ('40', '53', '55', '57', '58', 'XX')
$$;
comment on function private.may_pass(text) is 'Whether an error is of the moment: the same work may go well the next time.';
revoke execute on function private.may_pass(text) from public, anon;
grant execute on function private.may_pass(text) to authenticated, service_role;

create function private.as_uuids(p_ids text) returns uuid[]
language sql immutable security invoker set search_path = ''
as $$
  select array_agg(value::uuid) from json_array_elements_text(p_ids::json)
$$;
comment on function private.as_uuids(text) is 'A JSON array of ids as an array; null for an empty array or null.';
revoke execute on function private.as_uuids(text) from public, anon;
grant execute on function private.as_uuids(text) to authenticated, service_role;
