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

create function private.action_target(p_event public.webhook_events, p_config jsonb) returns uuid
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_id uuid := case when p_config ->> 'target' = 'person' then p_event.person_id else p_event.entity_id end;
begin
  if v_id is null then
    raise exception 'The event has no % to act on', coalesce(p_config ->> 'target', 'entity') using errcode = 'WH001';
  end if;
  return v_id;
end
$$;
comment on function private.action_target(public.webhook_events, jsonb) is 'The person or the record that an action names as its target.';
revoke execute on function private.action_target(public.webhook_events, jsonb) from public, anon, authenticated;
grant execute on function private.action_target(public.webhook_events, jsonb) to service_role;

create function private.make_record(p_event public.webhook_events, p_type_name text, p_fields jsonb) returns uuid
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_draft private.record_draft := row(1, p_event.id, p_event.user_id, null, p_fields, null, null);
  v_id uuid := (private.upsert_records(private.entity_type(null, p_type_name), array[v_draft]))[1].id;
begin
  if p_event.person_id is not null then
    insert into public.people_entities (user_id, person_id, entity_id) values (p_event.user_id, p_event.person_id, v_id)
    on conflict do nothing;
  end if;
  return v_id;
end
$$;
comment on function private.make_record(public.webhook_events, text, jsonb) is
  'A second record that an action makes of an event (or finds again by the type''s match columns), linked to the event''s person.';
revoke execute on function private.make_record(public.webhook_events, text, jsonb) from public, anon, authenticated;
grant execute on function private.make_record(public.webhook_events, text, jsonb) to service_role;

create function private.field_problem(p_event public.webhook_events, p_config json) returns text
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_table text := (private.entity_type(p_event.user_id, p_event.entity_table)).target_table;
  v_field text;
  v_is_empty boolean;
begin
  v_field := p_config ->> 'field';
  if (v_field = any (private.writable_columns(v_table))) is not true then
    return left(format('There is no field %s that a rule may set', coalesce(quote_ident(v_field), 'without a name')), 2000);
  end if;
  execute format('select r.%I is null from jsonb_populate_record(null::public.%I, $1) r', v_field, v_table)
  into v_is_empty using jsonb_build_object(v_field, p_config -> 'value');
  if v_is_empty and (
      select a.attnotnull from pg_catalog.pg_attribute a
      join pg_catalog.pg_class c on c.oid = a.attrelid
      where c.relnamespace = 'public'::regnamespace and c.relname = v_table and a.attname = v_field) then
    return format('The field %s may not be empty', quote_ident(v_field));
  end if;
  -- An event that is tried before it is prepared will have its record by then.
  if p_event.entity_id is null and p_event.stage in ('rules', 'done') then
    return 'The event has no entity to act on';
  end if;
  return null;
exception
  when others then
    if private.may_pass(sqlstate) then
      raise;
    end if;
    return left(sqlerrm, 2000);
end
$$;
comment on function private.field_problem(public.webhook_events, json) is
  'Why set_field with this configuration cannot be done for an event; null if it can, as far as the field and its type tell. Changes nothing.';
revoke execute on function private.field_problem(public.webhook_events, json) from public, anon;
grant execute on function private.field_problem(public.webhook_events, json) to authenticated, service_role;

create function private.set_field(p_event public.webhook_events, p_field text, p_value jsonb) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_type public.entity_types := private.entity_type(p_event.user_id, p_event.entity_table);
  v_problem text := private.field_problem(p_event, json_build_object('field', p_field, 'value', p_value));
begin
  if v_problem is not null then
    raise exception '%', v_problem using errcode = 'WH001';
  end if;
  execute format('update public.%I t set %I = r.%I from jsonb_populate_record(null::public.%I, $3) r where t.id = $1 and t.user_id = $2',
    v_type.target_table, p_field, p_field, v_type.target_table)
  using private.action_target(p_event, '{}'), p_event.user_id, jsonb_build_object(p_field, p_value);
end
$$;
comment on function private.set_field(public.webhook_events, text, jsonb) is 'Sets one field of the event''s record.';
revoke execute on function private.set_field(public.webhook_events, text, jsonb) from public, anon, authenticated;
grant execute on function private.set_field(public.webhook_events, text, jsonb) to service_role;

create function private.apply_action(p_event public.webhook_events, p_action_id uuid, p_action_type text, p_config jsonb) returns jsonb
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_id uuid;
  v_key text;
