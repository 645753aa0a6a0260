-- Accepted deliveries, their raw bodies, the log of what was done with them, and the lease that the worker functions share.
--
-- stage:   classify → (review →) prepare → rules → done
-- status:  pending (waits, also for a person in review) → processing (leased) → processed or failed

create type public.webhook_event_status as enum ('pending', 'processing', 'processed', 'failed');
create type public.webhook_event_stage as enum ('classify', 'review', 'prepare', 'rules', 'done');

create table public.webhook_events (
  id uuid primary key,
  endpoint_id uuid not null references public.webhook_endpoints (id) on delete cascade,
  user_id uuid not null,
  external_id text,
  event_type text not null,
  payload jsonb not null,
  headers jsonb not null default '{}',
  scheme text not null,
  dedupe_key text not null,
  status public.webhook_event_status not null default 'pending',
  stage public.webhook_event_stage not null default 'classify',
  entity_table text,
  is_person boolean,
  person_id uuid references public.people (id) on delete set null,
  entity_id uuid references public.entities (id) on delete set null,
  ai_confidence numeric(4, 3),
  classified_by text,
  error_message text,
  attempts integer not null default 0,
  run_after timestamptz not null default now(),
  lease_id uuid,
  leased_until timestamptz,
  processed_at timestamptz,
  created_at timestamptz not null default now(),
  constraint webhook_events_dedupe_key_endpoint_id_key unique (dedupe_key, endpoint_id),
  constraint webhook_events_user_id_id_key unique (user_id, id),
  constraint leased_rows_have_a_lease check ((status = 'processing') = (lease_id is not null) and (lease_id is null) = (leased_until is null)),
  constraint processed_rows_are_done check ((status = 'processed') = (stage = 'done') and (status = 'processed') = (processed_at is not null)),
  constraint failed_rows_say_why check (status <> 'failed' or error_message is not null),
  constraint rows_in_review_wait check (stage <> 'review' or status = 'pending'),
  constraint classified_rows_say_what check (stage in ('classify', 'review') or (entity_table is not null and is_person is not null))
);
comment on table public.webhook_events is 'One row per accepted delivery, and the queue that the pipeline works through.';
comment on column public.webhook_events.id is 'UUIDv7 made by ingest, so ids sort by time of arrival.';
comment on column public.webhook_events.user_id is 'Owner of the endpoint, kept here so that policies and queue claims need no join.';
comment on column public.webhook_events.external_id is 'The source''s id of the thing that the event is about.';
comment on column public.webhook_events.headers is 'Request headers without credentials.';
comment on column public.webhook_events.scheme is 'Verification scheme that the request passed; none means nobody verified it.';
comment on column public.webhook_events.dedupe_key is 'id:… (the delivery''s own id) or body:… (SHA-256 of the body).';
comment on column public.webhook_events.entity_table is 'Name of the entity type.';
comment on column public.webhook_events.classified_by is 'Which classifier or person decided entity_table and is_person.';
comment on column public.webhook_events.attempts is 'Claims in the present stage.';
comment on column public.webhook_events.run_after is 'Not claimed before this time.';

-- Holds unfinished work only, so a claim costs the same beside any number of finished rows. A leased row is due again when its lease ends.
create index webhook_events_due_idx on public.webhook_events (stage, user_id, (coalesce(leased_until, run_after)))
  where status in ('pending', 'processing') and stage in ('classify', 'prepare', 'rules');
create index webhook_events_review_idx on public.webhook_events (user_id, id) where stage = 'review';
create index webhook_events_review_endpoint_idx on public.webhook_events (endpoint_id, id) where stage = 'review';
create index webhook_events_review_type_idx on public.webhook_events (user_id, entity_table, id) where stage = 'review';
create index webhook_events_failed_idx on public.webhook_events (user_id, id) where status = 'failed';
create index webhook_events_endpoint_id_idx on public.webhook_events (endpoint_id, id);
create index webhook_events_person_id_idx on public.webhook_events (person_id) where person_id is not null;
create index webhook_events_entity_id_idx on public.webhook_events (entity_id) where entity_id is not null;

alter table public.webhook_events enable row level security;
create policy "owners and admins read events" on public.webhook_events for select to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins delete events" on public.webhook_events for delete to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.webhook_events from public, anon, authenticated, service_role;
grant select, delete on table public.webhook_events to authenticated;
grant select, insert, update, delete on table public.webhook_events to service_role;

create table private.webhook_bodies (
  webhook_event_id uuid primary key references public.webhook_events (id) on delete cascade,
  body bytea not null,
  content_type text
);
comment on table private.webhook_bodies is 'The body of each delivery as it came, byte for byte (after gzip).';
alter table private.webhook_bodies enable row level security;
revoke all on table private.webhook_bodies from public, anon, authenticated, service_role;
grant select, insert on table private.webhook_bodies to service_role;

