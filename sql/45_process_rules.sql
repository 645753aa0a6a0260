-- The rules stage: actions that the rules of an owner decided on are applied, logged and finished in one transaction.

create function private.rules_batch(p_event_ids uuid[]) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_events jsonb;
  v_user_ids uuid[];
  v_entity_tables text[];
  v_records jsonb := private.records(p_event_ids);
begin
  select jsonb_agg(jsonb_build_object('id', e.id, 'user_id', e.user_id, 'event_type', e.event_type, 'external_id', e.external_id,
      'payload', e.payload, 'entity_table', e.entity_table, 'is_person', e.is_person, 'confidence', e.ai_confidence,
      'created_at', e.created_at,
      'endpoint', jsonb_build_object('id', p.id, 'slug', p.slug, 'name', p.name, 'scheme', p.scheme),
      'person', (select private.readable(to_jsonb(h) - 'user_id') from public.people h where h.id = e.person_id and h.user_id = e.user_id),
      'entity', v_records -> e.id::text,
      'done_actions', coalesce((select jsonb_agg(l.action_id) from public.webhook_event_logs l
        where l.webhook_event_id = e.id and l.action_id is not null and l.success), '[]')) order by e.id),
    array_agg(distinct e.user_id), array_agg(distinct e.entity_table)
  into v_events, v_user_ids, v_entity_tables
  from public.webhook_events e
  join public.webhook_endpoints p on p.id = e.endpoint_id
  where e.id = any (p_event_ids);
  if v_events is null then
    return jsonb_build_object('events', '[]'::jsonb, 'rules', '[]'::jsonb, 'invoice_field_maps', '[]'::jsonb);
  end if;
  return jsonb_build_object('events', v_events,
    'rules', coalesce((
      select jsonb_agg(jsonb_build_object('id', r.id, 'user_id', r.user_id, 'entity_table', r.entity_table, 'name', r.name,
        'condition', r.condition, 'priority', r.priority,
        'actions', coalesce((select jsonb_agg(jsonb_build_object('id', a.id, 'position', a.position, 'action_type', a.action_type,
          'action_config', a.action_config) order by a.position)
          from public.entity_rule_actions a where a.rule_id = r.id), '[]')) order by r.priority, r.created_at, r.id)
      from public.entity_automation_rules r
      where r.user_id = any (v_user_ids) and r.is_active and r.entity_table = any (v_entity_tables)), '[]'),
    'invoice_field_maps', (
      select coalesce(jsonb_agg(jsonb_build_object('user_id', t.user_id, 'field_map', t.field_map)), '[]')
      from public.entity_types t where t.name = 'invoice' and (t.user_id is null or t.user_id = any (v_user_ids))));
end
$$;
comment on function private.rules_batch(uuid[]) is
  'Events with their person and record, and what decides about them: {events[], rules[], invoice_field_maps[]}. Changes nothing; a user gets what row level security lets them see.';
revoke execute on function private.rules_batch(uuid[]) from public, anon;
grant execute on function private.rules_batch(uuid[]) to authenticated, service_role;

create function public.claim_rules(p_limit integer, p_lease_seconds integer, p_event_ids text default null) returns jsonb
language plpgsql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_lease_id uuid := gen_random_uuid();
  v_leased uuid[];
begin
  select array_agg(e.id) into v_leased from private.lease_events('rules', p_limit, p_lease_seconds, p_event_ids, v_lease_id) e;
  return jsonb_build_object('lease_id', v_lease_id) || private.rules_batch(v_leased);
end
$$;
comment on function public.claim_rules(integer, integer, text) is
  'Leases up to p_limit prepared events with their person and record: {lease_id, events[], rules[], invoice_field_maps[]}. p_event_ids: a JSON array, to claim only those.';
revoke execute on function public.claim_rules(integer, integer, text) from public, anon, authenticated;
grant execute on function public.claim_rules(integer, integer, text) to service_role;

create function private.readable(p_record jsonb) returns jsonb
language plpgsql immutable security invoker set search_path = ''
as $$
begin
  -- JSON parsers of workers stop at some depth, and a batch holds many owners' rows: one of them must not spoil it for the others.
  return case
    when pg_column_size(p_record) > 1048576 then jsonb_build_object('id', p_record -> 'id')
    when jsonb_path_exists(p_record, '$.**{64}') then (
      select jsonb_object_agg(key, value) from jsonb_each(p_record) where jsonb_typeof(value) not in ('object', 'array'))
    else p_record
  end;