begin
  case p_action_type
    when 'tag' then
      v_id := private.action_target(p_event, p_config);
      insert into public.entity_tags (user_id, entity_id, tag)
      select p_event.user_id, v_id, t from jsonb_array_elements_text(p_config -> 'tags') t on conflict do nothing;
      return jsonb_build_object('entity_id', v_id);
    when 'assign_role' then
      v_id := private.action_target(p_event, p_config);
      insert into public.entity_roles (user_id, entity_id, role) values (p_event.user_id, v_id, p_config ->> 'role') on conflict do nothing;
      return jsonb_build_object('entity_id', v_id);
    when 'extract_invoice' then
      return jsonb_build_object('invoice_id', private.make_record(p_event, 'invoice', p_config -> 'fields'));
    when 'create_ticket' then
      return jsonb_build_object('ticket_id', private.make_record(p_event, 'ticket', p_config));
    when 'store_message' then
      insert into public.chat_messages (user_id, webhook_event_id, entity_id, person_id, conversation_id, external_id, direction, sender, content)
      values (p_event.user_id, p_event.id, p_event.entity_id, p_event.person_id, p_config ->> 'conversation_id', p_config ->> 'external_id',
        coalesce(p_config ->> 'direction', 'inbound'), p_config ->> 'sender', p_config ->> 'content')
      returning id into v_id;
      return jsonb_build_object('chat_message_id', v_id);
    when 'set_field' then
      perform private.set_field(p_event, p_config ->> 'field', p_config -> 'value');
      return '{}';
    when 'send_notification' then
      insert into public.notifications (user_id, webhook_event_id, title, body)
      values (p_event.user_id, p_event.id, p_config ->> 'title', p_config ->> 'body')
      returning id into v_id;
      return jsonb_build_object('notification_id', v_id);
    when 'call_webhook' then
      -- The key outlives the log, so that an event whose log was lost is not told twice either.
      v_key := format('rule:%s:%s', p_event.id, p_action_id);
      v_id := (private.publish(array[row(p_event.user_id, p_config ->> 'event', p_config -> 'data', v_key)::private.outgoing_event]))[1];
      return jsonb_build_object('published_event_id', coalesce(v_id, (
        select e.id from public.published_events e where e.user_id = p_event.user_id and e.idempotency_key = v_key)));
    else
      raise exception 'There is no action %', quote_ident(p_action_type) using errcode = 'WH001';
  end case;
end
$$;
comment on function private.apply_action(public.webhook_events, uuid, text, jsonb) is
  'Does one rendered action for an event and returns what came of it. The caller sees to it that this happens once.';
revoke execute on function private.apply_action(public.webhook_events, uuid, text, jsonb) from public, anon, authenticated;
grant execute on function private.apply_action(public.webhook_events, uuid, text, jsonb) to service_role;

create function private.run_action(p_event public.webhook_events, p_action jsonb) returns public.webhook_event_logs
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_log public.webhook_event_logs;
begin
  v_log.id := gen_random_uuid();
  v_log.webhook_event_id := p_event.id;
  v_log.user_id := p_event.user_id;
  v_log.rule_id := (p_action ->> 'rule_id')::uuid;
  v_log.action_id := (p_action ->> 'action_id')::uuid;
  v_log.action_type := p_action ->> 'action_type';
  v_log.action_config := coalesce(p_action -> 'action_config', '{}');
  v_log.error_message := p_action ->> 'error';
  v_log.result := '{}';
  v_log.duration_ms := (p_action ->> 'duration_ms')::numeric;
  if v_log.error_message is null then
    begin
      v_log.result := private.apply_action(p_event, v_log.action_id, v_log.action_type, v_log.action_config);
    exception
      when others then
        if private.may_pass(sqlstate) then
          raise;
        end if;
        v_log.error_message := left(sqlerrm, 2000);
    end;
  end if;
  v_log.success := v_log.error_message is null;
  v_log.processed_at := clock_timestamp();
  return v_log;
end
$$;
comment on function private.run_action(public.webhook_events, jsonb) is 'Applies one action, and says what is to be logged of it.';
revoke execute on function private.run_action(public.webhook_events, jsonb) from public, anon, authenticated;
grant execute on function private.run_action(public.webhook_events, jsonb) to service_role;

create function private.run_actions(p_event public.webhook_events, p_actions jsonb) returns public.webhook_event_logs[]
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_done uuid[] := array(
    select l.action_id from public.webhook_event_logs l where l.webhook_event_id = p_event.id and l.action_id is not null and l.success);
  v_action jsonb;
  v_log public.webhook_event_logs;
  v_logs public.webhook_event_logs[] := '{}';
begin
  for v_action in select value from jsonb_array_elements(p_actions) loop
    continue when (v_action ->> 'action_id')::uuid = any (v_done);
    v_log := private.run_action(p_event, v_action);
    v_logs := array_append(v_logs, v_log);
    v_done := array_append(v_done, v_log.action_id);
  end loop;
  return v_logs;
end
$$;
comment on function private.run_actions(public.webhook_events, jsonb) is
  'Applies actions in their order, without those that have succeeded for this event before; what is to be logged of them.';
revoke execute on function private.run_actions(public.webhook_events, jsonb) from public, anon, authenticated;
grant execute on function private.run_actions(public.webhook_events, jsonb) to service_role;

create function private.log_actions(p_logs public.webhook_event_logs[]) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  insert into public.webhook_event_logs
  select l.* from unnest(p_logs) l
  on conflict (webhook_event_id, rule_id, action_id, action_type) do update set
    action_config = excluded.action_config, success = excluded.success, error_message = excluded.error_message,
    result = excluded.result, duration_ms = excluded.duration_ms, processed_at = excluded.processed_at;
end
$$;
comment on function private.log_actions(public.webhook_event_logs[]) is 'Logs actions. One that is done again replaces its entry.';
revoke execute on function private.log_actions(public.webhook_event_logs[]) from public, anon, authenticated;
grant execute on function private.log_actions(public.webhook_event_logs[]) to service_role;

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
