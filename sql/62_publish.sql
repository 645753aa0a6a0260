-- Publishing: an event and its deliveries are written in the transaction of whoever publishes, so the event exists exactly
-- if the change does that it tells of.

create type public.webhook_delivery_status as enum ('pending', 'delivering', 'delivered', 'failed', 'filtered');

create function private.time_ordered_id() returns uuid
language sql volatile security invoker set search_path = ''
as $$
  -- RFC 9562, version 7: 48 bits of milliseconds, then chance; bits 48 to 51 say 7, bits 64 and 65 the variant. PostgreSQL 18 has uuidv7().
  select encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid()) placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6),
      52, 1), 53, 1), 'hex')::uuid
$$;
comment on function private.time_ordered_id() is 'A UUIDv7: ids made later sort later.';
revoke execute on function private.time_ordered_id() from public, anon, authenticated;
grant execute on function private.time_ordered_id() to service_role;

create table public.published_events (
  id uuid primary key default private.time_ordered_id(),
  user_id uuid not null references auth.users (id) on delete cascade,
  type text not null constraint types_are_event_names check (private.is_event_name(type)),
  data json not null constraint data_is_deliverable check (private.is_deliverable(data)),
  idempotency_key text constraint idempotency_keys_are_short check (length(idempotency_key) between 1 and 255),
  is_test boolean not null default false,
  created_at timestamptz not null default clock_timestamp(),
  webhook_event_id uuid,
  constraint published_events_user_id_idempotency_key_key unique (user_id, idempotency_key),
  constraint published_events_webhook_event_fkey foreign key (user_id, webhook_event_id)
    references public.webhook_events (user_id, id) on delete set null (webhook_event_id)
);
comment on table public.published_events is 'The outbox: every event that was published, once, whoever received it.';
comment on column public.published_events.data is 'As it was published: json, not jsonb, keeps the order of its keys.';
comment on column public.published_events.is_test is 'Made to try one webhook, and delivered to no other.';
comment on column public.published_events.webhook_event_id is 'The event that came in and led to this one, by a rule or by the record that was made of it; null where none did.';
create index published_events_webhook_event_idx on public.published_events (user_id, webhook_event_id) where webhook_event_id is not null;
create index published_events_user_id_id_idx on public.published_events (user_id, id);
alter table public.published_events enable row level security;
create policy "owners and admins read what they published" on public.published_events for select to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.published_events from public, anon, authenticated, service_role;
grant select on table public.published_events to authenticated;
grant select, insert, update, delete on table public.published_events to service_role;

create table public.webhook_deliveries (
  id uuid primary key default private.time_ordered_id(),
  published_event_id uuid not null references public.published_events (id) on delete cascade,
  webhook_id uuid not null references public.webhooks (id) on delete cascade,
  user_id uuid not null,
  status public.webhook_delivery_status not null default 'pending',
  attempts integer not null default 0,
  attempts_before integer not null default 0,
  run_after timestamptz not null default now(),
  lease_id uuid,
  leased_until timestamptz,
  response_status integer,
  error_message text,
  finished_at timestamptz,
  created_at timestamptz not null default now(),
  is_test boolean not null default false,
  counted_in timestamptz,
  constraint webhook_deliveries_published_event_id_webhook_id_key unique (published_event_id, webhook_id),
  constraint leased_deliveries_have_a_lease check ((status = 'delivering') = (lease_id is not null) and (lease_id is null) = (leased_until is null)),
  constraint finished_deliveries_say_when check ((status in ('delivered', 'failed', 'filtered')) = (finished_at is not null)),
  constraint failed_deliveries_say_why check (status <> 'failed' or error_message is not null),
  constraint attempts_only_grow check (attempts >= attempts_before)
);
comment on table public.webhook_deliveries is 'One row per event and webhook that subscribes to it: the queue that dispatch works through.';
comment on column public.webhook_deliveries.user_id is 'Owner of the webhook, kept here so that policies need no join.';
comment on column public.webhook_deliveries.status is 'pending (waits for run_after) → delivering (leased) → delivered, failed (may be retried by hand) or filtered (the webhook''s filter left it out).';
comment on column public.webhook_deliveries.attempts is 'Attempts begun, over the whole life of the delivery.';
comment on column public.webhook_deliveries.attempts_before is 'Attempts before it was queued last. Retries are spaced by those since.';
comment on column public.webhook_deliveries.error_message is 'What the last attempt ended with, if not well.';
comment on column public.webhook_deliveries.is_test is 'As in its event. A test is tried once, also where the webhook is off.';
comment on column public.webhook_deliveries.counted_in is 'Start of the minute of the webhook''s rate limit in which the last attempt counts; null where it counts in none.';
-- Holds unfinished work only, so a claim costs the same beside any number of finished rows. A leased row is due again when its lease ends.
create index webhook_deliveries_due_idx on public.webhook_deliveries (webhook_id, (coalesce(leased_until, run_after)))
  where status in ('pending', 'delivering');
