-- What users decide about their events: override, approve, reprocess. Each decision is audited.
-- The public functions are what the Data API shows. The private ones are security definers because users may
-- not update events directly; each checks the owner of every row it touches.

create table public.audit_logs (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null,
  actor_id uuid,
  action text not null,
  target_id uuid,
  details jsonb not null default '{}',
  created_at timestamptz not null default now()
);
comment on table public.audit_logs is 'Who decided what. Written by functions only.';
comment on column public.audit_logs.user_id is 'Owner of the thing that was decided about.';
comment on column public.audit_logs.actor_id is 'Who decided: the owner or an admin.';
create index audit_logs_user_id_idx on public.audit_logs (user_id, created_at desc);
alter table public.audit_logs enable row level security;
create policy "owners and admins read audit logs" on public.audit_logs for select to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.audit_logs from public, anon, authenticated, service_role;
grant select on table public.audit_logs to authenticated, service_role;

-- Security definer: see the head of this file.
create function private.override_event(p_event_id uuid, p_entity_table text, p_is_person boolean) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_event public.webhook_events;
begin
  select e.* into v_event from public.webhook_events e where e.id = p_event_id and private.owns(e.user_id) for update;
  if v_event.id is null then
    raise exception 'No such event' using errcode = 'PT404', detail = 'WH007';
  end if;
  if not (v_event.stage = 'review' or v_event.status = 'failed') then
    raise exception 'Only an event that waits for review or has failed can be changed' using errcode = 'PT409', detail = 'WH017';
  end if;
  if p_entity_table is not null and private.entity_type(v_event.user_id, p_entity_table) is null then
    raise exception 'There is no such entity type' using errcode = 'PT400', detail = 'WH001';
  end if;
  update public.webhook_events e
  set entity_table = coalesce(p_entity_table, e.entity_table), is_person = coalesce(p_is_person, e.is_person),
    classified_by = 'user:' || (select auth.uid())
  where e.id = p_event_id
  returning e.* into v_event;
  -- Events that name no type may be anything: what is right for one says nothing about the next.
  if v_event.event_type <> 'unknown' and (p_entity_table is not null or p_is_person is not null) then
    insert into public.classification_overrides as o (user_id, endpoint_id, event_type, entity_table, is_person, decided_by)
    values (v_event.user_id, v_event.endpoint_id, v_event.event_type, p_entity_table, p_is_person, (select auth.uid()))
    on conflict (endpoint_id, event_type) do update set
      entity_table = coalesce(excluded.entity_table, o.entity_table), is_person = coalesce(excluded.is_person, o.is_person),
      decided_by = excluded.decided_by;
  end if;
  perform private.log_steps(array[row(v_event.id, v_event.user_id, 'override',
    jsonb_build_object('entity_table', p_entity_table, 'is_person', p_is_person), null)::private.step]);
  insert into public.audit_logs (user_id, actor_id, action, target_id, details)
  values (v_event.user_id, (select auth.uid()), 'event.override', v_event.id,
    jsonb_build_object('entity_table', p_entity_table, 'is_person', p_is_person));
  return jsonb_build_object('id', v_event.id, 'entity_table', v_event.entity_table, 'is_person', v_event.is_person);
end
$$;
comment on function private.override_event(uuid, text, boolean) is 'See public.override_event.';
revoke execute on function private.override_event(uuid, text, boolean) from public, anon;
grant execute on function private.override_event(uuid, text, boolean) to authenticated;

create function public.override_event(p_event_id uuid, p_entity_table text, p_is_person boolean) returns jsonb
language sql volatile security invoker set search_path = ''
as $$
  select private.override_event(p_event_id, p_entity_table, p_is_person)
$$;
comment on function public.override_event(uuid, text, boolean) is
  'Corrects the entity type and whether a person is behind an event that waits for review or has failed. Null leaves a value as it is. Remembered for the endpoint and event type; see public.classification_overrides.';
revoke execute on function public.override_event(uuid, text, boolean) from public, anon;
grant execute on function public.override_event(uuid, text, boolean) to authenticated;