create table public.webhook_event_logs (
  id uuid primary key default gen_random_uuid(),
  webhook_event_id uuid not null references public.webhook_events (id) on delete cascade,
  user_id uuid not null,
  rule_id uuid,
  action_id uuid,
  action_type text not null,
  action_config jsonb not null default '{}',
  success boolean not null,
  error_message text,
  result jsonb not null default '{}',
  duration_ms numeric,
  processed_at timestamptz not null default clock_timestamp(),
  constraint webhook_event_logs_action_key unique nulls not distinct (webhook_event_id, rule_id, action_id, action_type),
  constraint failures_say_why check (success or error_message is not null)
);
comment on table public.webhook_event_logs is 'What was done with an event: classification, people and records, decisions of users, each rule action. One row per event and action.';
comment on column public.webhook_event_logs.rule_id is 'The rule, for rule actions. No foreign key: the log outlives the rule.';
comment on column public.webhook_event_logs.action_config is 'What was asked for, with all templates filled in.';
comment on column public.webhook_event_logs.result is 'What came of it, such as the id of a row that was made.';
create index webhook_event_logs_user_id_idx on public.webhook_event_logs (user_id);
alter table public.webhook_event_logs enable row level security;
create policy "owners and admins read event logs" on public.webhook_event_logs for select to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.webhook_event_logs from public, anon, authenticated, service_role;
grant select on table public.webhook_event_logs to authenticated;
grant select, insert, update, delete on table public.webhook_event_logs to service_role;

create type private.step as (
  webhook_event_id uuid,
  user_id uuid,
  action_type text,
  config jsonb,
  result jsonb
);
comment on type private.step is 'A step of the pipeline that succeeded; null for nothing to say.';

create function private.log_steps(p_steps private.step[]) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  insert into public.webhook_event_logs (webhook_event_id, user_id, action_type, action_config, success, result)
  select s.webhook_event_id, s.user_id, s.action_type, coalesce(s.config, '{}'), true, coalesce(s.result, '{}') from unnest(p_steps) s
  on conflict (webhook_event_id, rule_id, action_id, action_type) do update set
    action_config = excluded.action_config, result = excluded.result, success = true, error_message = null,
    processed_at = excluded.processed_at;
end
$$;
comment on function private.log_steps(private.step[]) is 'Logs steps, in their order. Doing a step again replaces its entry.';
revoke execute on function private.log_steps(private.step[]) from public, anon, authenticated;
grant execute on function private.log_steps(private.step[]) to service_role;

create function private.owners_with_due_work(p_stage public.webhook_event_stage, p_after uuid, p_limit integer) returns setof uuid
language sql stable security invoker set search_path = ''
as $$
  -- A loose index scan: one index look-up per owner, for the event that is due first, however many each has waiting.
  with recursive owners as (
    (select e.user_id, coalesce(e.leased_until, e.run_after) as due from public.webhook_events e
     where e.stage = p_stage and e.status in ('pending', 'processing') and e.stage in ('classify', 'prepare', 'rules') and e.user_id > p_after
     order by e.user_id, coalesce(e.leased_until, e.run_after) limit 1)
    union all
    select n.user_id, n.due from owners o, lateral (
      select e.user_id, coalesce(e.leased_until, e.run_after) as due from public.webhook_events e
      where e.stage = p_stage and e.status in ('pending', 'processing') and e.stage in ('classify', 'prepare', 'rules')
        and e.user_id > o.user_id
      order by e.user_id, coalesce(e.leased_until, e.run_after) limit 1) n
  )
  select user_id from owners where due <= now() limit p_limit
$$;
comment on function private.owners_with_due_work(public.webhook_event_stage, uuid, integer) is
  'Users with events that are due in a stage, by id, after p_after.';
revoke execute on function private.owners_with_due_work(public.webhook_event_stage, uuid, integer) from public, anon, authenticated;
grant execute on function private.owners_with_due_work(public.webhook_event_stage, uuid, integer) to service_role;

create function private.due_events(p_stage public.webhook_event_stage, p_limit integer) returns uuid[]
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_start uuid := gen_random_uuid();
  v_owners uuid[];
  v_ids uuid[];
