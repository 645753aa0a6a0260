-- The classify stage: which entity type an event is, and whether a person stands behind it. What a person decided before,
-- about an event of the same endpoint and type, wins over any classifier.

create table public.classification_overrides (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null,
  endpoint_id uuid not null references public.webhook_endpoints (id) on delete cascade,
  event_type text not null,
  entity_table text,
  is_person boolean,
  decided_by uuid not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint classification_overrides_endpoint_id_event_type_key unique (endpoint_id, event_type),
  constraint overrides_say_something check (entity_table is not null or is_person is not null),
  constraint overrides_are_of_a_named_type check (event_type <> 'unknown')
);
comment on table public.classification_overrides is 'What users decided in the queue, remembered for later events of the same endpoint and event type. Deleting a row takes the decision back.';
comment on column public.classification_overrides.entity_table is 'Entity type that such events become; null leaves it to the classifier.';
comment on column public.classification_overrides.is_person is 'Whether a person is behind such events; null leaves it to the classifier.';
comment on column public.classification_overrides.decided_by is 'Who decided last: the owner or an admin.';
create index classification_overrides_user_id_idx on public.classification_overrides (user_id, updated_at desc, id desc);
create trigger touch_updated_at before update on public.classification_overrides
  for each row execute function private.touch_updated_at();
alter table public.classification_overrides enable row level security;
create policy "owners and admins read remembered overrides" on public.classification_overrides for select to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins take overrides back" on public.classification_overrides for delete to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.classification_overrides from public, anon, authenticated, service_role;
grant select, delete on table public.classification_overrides to authenticated;
grant select on table public.classification_overrides to service_role;

create function public.claim_classify(p_limit integer, p_lease_seconds integer, p_event_ids text default null) returns jsonb
language plpgsql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_lease_id uuid := gen_random_uuid();
  v_events jsonb;
  v_user_ids uuid[];
begin
  select jsonb_agg(jsonb_build_object('id', e.id, 'user_id', e.user_id, 'event_type', e.event_type, 'external_id', e.external_id,
      'payload', e.payload, 'attempts', e.attempts, 'override', case when o.id is not null then
        jsonb_build_object('id', o.id, 'entity_table', o.entity_table, 'is_person', o.is_person) end,
      'endpoint', jsonb_build_object('id', p.id, 'slug', p.slug, 'name', p.name, 'scheme', p.scheme,
        'allowed_object_types', p.allowed_object_types, 'default_entity_table', p.default_entity_table,
        'confidence_threshold', p.confidence_threshold)) order by e.id),
    array_agg(distinct e.user_id)
  into v_events, v_user_ids
  -- Left, though every event has an endpoint: an inner join need not call the lease where there is no endpoint, nor then check its limits.
  from private.lease_events('classify', p_limit, p_lease_seconds, p_event_ids, v_lease_id) e
  left join public.webhook_endpoints p on p.id = e.endpoint_id
  left join public.classification_overrides o on o.endpoint_id = e.endpoint_id and o.event_type = e.event_type;
  return jsonb_build_object('lease_id', v_lease_id, 'events', coalesce(v_events, '[]'),
    'entity_types', case when v_events is null then '[]' else private.entity_types_of(v_user_ids) end);
end
$$;
comment on function public.claim_classify(integer, integer, text) is
  'Leases up to p_limit events that wait for classification: {lease_id, events[], entity_types[]}. An event''s override is what a user decided before about its endpoint and type: {id, entity_table, is_person}, or null. p_event_ids: a JSON array, to claim only those.';
revoke execute on function public.claim_classify(integer, integer, text) from public, anon, authenticated;
grant execute on function public.claim_classify(integer, integer, text) to service_role;

create function public.finish_classify(p_lease_id uuid, p_results text) returns jsonb
language plpgsql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_asked uuid[];
  v_held uuid[];
  v_to_prepare integer;
begin
  select coalesce(array_agg(r.id), '{}') into v_asked from json_to_recordset(p_results::json) as r (id uuid);
  v_held := private.hold_events(p_lease_id, v_asked);

  perform private.fail_step(r.id, r.error, coalesce(r.final, false))
  from json_to_recordset(p_results::json) as r (id uuid, error text, final boolean)
  where r.error is not null and r.id = any (v_held);

  with results as (
    select r.*, t.name as known_type
    from json_to_recordset(p_results::json) as r (id uuid, entity_table text, is_person boolean, confidence numeric, classified_by text, error text)
    join public.webhook_events e on e.id = r.id
    left join lateral private.entity_type(e.user_id, r.entity_table) t on true
    where r.error is null and r.id = any (v_held)
  ), classified as (
    update public.webhook_events e
    set entity_table = r.known_type, is_person = coalesce(r.is_person, false), ai_confidence = r.confidence,
      classified_by = r.classified_by,
      stage = case when p.processing_mode = 'automatic' and r.known_type is not null and r.confidence >= p.confidence_threshold
        then 'prepare' else 'review' end::public.webhook_event_stage,
      status = 'pending', lease_id = null, leased_until = null, attempts = 0, run_after = now(), error_message = null
    from results r, public.webhook_endpoints p
    where e.id = r.id and p.id = e.endpoint_id
    returning e.*
  ), logged as (
    insert into public.webhook_event_logs (webhook_event_id, user_id, action_type, success, result)
    select c.id, c.user_id, 'classify', true, jsonb_build_object('entity_table', c.entity_table, 'is_person', c.is_person,
      'confidence', c.ai_confidence, 'classified_by', c.classified_by, 'next_stage', c.stage)
    from classified c
    on conflict (webhook_event_id, rule_id, action_id, action_type) do update set
      result = excluded.result, success = true, error_message = null, processed_at = excluded.processed_at
  )
  select count(*) filter (where c.stage = 'prepare') into v_to_prepare from classified c;

  if v_to_prepare > 0 then
    perform private.wake('prepare_for_rules');
  end if;
  return private.finished(v_asked, v_held);
end
$$;
comment on function public.finish_classify(uuid, text) is
  'Takes [{id, entity_table, is_person, confidence, classified_by} or {id, error, final?}]. In automatic mode an event at or above its endpoint''s threshold goes on to prepare, every other one to review.';
revoke execute on function public.finish_classify(uuid, text) from public, anon, authenticated;
grant execute on function public.finish_classify(uuid, text) to service_role;
