-- Written by `make migration` from sql/. Never edited once it has shipped.

set local check_function_bodies = off;

CREATE OR REPLACE FUNCTION private.action_problem(p_event public.webhook_events, p_action_type text, p_config json)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."action_problem"(public.webhook_events, text, json) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.action_target(p_event public.webhook_events, p_config jsonb)
 RETURNS uuid
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_problem text := private.target_problem(p_event, p_config ->> 'target');
begin
  if v_problem is not null then
    raise exception '%', v_problem using errcode = 'WH001';
  end if;
  return private.target_of(p_event, p_config ->> 'target');
end
$function$;

CREATE OR REPLACE FUNCTION private.field_problem(p_event public.webhook_events, p_config json)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION private.no_such_field(p_table text, p_field text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select case when (p_field = any (private.writable_columns(p_table))) is not true then
    left(format('There is no field %s that a rule may set', coalesce(quote_ident(p_field), 'without a name')), 2000) end
$function$;

ALTER FUNCTION "private"."no_such_field"(text, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.publish_event(p_type text, p_data text, p_user_id uuid, p_idempotency_key text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION private.queue_depth(p_user_id uuid)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object(
    'review', (select count(*) from (
      select from public.webhook_events e
      where e.stage = 'review' and (p_user_id is null or e.user_id = p_user_id) limit 1000) c),
    'events', (select count(*) from (
      select from public.webhook_events e
      where e.status in ('pending', 'processing') and e.stage in ('classify', 'prepare', 'rules')
        and (p_user_id is null or e.user_id = p_user_id) limit 1000) c),
    -- Of each webhook by itself: many that wait for one that is off are not read to find those of the others.
    'deliveries', (select count(*) from (
      select from public.webhooks w cross join lateral (
        select from public.webhook_deliveries d where d.webhook_id = w.id and d.status in ('pending', 'delivering') limit 1000) d
      where w.active and (p_user_id is null or w.created_by = p_user_id) limit 1000) c),
    'paused', (select count(*) from (
      select from public.webhooks w cross join lateral (
        select from public.webhook_deliveries d where d.webhook_id = w.id and d.status in ('pending', 'delivering') limit 1000) d
      where not w.active and (p_user_id is null or w.created_by = p_user_id) limit 1000) c))
$function$;

CREATE OR REPLACE FUNCTION private.ruled_anew(p_event public.webhook_events, p_result jsonb)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('before', jsonb_strip_nulls(jsonb_build_object('status', p_event.status, 'error', p_event.error_message)),
    'after', jsonb_build_object('actions', coalesce((
      select jsonb_agg(jsonb_strip_nulls(jsonb_build_object('error', problem)) || a.value - 'duration_ms' order by a.place)
      from jsonb_array_elements(p_result -> 'actions') with ordinality as a (value, place),
        lateral (select case when not a.value ? 'error'
          then private.action_problem(p_event, a.value ->> 'action_type', (a.value -> 'action_config')::json) end as problem) f), '[]')))
  where p_event.status = 'failed' or jsonb_array_length(p_result -> 'actions') > 0
$function$;

CREATE OR REPLACE FUNCTION private.target_of(p_event public.webhook_events, p_target text)
 RETURNS uuid
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select case when p_target = 'person' then p_event.person_id else p_event.entity_id end
$function$;

ALTER FUNCTION "private"."target_of"(public.webhook_events, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.target_problem(p_event public.webhook_events, p_target text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select case when private.target_of(p_event, p_target) is null then format('The event has no %s to act on', coalesce(p_target, 'entity')) end
$function$;

ALTER FUNCTION "private"."target_problem"(public.webhook_events, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.get_action_problems(p_event_ids text, p_action_types text, p_configs text)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(jsonb_agg(case when e.id is not null then private.action_problem(e, t.name, c.value) end order by c.place), '[]')
  -- As json: what jsonb cannot hold is a problem of its own action, and not of all.
  from json_array_elements(p_configs::json) with ordinality as c (value, place)
  join jsonb_array_elements_text(p_action_types::jsonb) with ordinality as t (name, place) using (place)
  join unnest(private.as_uuids(p_event_ids)) with ordinality as i (id, place) using (place)
  left join public.webhook_events e on e.id = i.id
$function$;

ALTER FUNCTION "public"."get_action_problems"(text, text, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.save_rule(p_rule_id uuid, p_rule text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_new jsonb := p_rule::jsonb;
  v_rule public.entity_automation_rules;
  v_table text;
  v_problem text;
begin
  if p_rule_id is null then
    insert into public.entity_automation_rules (entity_table, name, description, condition, priority, is_active)
    select r.entity_table, r.name, r.description, coalesce(r.condition, ''), coalesce(r.priority, 100), coalesce(r.is_active, true)
    from jsonb_populate_record(null::public.entity_automation_rules, v_new) r
    returning * into v_rule;
  else
    update public.entity_automation_rules t
    set entity_table = r.entity_table, name = r.name, description = r.description, condition = coalesce(r.condition, ''),
      priority = coalesce(r.priority, 100), is_active = coalesce(r.is_active, true)
    from jsonb_populate_record(null::public.entity_automation_rules, v_new) r
    where t.id = p_rule_id
    returning t.* into v_rule;
    if v_rule.id is null then
      raise exception 'No such rule' using errcode = 'PT404', detail = 'WH007';
    end if;
  end if;
  v_table := (private.entity_type(v_rule.user_id, v_rule.entity_table)).target_table;
  select p.problem into v_problem
  from jsonb_array_elements(v_new -> 'actions') with ordinality as i (value, position)
  cross join lateral (select private.no_such_field(v_table, i.value #>> '{action_config,field}') as problem) p
  where i.value ->> 'action_type' = 'set_field' and p.problem is not null
  order by i.position limit 1;
  if v_problem is not null then
    raise exception '%', v_problem using errcode = 'PT400', detail = 'WH001';
  end if;
  -- An action keeps its id, by which it is known what has already been done for an event.
  delete from public.entity_rule_actions a
  where a.rule_id = v_rule.id
    and a.id not in (select i.id from jsonb_to_recordset(v_new -> 'actions') as i (id uuid) where i.id is not null);
  update public.entity_rule_actions a
  set position = i.position, action_type = i.value ->> 'action_type', action_config = coalesce(i.value -> 'action_config', '{}')
  from jsonb_array_elements(v_new -> 'actions') with ordinality as i (value, position)
  where a.rule_id = v_rule.id and a.id = (i.value ->> 'id')::uuid;
  insert into public.entity_rule_actions (user_id, rule_id, position, action_type, action_config)
  select v_rule.user_id, v_rule.id, i.position, i.value ->> 'action_type', coalesce(i.value -> 'action_config', '{}')
  from jsonb_array_elements(v_new -> 'actions') with ordinality as i (value, position)
  where not exists (select from public.entity_rule_actions a where a.rule_id = v_rule.id and a.id = (i.value ->> 'id')::uuid);
  return to_jsonb(v_rule) || jsonb_build_object('actions', coalesce((
    select jsonb_agg(jsonb_build_object('id', a.id, 'action_type', a.action_type, 'action_config', a.action_config) order by a.position)
    from public.entity_rule_actions a where a.rule_id = v_rule.id), '[]'));
end
$function$;

COMMENT ON FUNCTION "private"."action_problem"(public.webhook_events, text, json) IS 'Why an action with this configuration cannot be done for an event; null if it can, as far as its target, and the field that it sets, tell. Changes nothing.';

COMMENT ON FUNCTION "private"."no_such_field"(text, text) IS 'Says that no rule may set this field of a record in this table; null if one may.';

COMMENT ON FUNCTION "private"."queue_depth"(uuid) IS 'What waits, for one user or (null) for all that the caller may see: {review, events (on their way), deliveries (on their way), paused (deliveries of webhooks that are off)}, each counted up to 1000.';

COMMENT ON FUNCTION "private"."target_of"(public.webhook_events, text) IS 'The person or the record of an event; null where it has none.';

COMMENT ON FUNCTION "private"."target_problem"(public.webhook_events, text) IS 'Says that an event has no such target; null if it has one.';

COMMENT ON FUNCTION "public"."get_action_problems"(text, text, text) IS 'Why actions of these types with these configurations, filled in, could not be done for the events at the same places; null where they could, or where the caller sees no such event. Three JSON arrays in, one out. Changes nothing.';

COMMENT ON FUNCTION "public"."publish_event"(text, text, uuid, text) IS 'Publishes an event of a user in the caller''s transaction. p_data: a JSON object. Answers {id, state: published | duplicate (the key was used before: id is the first event''s), deliveries}. A key that was used before for another type or other data is refused.';

COMMENT ON FUNCTION "public"."save_rule"(uuid, text) IS 'Makes (p_rule_id null) or replaces a rule of the caller with its actions, at once. p_rule: JSON {entity_table, name, description, condition, priority, is_active, actions[{id?, action_type, action_config}]}. A set_field of a field that no rule may set is refused.';

REVOKE ALL ON FUNCTION "private"."action_problem"(public.webhook_events, text, json) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."action_problem"(public.webhook_events, text, json) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."no_such_field"(text, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."no_such_field"(text, text) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."target_of"(public.webhook_events, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."target_of"(public.webhook_events, text) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."target_problem"(public.webhook_events, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."target_problem"(public.webhook_events, text) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "public"."get_action_problems"(text, text, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."get_action_problems"(text, text, text) TO "authenticated";
