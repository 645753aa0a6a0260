-- Replays: a stage of the pipeline decides anew about events that are through it. A dry run lists what would be different. A real
-- one puts exactly these events back into the queue, so that a second one finds nothing more to do.
--
-- The workers of the stages work on them in batches, by the ids of the events: claim_replay, decide, finish_replay. A replay is
-- leased as an event is, and what a worker that died or was late had decided about is decided about again.

create table public.event_replays (
  id uuid primary key default private.time_ordered_id(),
  user_id uuid not null references auth.users (id) on delete cascade,
  stage public.webhook_event_stage not null constraint stages_can_be_replayed check (stage in ('classify', 'prepare', 'rules')),
  is_dry_run boolean not null,
  endpoint_id uuid references public.webhook_endpoints (id) on delete cascade,
  entity_table text,
  since timestamptz,
  until timestamptz,
  total integer not null default 0,
  examined integer not null default 0,
  different integer not null default 0,
  failing integer not null default 0,
  requeued integer not null default 0,
  after_id uuid not null,
  batch_id uuid,
  last_id uuid not null,
  status text not null default 'pending' constraint statuses_are_known check (status in ('pending', 'running', 'done', 'failed')),
  error_message text,
  attempts integer not null default 0,
  run_after timestamptz not null default now(),
  lease_id uuid,
  leased_until timestamptz,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint leased_replays_have_a_lease check ((lease_id is null) = (leased_until is null) and (lease_id is null) = (batch_id is null)),
  constraint finished_replays_say_when check ((status in ('done', 'failed')) = (finished_at is not null)),
  constraint failed_replays_say_why check (status <> 'failed' or error_message is not null)
);
comment on table public.event_replays is 'A stage run anew over a range of events, and how far it has come.';
comment on column public.event_replays.total is 'Events in the range when it began, counted up to a million.';
comment on column public.event_replays.examined is 'Of these, those that have been decided about anew.';
comment on column public.event_replays.different is 'Of these, those that would not come out as they are.';
comment on column public.event_replays.failing is 'Of these, those about which nothing can be decided, or of which an action would fail.';
comment on column public.event_replays.requeued is 'Events put back into the queue; none in a dry run.';
comment on column public.event_replays.after_id is 'All events up to this one have been looked at.';
comment on column public.event_replays.batch_id is 'Last event of the batch that is leased.';
comment on column public.event_replays.last_id is 'Events after this one are not in the range: what came when it had begun.';
create index event_replays_due_idx on public.event_replays (stage, (coalesce(leased_until, run_after))) where finished_at is null;
create index event_replays_user_id_idx on public.event_replays (user_id, id);
create index event_replays_endpoint_id_idx on public.event_replays (endpoint_id);
alter table public.event_replays enable row level security;
create policy "owners and admins read replays" on public.event_replays for select to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins delete replays" on public.event_replays for delete to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));

create table public.event_replay_differences (
  replay_id uuid not null references public.event_replays (id) on delete cascade,
  webhook_event_id uuid not null,
  user_id uuid not null,
  before jsonb not null,
  after jsonb not null,
  primary key (replay_id, webhook_event_id),
  constraint event_replay_differences_webhook_event_fkey foreign key (user_id, webhook_event_id)
    references public.webhook_events (user_id, id) on delete cascade
);
comment on table public.event_replay_differences is 'What would come out differently: the first 10,000 of each replay.';
create index event_replay_differences_webhook_event_idx on public.event_replay_differences (user_id, webhook_event_id);
alter table public.event_replay_differences enable row level security;
create policy "owners and admins read differences" on public.event_replay_differences for select to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.event_replays, public.event_replay_differences from public, anon, authenticated, service_role;
grant select, delete on table public.event_replays to authenticated;
grant select on table public.event_replay_differences to authenticated;
grant select, insert, update, delete on table public.event_replays, public.event_replay_differences to service_role;

create function private.replay_function(p_stage public.webhook_event_stage) returns text
language sql immutable security invoker set search_path = ''
as $$
  select case p_stage when 'classify' then 'classify' when 'prepare' then 'prepare_for_rules' else 'process_rules' end