create index webhook_deliveries_tests_idx on public.webhook_deliveries (webhook_id, (coalesce(leased_until, run_after)))
  where status in ('pending', 'delivering') and is_test;
create index webhook_deliveries_leased_idx on public.webhook_deliveries (webhook_id, leased_until) where status = 'delivering';
create index webhook_deliveries_failed_idx on public.webhook_deliveries (webhook_id, created_at) where status = 'failed';
create index webhook_deliveries_webhook_id_idx on public.webhook_deliveries (webhook_id, id);
create index webhook_deliveries_user_id_idx on public.webhook_deliveries (user_id, id);
alter table public.webhook_deliveries enable row level security;
create policy "owners and admins read deliveries" on public.webhook_deliveries for select to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.webhook_deliveries from public, anon, authenticated, service_role;
grant select on table public.webhook_deliveries to authenticated;
grant select, insert, update, delete on table public.webhook_deliveries to service_role;

create type private.outgoing_event as (
  user_id uuid,
  type text,
  data json,
  idempotency_key text
);
comment on type private.outgoing_event is 'An event to be published; see private.publish.';

create function private.add_deliveries(p_event_ids uuid[]) returns integer
language plpgsql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_added integer;
begin
  insert into public.webhook_deliveries (published_event_id, webhook_id, user_id)
  select e.id, w.id, w.created_by
  from public.published_events e
  cross join lateral (
    -- A webhook that is being deleted is passed over: waited for, it would take the publisher's transaction down with it. What
    -- never waits needs no order, and asked for one, PostgreSQL may read everybody's webhooks in it.
    select h.id, h.created_by from public.webhooks h
    where h.created_by = e.user_id and h.active and h.events && private.patterns_of(e.type)
    for key share skip locked) w
  where e.id = any (p_event_ids)
  order by e.id, w.id
  on conflict (published_event_id, webhook_id) do nothing;
  get diagnostics v_added = row_count;
  if v_added > 0 then
    perform private.wake('dispatch');
  end if;
  return v_added;
end
$$;
comment on function private.add_deliveries(uuid[]) is 'Queues these events for every active webhook that subscribes to them and does not have them yet; how many deliveries that were.';
revoke execute on function private.add_deliveries(uuid[]) from public, anon, authenticated;
grant execute on function private.add_deliveries(uuid[]) to service_role;

create function private.publish(p_events private.outgoing_event[]) returns uuid[]
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_cause uuid := nullif(current_setting('switchhook.webhook_event_id', true), '')::uuid;
  v_ids uuid[];
begin
  with stored as (
    insert into public.published_events (user_id, type, data, idempotency_key, webhook_event_id)
    select e.user_id, e.type, e.data, e.idempotency_key, case when v_cause is not null then (
      select w.id from public.webhook_events w where w.user_id = e.user_id and w.id = v_cause) end
    from unnest(p_events) e
    on conflict (user_id, idempotency_key) do nothing
    returning id
  )
  select coalesce(array_agg(s.id), '{}') into v_ids from stored s;
  if cardinality(v_ids) > 0 then
    perform private.add_deliveries(v_ids);
  end if;
  return v_ids;
end
$$;
comment on function private.publish(private.outgoing_event[]) is
  'Publishes events and queues them for who subscribes; ids of those that are new. An event whose key its user has used before is left out.';
revoke execute on function private.publish(private.outgoing_event[]) from public, anon, authenticated;
grant execute on function private.publish(private.outgoing_event[]) to service_role;

-- Security definer: the outbox is written by functions only. What a signed-in user publishes is their own.
create function private.publish_event(p_type text, p_data text, p_user_id uuid, p_idempotency_key text) returns jsonb
language plpgsql volatile security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_data json := private.parse_data(p_data);
  v_id uuid;
  v_is_new boolean;
  v_is_same boolean;
