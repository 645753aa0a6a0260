-- The way of one event, from the body that came in to the deliveries that came of it.

-- Security definer: users may not read private.webhook_bodies, and are told nothing of a body but its size, hash and type.
create function private.body_facts(p_event_id uuid) returns jsonb
language sql stable security definer set search_path = ''
as $$
  select jsonb_build_object('size', length(b.body), 'sha256', encode(sha256(b.body), 'hex'), 'content_type', b.content_type)
  from public.webhook_events e
  join private.webhook_bodies b on b.webhook_event_id = e.id
  where e.id = p_event_id and private.owns(e.user_id)
$$;
comment on function private.body_facts(uuid) is 'Size, SHA-256 and content type of the body of an event of the caller, as it came; null where there is none.';
revoke execute on function private.body_facts(uuid) from public, anon;
grant execute on function private.body_facts(uuid) to authenticated;

create function private.trace_step(p_log public.webhook_event_logs) returns jsonb
language sql immutable security invoker set search_path = ''
as $$
  select jsonb_build_object('action_type', p_log.action_type, 'success', p_log.success, 'error', p_log.error_message,
    'result', p_log.result, 'at', p_log.processed_at)
$$;
comment on function private.trace_step(public.webhook_event_logs) is 'One entry of the log as a step of a trace.';
revoke execute on function private.trace_step(public.webhook_event_logs) from public, anon;
grant execute on function private.trace_step(public.webhook_event_logs) to authenticated, service_role;

create function private.trace_label(p_event public.webhook_events) returns jsonb
language sql stable security invoker set search_path = ''
as $$
  select jsonb_build_object('entity_table', p_event.entity_table, 'is_person', p_event.is_person, 'classified_by', p_event.classified_by,
    'confidence', p_event.ai_confidence,
    -- What the classifier said is in the log's entry, whatever people have decided since.
    'classifier', (
      select l.result || jsonb_build_object('at', l.processed_at) from public.webhook_event_logs l
      where l.webhook_event_id = p_event.id and l.action_type = 'classify' and l.success and l.result <> '{}'),
    'decisions', coalesce((
      select jsonb_agg(jsonb_build_object('action', a.action, 'by', a.actor_id, 'details', a.details, 'at', a.created_at) order by a.created_at, a.id)
      from public.audit_logs a
      where a.user_id = p_event.user_id and a.target_id = p_event.id and a.action in ('event.override', 'event.approve', 'event.reprocess')), '[]'))
$$;
comment on function private.trace_label(public.webhook_events) is 'What an event was taken for, by whom and how surely, and what people decided about that.';
revoke execute on function private.trace_label(public.webhook_events) from public, anon;
grant execute on function private.trace_label(public.webhook_events) to authenticated, service_role;

create function private.trace_finding(p_event public.webhook_events, p_kind text) returns jsonb
language sql stable security invoker set search_path = ''
as $$
  -- The first entry tells whether it was there before; a later one only that the event was prepared again.
  select jsonb_build_object('id', l.result ->> (p_kind || '_id'), 'how', case when l.action_type like 'create%' then 'made' else 'found' end,
    'found_by', coalesce(l.result -> 'found_by', '[]'), 'at', l.processed_at)
  from public.webhook_event_logs l
  where l.webhook_event_id = p_event.id and l.action_type in ('create_' || p_kind, 'update_' || p_kind) and l.success
    and l.result ->> (p_kind || '_id') = case p_kind when 'person' then p_event.person_id else p_event.entity_id end::text
  order by l.action_type like 'update%', l.processed_at
  limit 1
$$;
comment on function private.trace_finding(public.webhook_events, text) is
  'How the person or entity of an event was come by: made, or found, and by which keys; null where there is none.';
revoke execute on function private.trace_finding(public.webhook_events, text) from public, anon;
grant execute on function private.trace_finding(public.webhook_events, text) to authenticated, service_role;

create function private.trace_rules(p_event public.webhook_events) returns jsonb
language sql stable security invoker set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object('id', r.rule_id, 'name', r.name, 'actions', r.actions) order by r.began, r.rule_id), '[]')
  from (
    select l.rule_id, a.name, min(l.processed_at) as began,
      jsonb_agg(private.trace_step(l) || jsonb_build_object('action_id', l.action_id, 'action_config', l.action_config, 'duration_ms', l.duration_ms)
        order by l.processed_at, l.id) as actions
    from public.webhook_event_logs l
    left join public.entity_automation_rules a on a.id = l.rule_id
    where l.webhook_event_id = p_event.id and l.rule_id is not null
    group by l.rule_id, a.name) r