$$;
comment on function private.replay_function(public.webhook_event_stage) is 'The function that works on a stage, as private.wake names it.';
revoke execute on function private.replay_function(public.webhook_event_stage) from public, anon, authenticated;
grant execute on function private.replay_function(public.webhook_event_stage) to service_role;

create function private.replay_candidates(p_replay public.event_replays, p_limit integer) returns table (id uuid, fits boolean)
language sql stable security invoker set search_path = ''
as $$
  -- Every event in order of id, whether it fits or not, so that a filter that few events pass costs no more than one that all do.
  select e.id,
    (p_replay.endpoint_id is null or e.endpoint_id = p_replay.endpoint_id)
    and (p_replay.entity_table is null or e.entity_table is not distinct from p_replay.entity_table)
    and e.created_at >= coalesce(p_replay.since, '-infinity') and e.created_at < coalesce(p_replay.until, 'infinity')
    and case p_replay.stage
      -- What a person decided stands.
      when 'classify' then (e.status in ('processed', 'failed') or e.stage = 'review') and coalesce(e.classified_by, '') not like 'user:%'
      when 'prepare' then e.status = 'processed' or (e.status = 'failed' and e.stage in ('prepare', 'rules'))
      else e.status = 'processed' or (e.status = 'failed' and e.stage = 'rules') end
  from public.webhook_events e
  where e.user_id = p_replay.user_id and e.id > p_replay.after_id and e.id <= p_replay.last_id
  order by e.id
  limit p_limit
$$;
comment on function private.replay_candidates(public.event_replays, integer) is 'The next events in the range of a replay''s ids, and whether each is one that it is about.';
revoke execute on function private.replay_candidates(public.event_replays, integer) from public, anon, authenticated;
grant execute on function private.replay_candidates(public.event_replays, integer) to service_role;

-- Security definer: replays are written by functions only. It checks the owner.
create function private.start_replay(p_replay text) returns jsonb
language plpgsql volatile security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_asked public.event_replays := jsonb_populate_record(null::public.event_replays, p_replay::jsonb);
  v_replay public.event_replays;
begin
  v_asked.user_id := coalesce((
    select p.created_by from public.webhook_endpoints p where p.id = v_asked.endpoint_id and private.owns(p.created_by)),
    case when v_asked.endpoint_id is null then (select auth.uid()) end);
  if v_asked.user_id is null then
    raise exception 'There is no such endpoint' using errcode = 'PT404', detail = 'WH007';
  end if;
  if v_asked.stage is null or v_asked.stage not in ('classify', 'prepare', 'rules') then
    raise exception 'Events can be replayed from classify, prepare or rules' using errcode = 'PT400', detail = 'WH001';
  end if;
  perform pg_catalog.pg_advisory_xact_lock(hashtextextended(v_asked.user_id::text, 2));
  if (select count(*) from public.event_replays r where r.user_id = v_asked.user_id and r.finished_at is null) >= 5 then
    raise exception 'Five replays are under way: wait for one, or delete one' using errcode = 'PT409', detail = 'WH017';
  end if;
  -- An id is made where the event comes in, by a clock that may not be quite ours.
  v_asked.after_id := private.first_id_at(coalesce(v_asked.since - interval '1 hour', 'epoch'));
  v_asked.last_id := (
    select e.id from public.webhook_events e
    where e.user_id = v_asked.user_id and (v_asked.until is null or e.id < private.first_id_at(v_asked.until + interval '1 hour'))
    order by e.id desc limit 1);
  insert into public.event_replays (user_id, stage, is_dry_run, endpoint_id, entity_table, since, until, after_id, last_id, total)
  values (v_asked.user_id, v_asked.stage, coalesce(v_asked.is_dry_run, true), v_asked.endpoint_id, v_asked.entity_table, v_asked.since,
    v_asked.until, v_asked.after_id, coalesce(v_asked.last_id, v_asked.after_id),
    (select count(*) filter (where c.fits) from private.replay_candidates(v_asked, 1000000) c))
  returning * into v_replay;
  insert into public.audit_logs (user_id, actor_id, action, target_id, details)
  values (v_replay.user_id, (select auth.uid()), 'queue.replay', v_replay.id, jsonb_strip_nulls(jsonb_build_object('stage', v_replay.stage,
    'is_dry_run', v_replay.is_dry_run, 'endpoint_id', v_replay.endpoint_id, 'entity_table', v_replay.entity_table,
    'since', v_replay.since, 'until', v_replay.until)));
  perform private.wake(private.replay_function(v_replay.stage));
  return to_jsonb(v_replay);