begin
  -- Each owner gets an equal share of the batch; where there are more owners than are looked at, a random start makes it even over time.
  select array_agg(o.user_id) into v_owners from (
    select after as user_id from private.owners_with_due_work(p_stage, v_start, 64) as after
    union all
    select before from private.owners_with_due_work(p_stage, '00000000-0000-0000-0000-000000000000', 64) as before where before <= v_start
    limit 64) o;
  select array_agg(share.id) into v_ids
  from unnest(v_owners) as o (user_id)
  cross join lateral (
    select e.id from public.webhook_events e
    where e.stage = p_stage and e.status in ('pending', 'processing') and e.stage in ('classify', 'prepare', 'rules')
      and e.user_id = o.user_id and coalesce(e.leased_until, e.run_after) <= now()
    order by coalesce(e.leased_until, e.run_after)
    limit greatest(1, p_limit / cardinality(v_owners))
    for update skip locked) share;
  -- What quiet owners left free goes to those with more.
  if coalesce(cardinality(v_ids), 0) < p_limit then
    select coalesce(v_ids, '{}') || coalesce(array_agg(rest.id), '{}') into v_ids
    from unnest(v_owners) as o (user_id)
    cross join lateral (
      select e.id from public.webhook_events e
      where e.stage = p_stage and e.status in ('pending', 'processing') and e.stage in ('classify', 'prepare', 'rules')
        and e.user_id = o.user_id and coalesce(e.leased_until, e.run_after) <= now() and e.id <> all (coalesce(v_ids, '{}'))
      order by coalesce(e.leased_until, e.run_after)
      limit p_limit - coalesce(cardinality(v_ids), 0)
      for update skip locked) rest;
  end if;
  return v_ids[1:p_limit];
end
$$;
comment on function private.due_events(public.webhook_event_stage, integer) is
  'Locks and returns up to p_limit events that are due in a stage, shared evenly between owners.';
revoke execute on function private.due_events(public.webhook_event_stage, integer) from public, anon, authenticated;
grant execute on function private.due_events(public.webhook_event_stage, integer) to service_role;

create function private.lease_events(
  p_stage public.webhook_event_stage, p_limit integer, p_lease_seconds integer, p_event_ids text, p_lease_id uuid)
returns setof public.webhook_events
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  -- Read before the table is, which may not ask for it when it is empty: what is no id is refused.
  v_named uuid[] := private.as_uuids(p_event_ids);
  v_ids uuid[];
begin
  if p_limit is null or p_limit not between 1 and 1000 or p_lease_seconds is null or p_lease_seconds not between 1 and 3600 then
    raise exception 'The limit is 1 to 1000 events, the lease 1 to 3600 seconds' using errcode = 'PT400', detail = 'WH001';
  end if;
  if p_event_ids is null then
    v_ids := private.due_events(p_stage, p_limit);
  else
    select array_agg(named.id) into v_ids from (
      select e.id from public.webhook_events e
      where e.id = any (v_named) and e.stage = p_stage and e.status in ('pending', 'processing')
        and coalesce(e.leased_until, e.run_after) <= now()
      order by e.id limit p_limit
      for update skip locked) named;
  end if;
  -- An event that takes its worker down each time must not come round for ever.
  update public.webhook_events e
  set status = 'failed', lease_id = null, leased_until = null,
    error_message = format('The worker did not finish in %s attempts', e.attempts)
  where e.id = any (v_ids) and e.attempts >= private.max_attempts();
  if found then
    perform private.log_failure(e) from public.webhook_events e where e.id = any (v_ids) and e.status = 'failed';
  end if;
  -- What three workers left unfinished goes alone from then on, so that it takes no other event down with it.
  v_ids := coalesce((
    select array[e.id] from public.webhook_events e
    where e.id = any (v_ids) and e.status = 'processing' and e.attempts >= 3
    order by e.leased_until, e.id limit 1), v_ids);
  return query
    update public.webhook_events e
    set status = 'processing', lease_id = p_lease_id, leased_until = clock_timestamp() + make_interval(secs => p_lease_seconds),
      attempts = e.attempts + 1
    where e.id = any (v_ids) and e.status in ('pending', 'processing')
    returning e.*;
end
$$;
comment on function private.lease_events(public.webhook_event_stage, integer, integer, text, uuid) is
  'Leases due events of a stage to one worker: all that are due, or of those named in p_event_ids (a JSON array).';
revoke execute on function private.lease_events(public.webhook_event_stage, integer, integer, text, uuid) from public, anon, authenticated;
grant execute on function private.lease_events(public.webhook_event_stage, integer, integer, text, uuid) to service_role;