$$;
comment on function private.trace_rules(public.webhook_events) is 'What each rule did for an event; a rule that is no longer there has no name.';
revoke execute on function private.trace_rules(public.webhook_events) from public, anon;
grant execute on function private.trace_rules(public.webhook_events) to authenticated, service_role;

create function private.trace_deliveries(p_published_event_id uuid) returns jsonb
language sql stable security invoker set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'webhook_id', d.webhook_id, 'webhook_name', w.name, 'status', d.status,
    'attempts', d.attempts, 'response_status', d.response_status, 'error', d.error_message, 'created_at', d.created_at,
    'finished_at', d.finished_at) order by d.id), '[]')
  from (
    select * from public.webhook_deliveries o where o.published_event_id = p_published_event_id order by o.id limit 100) d
  join public.webhooks w on w.id = d.webhook_id
$$;
comment on function private.trace_deliveries(uuid) is 'The first hundred deliveries of a published event.';
revoke execute on function private.trace_deliveries(uuid) from public, anon;
grant execute on function private.trace_deliveries(uuid) to authenticated, service_role;

create function private.trace_outgoing(p_event public.webhook_events) returns jsonb
language sql stable security invoker set search_path = ''
as $$
  with done as (
    select l.action_id, l.result from public.webhook_event_logs l
    where l.webhook_event_id = p_event.id and l.action_id is not null and l.success
  ), published as (
    (select p.id from public.published_events p
    where p.user_id = p_event.user_id and p.webhook_event_id = p_event.id order by p.id limit 100)
    union
    -- What was published before events were put down to their causes.
    select (d.result ->> 'published_event_id')::uuid from done d
  )
  select coalesce(jsonb_agg(jsonb_build_object('id', p.id, 'type', p.type, 'at', p.created_at,
    'action_id', (
      select d.action_id from done d
      where d.result ->> 'published_event_id' = p.id::text
        -- A record that an action made is told by the trigger of its table, as {name: row}.
        or (split_part(p.type, '.', 2) = 'created'
          and d.result ->> (split_part(p.type, '.', 1) || '_id') = p.data -> split_part(p.type, '.', 1) ->> 'id')
      limit 1),
    'deliveries', private.trace_deliveries(p.id)) order by p.id), '[]')
  from published n
  join public.published_events p on p.id = n.id and p.user_id = p_event.user_id
$$;
comment on function private.trace_outgoing(public.webhook_events) is
  'What was published because of an event (the first hundred), by which action of a rule where one did, and who received it.';
revoke execute on function private.trace_outgoing(public.webhook_events) from public, anon;
grant execute on function private.trace_outgoing(public.webhook_events) to authenticated, service_role;

create function public.get_event_trace(p_event_id uuid) returns jsonb
language plpgsql stable security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_event public.webhook_events;
begin
  select e.* into v_event from public.webhook_events e where e.id = p_event_id;
  if v_event.id is null then
    raise exception 'There is no such event' using errcode = 'PT404', detail = 'WH007';
  end if;
  return jsonb_build_object('id', v_event.id, 'event_type', v_event.event_type, 'external_id', v_event.external_id,
    'status', v_event.status, 'stage', v_event.stage, 'error', v_event.error_message, 'processed_at', v_event.processed_at,
    'received', jsonb_build_object('at', v_event.created_at, 'body', private.body_facts(v_event.id)),
    -- A request is verified before it is stored, in the same breath.
    'verification', jsonb_build_object('scheme', v_event.scheme, 'verified', v_event.scheme <> 'none', 'at', v_event.created_at,
      'endpoint', (select jsonb_build_object('id', p.id, 'name', p.name, 'slug', p.slug)
        from public.webhook_endpoints p where p.id = v_event.endpoint_id)),
    'label', private.trace_label(v_event),
    'person', private.trace_finding(v_event, 'person'),
    'entity', private.trace_finding(v_event, 'entity'),
    'steps', coalesce((
      select jsonb_agg(private.trace_step(l) order by l.processed_at, l.id)
      from public.webhook_event_logs l where l.webhook_event_id = v_event.id and l.rule_id is null), '[]'),
    'rules', private.trace_rules(v_event),
    'outgoing', private.trace_outgoing(v_event));
end
$$;
comment on function public.get_event_trace(uuid) is
  'The way of an event of the caller: {received, verification, label, person, entity, steps[], rules[{actions[]}], outgoing[{deliveries[]}]}, each with its time.';
revoke execute on function public.get_event_trace(uuid) from public, anon;
grant execute on function public.get_event_trace(uuid) to authenticated;