end
$$;
comment on function private.start_replay(text) is 'See public.start_replay.';
revoke execute on function private.start_replay(text) from public, anon;
grant execute on function private.start_replay(text) to authenticated;

create function public.start_replay(p_replay text) returns jsonb
language sql volatile security invoker set search_path = ''
as $$
  select private.start_replay(p_replay)
$$;
comment on function public.start_replay(text) is
  'Has a stage decide anew about events of the caller (or of the owner of the endpoint, for an admin) that are through it. p_replay: JSON {stage: classify | prepare | rules, is_dry_run (true unless given), endpoint_id, entity_table, since, until}. Answers the row of event_replays.';
revoke execute on function public.start_replay(text) from public, anon;
grant execute on function public.start_replay(text) to authenticated;

create function private.replay_batch(p_stage public.webhook_event_stage, p_event_ids uuid[]) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_events jsonb;
begin
  if p_stage = 'rules' then
    return private.rules_batch(p_event_ids);
  end if;
  -- All that claim_classify and claim_prepare tell of an event.
  select jsonb_agg(jsonb_build_object('id', e.id, 'user_id', e.user_id, 'event_type', e.event_type, 'external_id', e.external_id,
      'payload', e.payload, 'attempts', e.attempts, 'entity_table', e.entity_table, 'is_person', e.is_person,
      'override', case when o.id is not null then
        jsonb_build_object('id', o.id, 'entity_table', o.entity_table, 'is_person', o.is_person) end,
      'endpoint', jsonb_build_object('id', p.id, 'slug', p.slug, 'name', p.name, 'scheme', p.scheme, 'field_maps', p.field_maps,
        'allowed_object_types', p.allowed_object_types, 'default_entity_table', p.default_entity_table,
        'confidence_threshold', p.confidence_threshold)) order by e.id)
  into v_events
  from public.webhook_events e
  join public.webhook_endpoints p on p.id = e.endpoint_id
  left join public.classification_overrides o on o.endpoint_id = e.endpoint_id and o.event_type = e.event_type
  where e.id = any (p_event_ids);
  return jsonb_build_object('events', coalesce(v_events, '[]'), 'entity_types', private.entity_types_of(array(
    select distinct e.user_id from public.webhook_events e where e.id = any (p_event_ids))));
end
$$;
comment on function private.replay_batch(public.webhook_event_stage, uuid[]) is 'Events as the worker of a stage needs them to decide about them.';
revoke execute on function private.replay_batch(public.webhook_event_stage, uuid[]) from public, anon, authenticated;
grant execute on function private.replay_batch(public.webhook_event_stage, uuid[]) to service_role;

create function private.lease_replay(p_stage public.webhook_event_stage, p_limit integer, p_lease_seconds integer) returns public.event_replays
language sql volatile security invoker set search_path = ''
as $$
  update public.event_replays r
  set status = 'running', lease_id = gen_random_uuid(), leased_until = clock_timestamp() + make_interval(secs => p_lease_seconds),
    batch_id = r.after_id, attempts = r.attempts + 1
  where r.id = (
    select d.id from public.event_replays d
    where d.stage = p_stage and d.finished_at is null and coalesce(d.leased_until, d.run_after) <= now()
      -- A real replay puts no more into its owner's queue than a worker takes at once, so that what comes in meanwhile need not wait.
      and (d.is_dry_run or p_limit > (
        select count(*) from (
          select from public.webhook_events e
          where e.stage = p_stage and e.status in ('pending', 'processing') and e.stage in ('classify', 'prepare', 'rules')
            and e.user_id = d.user_id
          limit p_limit) waiting))
    order by coalesce(d.leased_until, d.run_after)
    limit 1
    for update skip locked)
  returning r.*
$$;
comment on function private.lease_replay(public.webhook_event_stage, integer, integer) is 'Leases the replay of a stage that has waited longest; null where none is due.';
revoke execute on function private.lease_replay(public.webhook_event_stage, integer, integer) from public, anon, authenticated;
grant execute on function private.lease_replay(public.webhook_event_stage, integer, integer) to service_role;