end
$$;
comment on function private.readable(jsonb) is
  'A row as JSON that any worker can read: without its nested values if they are deeper than 64 levels, its id alone if it is over 1 MiB.';
revoke execute on function private.readable(jsonb) from public, anon;
grant execute on function private.readable(jsonb) to authenticated, service_role;

create function private.records(p_event_ids uuid[]) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_group record;
  v_some jsonb;
  v_records jsonb := '{}';
begin
  for v_group in
    select t.target_table, array_agg(e.id) as event_ids
    from public.webhook_events e
    cross join lateral (select (private.entity_type(e.user_id, e.entity_table)).target_table) t
    where e.id = any (p_event_ids) and t.target_table is not null
    group by t.target_table
  loop
    begin
      execute format('select jsonb_object_agg(e.id, private.readable((
          select to_jsonb(t) - ''user_id'' from public.%I t where t.id = e.entity_id and t.user_id = e.user_id)))
        from public.webhook_events e where e.id = any ($1)', v_group.target_table)
      into v_some using v_group.event_ids;
      v_records := v_records || coalesce(v_some, '{}');
    exception
      -- One owner's table that was dropped or closed must not keep everybody's events from being claimed.
      when syntax_error_or_access_rule_violation then
        null;
    end;
  end loop;
  return v_records;
end
$$;
comment on function private.records(uuid[]) is 'Records of events as JSON, by the event''s id; null where there is none.';
revoke execute on function private.records(uuid[]) from public, anon;
grant execute on function private.records(uuid[]) to authenticated, service_role;

create function public.finish_rules(p_lease_id uuid, p_results text) returns jsonb
language plpgsql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_asked uuid[];
  v_held uuid[];
  v_event public.webhook_events;
  v_result record;
  v_logs public.webhook_event_logs[];
  v_all_logs public.webhook_event_logs[] := '{}';
  v_error text;
  v_done uuid[] := '{}';
begin
  select coalesce(array_agg(r.id), '{}') into v_asked from json_to_recordset(p_results::json) as r (id uuid);
  v_held := private.hold_events(p_lease_id, v_asked);
  -- Actions make records too: the same lock as in finish_prepare.
  perform pg_catalog.pg_advisory_xact_lock(hashtextextended(o.user_id::text, 0))
  from (select distinct e.user_id from public.webhook_events e where e.id = any (v_held) order by e.user_id) o;

  for v_result in
    select r.* from json_to_recordset(p_results::json) as r (id uuid, actions jsonb, error text, final boolean)
    where r.id = any (v_held) order by r.id
  loop
    if v_result.error is not null then
      perform private.fail_step(v_result.id, v_result.error, coalesce(v_result.final, false));
      continue;
    end if;
    select e.* into v_event from public.webhook_events e where e.id = v_result.id;
    perform private.publish_because_of(v_event.id);
    v_logs := private.run_actions(v_event, coalesce(v_result.actions, '[]'));
    v_all_logs := v_all_logs || v_logs;
    select string_agg(format('%s: %s', l.action_type, l.error_message), '; ') into v_error from unnest(v_logs) l where not l.success;
    if v_error is not null then
      perform private.fail_event(v_result.id, v_error, true);
    else
      v_done := array_append(v_done, v_result.id);
    end if;
  end loop;
  perform private.publish_because_of(null);
  perform private.log_actions(v_all_logs);
  perform private.settle_failures('rules', v_done);
  update public.webhook_events e
  set stage = 'done', status = 'processed', processed_at = clock_timestamp(), lease_id = null, leased_until = null, error_message = null
  where e.id = any (v_done);
  return private.finished(v_asked, v_held);
end
$$;
comment on function public.finish_rules(uuid, text) is
  'Takes [{id, actions[{rule_id, action_id, action_type, action_config, error?, duration_ms}]} or {id, error, final?}]: applies and logs each action once. An event with a failed action is failed and can be reprocessed.';
revoke execute on function public.finish_rules(uuid, text) from public, anon, authenticated;
grant execute on function public.finish_rules(uuid, text) to service_role;
