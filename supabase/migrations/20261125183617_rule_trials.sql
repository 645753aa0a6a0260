-- Written by `make migration` from sql/. Never edited once it has shipped.

set local check_function_bodies = off;

CREATE OR REPLACE FUNCTION private.field_problem(p_event public.webhook_events, p_config json)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."field_problem"(public.webhook_events, json) OWNER TO "postgres";

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
        lateral (select case when a.value ->> 'action_type' = 'set_field' and not a.value ? 'error'
          then private.field_problem(p_event, (a.value -> 'action_config')::json) end as problem) f), '[]')))
  where p_event.status = 'failed' or jsonb_array_length(p_result -> 'actions') > 0
$function$;

CREATE OR REPLACE FUNCTION private.set_field(p_event public.webhook_events, p_field text, p_value jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION public.finish_replay(p_lease_id uuid, p_results text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION public.get_field_problems(p_event_ids text, p_configs text)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(jsonb_agg(case when e.id is not null then private.field_problem(e, c.value) end order by c.place), '[]')
  -- As json: what jsonb cannot hold is a problem of its own action, and not of all.
  from json_array_elements(p_configs::json) with ordinality as c (value, place)
  join unnest(private.as_uuids(p_event_ids)) with ordinality as i (id, place) using (place)
  left join public.webhook_events e on e.id = i.id
$function$;

ALTER FUNCTION "public"."get_field_problems"(text, text) OWNER TO "postgres";

COMMENT ON COLUMN "public"."event_replays"."failing" IS 'Of these, those about which nothing can be decided, or of which an action would fail.';

COMMENT ON FUNCTION "private"."field_problem"(public.webhook_events, json) IS 'Why set_field with this configuration cannot be done for an event; null if it can, as far as the field and its type tell. Changes nothing.';

COMMENT ON FUNCTION "public"."get_field_problems"(text, text) IS 'Why set_field with each of these configurations, filled in, could not be done for the event at the same place; null where it could, or where the caller sees no such event. Two JSON arrays in, one out. Changes nothing.';

REVOKE ALL ON FUNCTION "private"."field_problem"(public.webhook_events, json) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."field_problem"(public.webhook_events, json) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."may_pass"(text) FROM "authenticated";

GRANT EXECUTE ON FUNCTION "private"."may_pass"(text) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."get_field_problems"(text, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."get_field_problems"(text, text) TO "authenticated";