create function public.claim_replay(p_stage text, p_limit integer, p_lease_seconds integer) returns jsonb
language plpgsql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_replay public.event_replays;
  v_ids uuid[];
begin
  if p_limit is null or p_limit not between 1 and 1000 or p_lease_seconds is null or p_lease_seconds not between 1 and 3600 then
    raise exception 'The limit is 1 to 1000 events, the lease 1 to 3600 seconds' using errcode = 'PT400', detail = 'WH001';
  end if;
  -- Some rounds at most: a stretch without an event that fits, or a replay that is done, takes one each.
  for round in 1 .. 20 loop
    v_replay := private.lease_replay(p_stage::public.webhook_event_stage, p_limit, p_lease_seconds);
    exit when v_replay.id is null;
    if v_replay.attempts > 5 then
      update public.event_replays r
      set status = 'failed', error_message = 'The worker did not finish a batch in 5 attempts', finished_at = clock_timestamp(),
        lease_id = null, leased_until = null, batch_id = null
      where r.id = v_replay.id;
      continue;
    end if;
    select coalesce(array_agg(c.id) filter (where c.fits), '{}'), max(c.id::text)::uuid into v_ids, v_replay.batch_id
    from (
      select n.id, n.fits, count(*) filter (where n.fits) over (order by n.id) as place
      from private.replay_candidates(v_replay, 2000) n) c
    where c.place <= p_limit;
    if cardinality(v_ids) > 0 then
      update public.event_replays r set batch_id = v_replay.batch_id where r.id = v_replay.id;
      return jsonb_build_object('lease_id', v_replay.lease_id) || private.replay_batch(v_replay.stage, v_ids);
    end if;
    update public.event_replays r
    set after_id = coalesce(v_replay.batch_id, r.after_id), lease_id = null, leased_until = null, batch_id = null, attempts = 0,
      run_after = now(), status = case when v_replay.batch_id is null then 'done' else r.status end,
      finished_at = case when v_replay.batch_id is null then clock_timestamp() end
    where r.id = v_replay.id;
  end loop;
  if v_replay.id is not null then
    perform private.wake(private.replay_function(v_replay.stage));
  end if;
  return jsonb_build_object('lease_id', null, 'events', '[]'::jsonb);
end
$$;
comment on function public.claim_replay(text, integer, integer) is
  'Leases a replay of a stage to one worker: {lease_id, events[] …} with up to p_limit events as the stage''s own claim hands them out. No event is leased or changed.';
revoke execute on function public.claim_replay(text, integer, integer) from public, anon, authenticated;
grant execute on function public.claim_replay(text, integer, integer) to service_role;

create function private.classified_anew(p_event public.webhook_events, p_result jsonb) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_type text := (private.entity_type(p_event.user_id, p_result ->> 'entity_table')).name;
  v_is_person boolean := coalesce((p_result ->> 'is_person')::boolean, false);
  v_next text;
begin
  select case when p.processing_mode = 'automatic' and v_type is not null and (p_result ->> 'confidence')::numeric >= p.confidence_threshold
    then 'prepare' else 'review' end
  into v_next from public.webhook_endpoints p where p.id = p_event.endpoint_id;
  if p_event.status <> 'failed' and not (p_event.stage = 'review' and v_next = 'prepare')
    and p_event.entity_table is not distinct from v_type and p_event.is_person is not distinct from v_is_person then
    return null;
  end if;
  return jsonb_build_object(
    'before', jsonb_build_object('entity_table', p_event.entity_table, 'is_person', p_event.is_person, 'confidence', p_event.ai_confidence,
      'classified_by', p_event.classified_by, 'status', p_event.status, 'stage', p_event.stage),
    'after', jsonb_build_object('entity_table', v_type, 'is_person', v_is_person, 'confidence', p_result -> 'confidence',
      'classified_by', p_result -> 'classified_by', 'stage', v_next));