-- Security definer: see the head of this file.
create function private.approve_events(p_event_ids text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_ids uuid[] := private.as_uuids(p_event_ids);
  v_approved uuid[];
begin
  with approvable as (
    select e.id from public.webhook_events e
    where e.id = any (v_ids) and e.stage = 'review' and e.entity_table is not null and private.owns(e.user_id)
    order by e.id
    for update
  ), approved as (
    update public.webhook_events e
    set stage = 'prepare', is_person = coalesce(e.is_person, false), attempts = 0, run_after = now()
    from approvable a
    where e.id = a.id
    returning e.*
  ), logged as (
    select private.log_steps(array_agg(row(a.id, a.user_id, 'approve', null, jsonb_build_object('by', (select auth.uid())))::private.step)) from approved a
  ), audited as (
    insert into public.audit_logs (user_id, actor_id, action, target_id)
    select a.user_id, (select auth.uid()), 'event.approve', a.id from approved a
  )
  select coalesce(array_agg(a.id), '{}') into v_approved from approved a, lateral (select count(*) from logged) l;
  if cardinality(v_approved) > 0 then
    perform private.wake('prepare_for_rules');
  end if;
  return jsonb_build_object('approved', to_jsonb(v_approved), 'skipped', coalesce((
    select jsonb_agg(jsonb_build_object('id', i.id, 'reason', case
      when e.id is null then 'not_found'
      when e.stage <> 'review' then 'not_in_review'
      else 'no_entity_type' end))
    from unnest(v_ids) as i (id)
    left join public.webhook_events e on e.id = i.id and private.owns(e.user_id)
    where i.id <> all (v_approved)), '[]'));
end
$$;
comment on function private.approve_events(text) is 'See public.approve_events.';
revoke execute on function private.approve_events(text) from public, anon;
grant execute on function private.approve_events(text) to authenticated;

create function public.approve_events(p_event_ids text) returns jsonb
language sql volatile security invoker set search_path = ''
as $$
  select private.approve_events(p_event_ids)
$$;
comment on function public.approve_events(text) is
  'Sends events that wait for review on to be prepared. p_event_ids: a JSON array. Answers {approved[ids], skipped[{id, reason: not_found | not_in_review | no_entity_type}]}.';
revoke execute on function public.approve_events(text) from public, anon;
grant execute on function public.approve_events(text) to authenticated;

-- Security definer: see the head of this file.
create function private.reprocess_events(p_event_ids text, p_stage public.webhook_event_stage) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_ids uuid[] := private.as_uuids(p_event_ids);
  v_queued uuid[];
begin
  if p_stage not in ('classify', 'prepare', 'rules') then
    raise exception 'An event can be reprocessed from classify, prepare or rules' using errcode = 'PT400', detail = 'WH001';
  end if;
  with finished as (
    select e.id, coalesce(p_stage, case when e.status = 'failed' then e.stage else 'prepare' end) as stage
    from public.webhook_events e
    where e.id = any (v_ids) and e.status in ('failed', 'processed') and private.owns(e.user_id)
      -- What was never classified can only begin there.
      and (e.entity_table is not null or coalesce(p_stage, e.stage) = 'classify')
    order by e.id
    for update
  ), queued as (
    update public.webhook_events e
    set stage = f.stage, status = 'pending', attempts = 0, run_after = now(), processed_at = null, error_message = null,
      is_person = coalesce(e.is_person, case when f.stage <> 'classify' then false end)
    from finished f
    where e.id = f.id
    returning e.id, e.user_id, e.stage
  ), audited as (
    insert into public.audit_logs (user_id, actor_id, action, target_id, details)
    select q.user_id, (select auth.uid()), 'event.reprocess', q.id, jsonb_build_object('stage', q.stage) from queued q
  )
  select coalesce(array_agg(q.id), '{}') into v_queued from queued q;
  perform private.wake(f) from unnest(array['classify', 'prepare_for_rules', 'process_rules']) f where cardinality(v_queued) > 0;
  return jsonb_build_object('queued', to_jsonb(v_queued), 'skipped', coalesce((
    select jsonb_agg(jsonb_build_object('id', i.id, 'reason', case
      when e.id is null then 'not_found'
      when e.status in ('pending', 'processing') then 'not_finished'
      else 'not_classified' end))
    from unnest(v_ids) as i (id)
    left join public.webhook_events e on e.id = i.id and private.owns(e.user_id)
    where i.id <> all (v_queued)), '[]'));
end
$$;
comment on function private.reprocess_events(text, public.webhook_event_stage) is 'See public.reprocess_events.';
revoke execute on function private.reprocess_events(text, public.webhook_event_stage) from public, anon;
grant execute on function private.reprocess_events(text, public.webhook_event_stage) to authenticated;

create function public.reprocess_events(p_event_ids text, p_stage text default null) returns jsonb
language sql volatile security invoker set search_path = ''
as $$
  select private.reprocess_events(p_event_ids, p_stage::public.webhook_event_stage)
$$;
comment on function public.reprocess_events(text, text) is
  'Puts failed or processed events back into the queue: at p_stage (classify, prepare, rules), else where they failed, else at prepare. Actions that have succeeded are not done again. Answers {queued[ids], skipped[{id, reason: not_found | not_finished | not_classified}]}.';
revoke execute on function public.reprocess_events(text, text) from public, anon;
grant execute on function public.reprocess_events(text, text) to authenticated;