begin
  -- The Data API always sets a role; who has none is connected to the database itself.
  if current_setting('role') not in ('none', 'postgres', 'service_role') and not private.owns(p_user_id) then
    raise exception 'Events are published for oneself' using errcode = 'PT403', detail = 'WH006';
  end if;
  if p_user_id is null or not coalesce(private.is_event_name(p_type), false) then
    raise exception 'The type is words of letters, digits, _ and - with dots between them, 128 characters at most' using errcode = 'PT400', detail = 'WH001';
  end if;
  if length(p_idempotency_key) not between 1 and 255 then
    raise exception 'An idempotency key has 1 to 255 characters' using errcode = 'PT400', detail = 'WH001';
  end if;
  v_id := (private.publish(array[row(p_user_id, p_type, v_data, p_idempotency_key)::private.outgoing_event]))[1];
  v_is_new := v_id is not null;
  if not v_is_new then
    -- As jsonb: whoever says it again may write the keys in another order, or 1.0 for 1.
    select e.id, e.type = p_type and e.data::jsonb = v_data::jsonb into v_id, v_is_same
    from public.published_events e where e.user_id = p_user_id and e.idempotency_key = p_idempotency_key;
    if not v_is_same then
      raise exception 'This idempotency key was used before, for an event with another name or other data'
        using errcode = 'PT409', detail = 'WH020';
    end if;
  end if;
  return jsonb_build_object('id', v_id, 'state', case when v_is_new then 'published' else 'duplicate' end,
    'deliveries', (select count(*) from public.webhook_deliveries d where d.published_event_id = v_id));
end
$$;
comment on function private.publish_event(text, text, uuid, text) is 'See public.publish_event.';
revoke execute on function private.publish_event(text, text, uuid, text) from public, anon;
grant execute on function private.publish_event(text, text, uuid, text) to authenticated, service_role;

create function public.publish_event(p_type text, p_data text, p_user_id uuid default auth.uid(), p_idempotency_key text default null) returns jsonb
language sql volatile security invoker set search_path = ''
as $$
  select private.publish_event(p_type, p_data, p_user_id, p_idempotency_key)
$$;
comment on function public.publish_event(text, text, uuid, text) is
  'Publishes an event of a user in the caller''s transaction. p_data: a JSON object. Answers {id, state: published | duplicate (the key was used before: id is the first event''s), deliveries}. A key that was used before for another type or other data is refused.';
revoke execute on function public.publish_event(text, text, uuid, text) from public, anon;
grant execute on function public.publish_event(text, text, uuid, text) to authenticated, service_role;

create function private.row_as_data(p_name text, p_row json, p_id jsonb) returns json
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_data json;
begin
  -- json_object_agg keeps the order of the columns.
  select json_build_object(p_name, json_object_agg(c.key, c.value)) into v_data from json_each(p_row) c where c.key <> 'user_id';
  return case when private.is_deliverable(v_data) then v_data else json_build_object(p_name, json_build_object('id', p_id)) end;
exception
  when data_exception or statement_too_complex or program_limit_exceeded then
    return json_build_object(p_name, json_build_object('id', p_id));
end
$$;
comment on function private.row_as_data(text, json, jsonb) is
  'A row as the data of an event: {name: row}, without its owner. A row that not every receiver could parse is told by its id.';
revoke execute on function private.row_as_data(text, json, jsonb) from public, anon, authenticated;
grant execute on function private.row_as_data(text, json, jsonb) to service_role;

create function private.comparable(p_row json) returns jsonb
language plpgsql immutable security invoker set search_path = ''
as $$
begin
  return p_row::jsonb - 'updated_at';
exception
  when data_exception or statement_too_complex or program_limit_exceeded then
    return jsonb_build_object('md5', md5(p_row::text));
end
$$;
comment on function private.comparable(json) is 'A row in a form that tells whether anything but its updated_at has changed, whatever it holds.';
revoke execute on function private.comparable(json) from public, anon, authenticated;
grant execute on function private.comparable(json) to service_role;

-- Security definer: whoever may change the row need not be allowed to write to the outbox.
create function private.publish_rows() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_name text := tg_argv[0];
  v_changes jsonb := tg_argv[1]::jsonb;
  v_events private.outgoing_event[];
