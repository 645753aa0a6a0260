-- What rules do: one function per kind of action that needs one, applied and logged for one event.

create function private.target_of(p_event public.webhook_events, p_target text) returns uuid
language sql immutable security invoker set search_path = ''
as $$
  select case when p_target = 'person' then p_event.person_id else p_event.entity_id end
$$;
comment on function private.target_of(public.webhook_events, text) is 'The person or the record of an event; null where it has none.';
revoke execute on function private.target_of(public.webhook_events, text) from public, anon;
grant execute on function private.target_of(public.webhook_events, text) to authenticated, service_role;

create function private.target_problem(p_event public.webhook_events, p_target text) returns text
language sql immutable security invoker set search_path = ''
as $$
  select case when private.target_of(p_event, p_target) is null then format('The event has no %s to act on', coalesce(p_target, 'entity')) end
$$;
comment on function private.target_problem(public.webhook_events, text) is 'Says that an event has no such target; null if it has one.';
revoke execute on function private.target_problem(public.webhook_events, text) from public, anon;
grant execute on function private.target_problem(public.webhook_events, text) to authenticated, service_role;

create function private.action_target(p_event public.webhook_events, p_config jsonb) returns uuid
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_problem text := private.target_problem(p_event, p_config ->> 'target');
begin
  if v_problem is not null then
    raise exception '%', v_problem using errcode = 'WH001';
  end if;
  return private.target_of(p_event, p_config ->> 'target');
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

create function private.no_such_field(p_table text, p_field text) returns text
language sql stable security invoker set search_path = ''
as $$
  select case when (p_field = any (private.writable_columns(p_table))) is not true then
    left(format('There is no field %s that a rule may set', coalesce(quote_ident(p_field), 'without a name')), 2000) end
$$;
comment on function private.no_such_field(text, text) is 'Says that no rule may set this field of a record in this table; null if one may.';
revoke execute on function private.no_such_field(text, text) from public, anon;
grant execute on function private.no_such_field(text, text) to authenticated, service_role;

create function private.field_problem(p_event public.webhook_events, p_config json) returns text
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_table text := (private.entity_type(p_event.user_id, p_event.entity_table)).target_table;
  v_field text;
  v_problem text;
  v_is_empty boolean;
begin
  v_field := p_config ->> 'field';
  v_problem := private.no_such_field(v_table, v_field);
  if v_problem is not null then
    return v_problem;
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
  if p_event.stage in ('rules', 'done') then
    return private.target_problem(p_event, 'entity');
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

create function private.action_problem(p_event public.webhook_events, p_action_type text, p_config json) returns text
language plpgsql stable security invoker set search_path = ''
as $$
begin
  if p_action_type = 'set_field' then
    return private.field_problem(p_event, p_config);
  end if;
  -- As above: by the time of its rules an event may have what it has not yet.
  if p_action_type in ('tag', 'assign_role') and p_event.stage in ('rules', 'done') then
    return private.target_problem(p_event, p_config ->> 'target');
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
comment on function private.action_problem(public.webhook_events, text, json) is
  'Why an action with this configuration cannot be done for an event; null if it can, as far as its target, and the field that it sets, tell. Changes nothing.';
revoke execute on function private.action_problem(public.webhook_events, text, json) from public, anon;
grant execute on function private.action_problem(public.webhook_events, text, json) to authenticated, service_role;

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