create function private.hold_events(p_lease_id uuid, p_event_ids uuid[]) returns uuid[]
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  -- Endpoints before events, as a deletion of an endpoint locks them; people made from an event refer to its endpoint.
  perform from public.webhook_endpoints p
  where p.id in (select e.endpoint_id from public.webhook_events e where e.id = any (p_event_ids))
  order by p.id
  for key share;
  -- Ordered, so that two workers finishing at once lock in the same order.
  return coalesce((
    select array_agg(held.id) from (
      select e.id from public.webhook_events e
      where e.id = any (p_event_ids) and e.lease_id = p_lease_id
      order by e.id
      for update) held), '{}');
end
$$;
comment on function private.hold_events(uuid, uuid[]) is
  'Locks the events that this lease still holds and returns their ids. A finish works on these and on no others.';
revoke execute on function private.hold_events(uuid, uuid[]) from public, anon, authenticated;
grant execute on function private.hold_events(uuid, uuid[]) to service_role;

create function private.fail_event(p_event_id uuid, p_error text, p_final boolean) returns void
language sql volatile security invoker set search_path = ''
as $$
  update public.webhook_events e
  set status = case when p_final or e.attempts >= private.max_attempts() then 'failed' else 'pending' end::public.webhook_event_status,
    run_after = now() + private.backoff(e.attempts), lease_id = null, leased_until = null,
    error_message = left(coalesce(p_error, 'Unknown error'), 2000)
  where e.id = p_event_id
$$;
comment on function private.fail_event(uuid, text, boolean) is
  'Puts an event back for a later attempt, or fails it: when the error is final or attempts are used up. It keeps its stage.';
revoke execute on function private.fail_event(uuid, text, boolean) from public, anon, authenticated;
grant execute on function private.fail_event(uuid, text, boolean) to service_role;

create function private.log_failure(p_event public.webhook_events) returns void
language sql volatile security invoker set search_path = ''
as $$
  insert into public.webhook_event_logs (webhook_event_id, user_id, action_type, success, error_message)
  values (p_event.id, p_event.user_id, p_event.stage, false, p_event.error_message)
  on conflict (webhook_event_id, rule_id, action_id, action_type) do update set
    success = false, error_message = excluded.error_message, processed_at = excluded.processed_at
$$;
comment on function private.log_failure(public.webhook_events) is 'Logs that an event failed in its stage, as a step named after the stage.';
revoke execute on function private.log_failure(public.webhook_events) from public, anon, authenticated;
grant execute on function private.log_failure(public.webhook_events) to service_role;

create function private.settle_failures(p_stage public.webhook_event_stage, p_event_ids uuid[]) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  update public.webhook_event_logs l
  set success = true, error_message = null, processed_at = clock_timestamp()
  where l.webhook_event_id = any (p_event_ids) and l.action_id is null and l.action_type in (p_stage::text, 'condition') and not l.success;
end
$$;
comment on function private.settle_failures(public.webhook_event_stage, uuid[]) is 'Turns the log''s failures of a stage, or of a rule''s condition, into successes, once a later attempt went well.';
revoke execute on function private.settle_failures(public.webhook_event_stage, uuid[]) from public, anon, authenticated;
grant execute on function private.settle_failures(public.webhook_event_stage, uuid[]) to service_role;

create function private.fail_step(p_event_id uuid, p_error text, p_final boolean) returns void
language sql volatile security invoker set search_path = ''
as $$
  select private.fail_event(p_event_id, p_error, p_final);
  select private.log_failure(e) from public.webhook_events e where e.id = p_event_id;
$$;
comment on function private.fail_step(uuid, text, boolean) is 'private.fail_event, and the log says so. For what failed as a whole: a failed action has its own entry.';
revoke execute on function private.fail_step(uuid, text, boolean) from public, anon, authenticated;
grant execute on function private.fail_step(uuid, text, boolean) to service_role;

create function private.finished(p_asked uuid[], p_held uuid[]) returns jsonb
language sql immutable security invoker set search_path = ''
as $$
  select jsonb_build_object('finished', to_jsonb(p_held),
    'lost', coalesce((select jsonb_agg(id) from unnest(p_asked) id where id <> all (p_held)), '[]'))
$$;
comment on function private.finished(uuid[], uuid[]) is 'The answer of every finish: {finished[ids], lost[ids whose lease went to another worker]}.';
revoke execute on function private.finished(uuid[], uuid[]) from public, anon, authenticated;
grant execute on function private.finished(uuid[], uuid[]) to service_role;

create function private.publish_because_of(p_event_id uuid) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  perform pg_catalog.set_config('switchhook.webhook_event_id', coalesce(p_event_id::text, ''), true);
end
$$;
comment on function private.publish_because_of(uuid) is
  'What is published in the rest of this transaction, be it by a trigger, is put down to this event; to none after null.';
revoke execute on function private.publish_because_of(uuid) from public, anon, authenticated;
grant execute on function private.publish_because_of(uuid) to service_role;