begin
  -- Rows of users who are not there (any more) are left out: a change must not fail because it cannot be told.
  if tg_op = 'INSERT' then
    select array_agg(row(n.user_id, v_name || '.created', private.row_as_data(v_name, row_to_json(n), to_jsonb(n.id)), null)::private.outgoing_event)
    into v_events from new_rows n join auth.users u on u.id = n.user_id;
  elsif tg_op = 'DELETE' then
    select array_agg(row(o.user_id, v_name || '.deleted', private.row_as_data(v_name, row_to_json(o), to_jsonb(o.id)), null)::private.outgoing_event)
    into v_events from old_rows o join auth.users u on u.id = o.user_id;
  else
    select array_agg(row(c.user_id, v_name || '.' || e.word, private.row_as_data(v_name, c.row, to_jsonb(c.id)), null)::private.outgoing_event)
    into v_events
    from (
      select n.id, n.user_id, row_to_json(n) as row, private.comparable(row_to_json(n)) as after, private.comparable(row_to_json(o)) as before
      from new_rows n
      join old_rows o using (id)
      join auth.users u on u.id = n.user_id) c
    cross join lateral (
      select 'updated' as word
      union all
      select n.value ->> (c.after ->> n.key) from jsonb_each(v_changes) n
      where c.after -> n.key is distinct from c.before -> n.key and n.value ? (c.after ->> n.key)) e
    where c.after <> c.before;
  end if;
  if v_events is not null then
    perform private.publish(v_events);
  end if;
  return null;
end
$$;
comment on function private.publish_rows() is 'Publishes what a statement did to a tracked table. Arguments: see private.track_table.';
revoke execute on function private.publish_rows() from public;

create function private.track_table(p_table regclass, p_name text, p_changes jsonb default '{}') returns void
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  if not exists (select from pg_catalog.pg_attribute a where a.attrelid = p_table and a.attname = 'id' and not a.attisdropped)
    or not exists (select from pg_catalog.pg_attribute a
      where a.attrelid = p_table and a.attname = 'user_id' and a.atttypid = 'uuid'::regtype and not a.attisdropped) then
    raise exception 'A tracked table has a column id, and a column user_id of type uuid' using errcode = 'WH001';
  end if;
  if p_table in (select to_regclass(t) from unnest(array['public.published_events', 'public.webhook_deliveries', 'public.webhook_logs']) t) then
    raise exception 'Publishing an event writes to this table, so it cannot publish events itself' using errcode = 'WH001';
  end if;
  if exists (select from jsonb_object_keys(p_changes) c where not exists (
      select from pg_catalog.pg_attribute a where a.attrelid = p_table and a.attname = c and a.attnum > 0 and not a.attisdropped)) then
    raise exception 'The table has no such column as one of those whose changes are to be told' using errcode = 'WH001';
  end if;
  if not private.is_event_name(p_name || '.created')
    or exists (select from jsonb_each(p_changes) c, jsonb_each_text(c.value) w where not private.is_event_name(p_name || '.' || w.value)) then
    raise exception 'The name, and what it is given for changes, are parts of the names of events, such as ticket and resolved' using errcode = 'WH001';
  end if;
  execute format('create or replace trigger publish_inserts after insert on %s referencing new table as new_rows
    for each statement execute function private.publish_rows(%L, %L)', p_table, p_name, p_changes);
  execute format('create or replace trigger publish_updates after update on %s referencing old table as old_rows new table as new_rows
    for each statement execute function private.publish_rows(%L, %L)', p_table, p_name, p_changes);
  execute format('create or replace trigger publish_deletes after delete on %s referencing old table as old_rows
    for each statement execute function private.publish_rows(%L, %L)', p_table, p_name, p_changes);
end
$$;
comment on function private.track_table(regclass, text, jsonb) is
  'Publishes <name>.created, .updated and .deleted with {name: row} as data from now on, for the user in the row''s user_id. A row that not every receiver could parse is told by its id. p_changes names more: {"status": {"resolved": "resolved"}} publishes <name>.resolved when status becomes resolved. For the owner of the table, in the SQL editor or a migration.';
revoke execute on function private.track_table(regclass, text, jsonb) from public, anon, authenticated, service_role;

select private.track_table('public.tickets', 'ticket', '{"status": {"resolved": "resolved", "escalated": "escalated"}}');