end
$$;
comment on function private.classified_anew(public.webhook_events, jsonb) is 'What a classification would change: another label, a failure gone, or a review spared. Another confidence alone is nothing.';
revoke execute on function private.classified_anew(public.webhook_events, jsonb) from public, anon, authenticated;
grant execute on function private.classified_anew(public.webhook_events, jsonb) to service_role;

create function private.prepared_anew(p_event public.webhook_events, p_result jsonb) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_is_about_people boolean := (private.entity_type(p_event.user_id, p_event.entity_table)).target_table = 'people';
  v_fields jsonb := coalesce(nullif(p_result -> 'fields', 'null'), '{}');
  v_person jsonb := nullif(p_result -> 'person', 'null');
  v_before jsonb;
  v_after jsonb;
begin
  v_person := case when v_is_about_people then coalesce(v_person, v_fields) when p_event.is_person then v_person end;
  -- As finish_prepare would: nobody is made of nothing.
  if coalesce(v_person ->> 'email', v_person ->> 'phone', v_person ->> 'external_id', v_person ->> 'name') is null then
    v_person := null;
  end if;
  v_after := jsonb_strip_nulls(jsonb_build_object('person', v_person, 'fields', case when v_is_about_people then null else v_fields end));
  select coalesce(jsonb_object_agg(l.name, l.action_config), '{}') into v_before from (
    select distinct on (n.name) n.name, g.action_config
    from public.webhook_event_logs g, lateral (select case when g.action_type like '%_person' then 'person' else 'fields' end as name) n
    where g.webhook_event_id = p_event.id and g.action_type in ('create_person', 'update_person', 'create_entity', 'update_entity') and g.success
    order by n.name, g.processed_at desc) l;
  v_before := jsonb_strip_nulls(v_before);
  if p_event.status <> 'failed' and p_event.entity_id is not null and not exists (
      select from jsonb_each(v_after) a where a.value is distinct from v_before -> a.key) then
    return null;
  end if;
  return jsonb_build_object('before', v_before || jsonb_build_object('status', p_event.status), 'after', v_after);
end
$$;
comment on function private.prepared_anew(public.webhook_events, jsonb) is
  'What preparing an event would change: other values read from its payload, a record that is gone made again, or a failure gone.';
revoke execute on function private.prepared_anew(public.webhook_events, jsonb) from public, anon, authenticated;
grant execute on function private.prepared_anew(public.webhook_events, jsonb) to service_role;

create function private.ruled_anew(p_event public.webhook_events, p_result jsonb) returns jsonb
language sql stable security invoker set search_path = ''
as $$
  select jsonb_build_object('before', jsonb_strip_nulls(jsonb_build_object('status', p_event.status, 'error', p_event.error_message)),
    'after', jsonb_build_object('actions', coalesce((
      select jsonb_agg(jsonb_strip_nulls(jsonb_build_object('error', problem)) || a.value - 'duration_ms' order by a.place)
      from jsonb_array_elements(p_result -> 'actions') with ordinality as a (value, place),
        lateral (select case when not a.value ? 'error'
          then private.action_problem(p_event, a.value ->> 'action_type', (a.value -> 'action_config')::json) end as problem) f), '[]')))
  where p_event.status = 'failed' or jsonb_array_length(p_result -> 'actions') > 0
$$;
comment on function private.ruled_anew(public.webhook_events, jsonb) is 'Which actions would be done for an event that were not, and which would be tried again; null where there is none.';
revoke execute on function private.ruled_anew(public.webhook_events, jsonb) from public, anon, authenticated;
grant execute on function private.ruled_anew(public.webhook_events, jsonb) to service_role;

create function private.replay_difference(p_stage public.webhook_event_stage, p_event public.webhook_events, p_result jsonb) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_difference jsonb;
begin
  if p_result ? 'error' then
    return case when p_event.status <> 'failed' then jsonb_build_object(
      'before', jsonb_build_object('status', p_event.status), 'after', jsonb_build_object('error', left(p_result ->> 'error', 2000))) end;
  end if;
  v_difference := case p_stage
    when 'classify' then private.classified_anew(p_event, p_result)
    when 'prepare' then private.prepared_anew(p_event, p_result)
    else private.ruled_anew(p_event, p_result) end;
  -- A list of differences is for people to read.
  if length(v_difference::text) > 65536 then
    return jsonb_build_object('before', jsonb_build_object('status', p_event.status), 'after', jsonb_build_object('too_large', true));
  end if;
  return v_difference;
end
$$;
comment on function private.replay_difference(public.webhook_event_stage, public.webhook_events, jsonb) is
  'How an event would come out of a stage that decided so: {before, after}; null where it would be as it is.';
revoke execute on function private.replay_difference(public.webhook_event_stage, public.webhook_events, jsonb) from public, anon, authenticated;
grant execute on function private.replay_difference(public.webhook_event_stage, public.webhook_events, jsonb) to service_role;

create function private.requeue_events(p_replay public.event_replays, p_event_ids uuid[]) returns integer
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_requeued integer;
begin
  with finished as (
    select e.id from public.webhook_events e
    where e.id = any (p_event_ids) and e.user_id = p_replay.user_id and (e.status in ('processed', 'failed') or e.stage = 'review')
    order by e.id
    for update
  )
  update public.webhook_events e
  set stage = p_replay.stage, status = 'pending', attempts = 0, run_after = now(), processed_at = null, error_message = null
  from finished f
  where e.id = f.id;
  get diagnostics v_requeued = row_count;
  if v_requeued > 0 then
    perform private.wake(private.replay_function(p_replay.stage));
  end if;
  return v_requeued;
end
$$;
comment on function private.requeue_events(public.event_replays, uuid[]) is 'Puts events of a replay back into the queue, at its stage; how many that were.';
revoke execute on function private.requeue_events(public.event_replays, uuid[]) from public, anon, authenticated;
grant execute on function private.requeue_events(public.event_replays, uuid[]) to service_role;

create function public.finish_replay(p_lease_id uuid, p_results text) returns jsonb
language plpgsql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_replay public.event_replays;
  v_examined integer;
  v_failing integer;
  v_different uuid[];
  v_to_requeue uuid[];
  v_requeued integer := 0;
begin
  select r.* into v_replay from public.event_replays r where r.lease_id = p_lease_id for no key update;
  if v_replay.id is null then
    return jsonb_build_object('examined', 0, 'is_lost', true);
  end if;
  with results as (
    select r.value::jsonb as result, e.id, private.replay_difference(v_replay.stage, e, r.value::jsonb) as difference
    from json_array_elements(p_results::json) r
    join public.webhook_events e on e.id = (r.value ->> 'id')::uuid
    where e.user_id = v_replay.user_id and e.id > v_replay.after_id and e.id <= v_replay.batch_id
  ), listed as (
    insert into public.event_replay_differences (replay_id, webhook_event_id, user_id, before, after)
    select v_replay.id, r.id, v_replay.user_id, r.difference -> 'before', r.difference -> 'after'
    from results r where r.difference is not null
    order by r.id
    limit greatest(0, 10000 - v_replay.different)
    on conflict (replay_id, webhook_event_id) do nothing
  )
  select count(*), count(*) filter (where r.result ? 'error' or jsonb_path_exists(r.difference, '$.after.actions[*].error')),
    coalesce(array_agg(r.id) filter (where r.difference is not null), '{}'),
    coalesce(array_agg(r.id) filter (where r.difference is not null and not r.result ? 'error'), '{}')
  into v_examined, v_failing, v_different, v_to_requeue
  from results r;
  if not v_replay.is_dry_run then
    v_requeued := private.requeue_events(v_replay, v_to_requeue);
  end if;
  update public.event_replays r
  set after_id = r.batch_id, examined = r.examined + v_examined, different = r.different + cardinality(v_different),
    failing = r.failing + v_failing, requeued = r.requeued + v_requeued,
    lease_id = null, leased_until = null, batch_id = null, attempts = 0, run_after = now()
  where r.id = v_replay.id;
  return jsonb_build_object('examined', v_examined, 'is_lost', false);
end
$$;
comment on function public.finish_replay(uuid, text) is
  'Takes what finish_<stage> would take: lists what would be different and, unless it is a dry run, puts these events back into the queue. Answers {examined, is_lost: the lease went to another worker, and nothing was done}.';
revoke execute on function public.finish_replay(uuid, text) from public, anon, authenticated;
grant execute on function public.finish_replay(uuid, text) to service_role;
