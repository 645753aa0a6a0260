-- Trying a rule: what it would do for events that were there. Nothing is changed; the functions api decides by shared/rules.py.

create function public.get_events_for_rules(p_user_id uuid, p_entity_table text, p_event_id uuid, p_limit integer) returns jsonb
language plpgsql stable security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_ids uuid[];
  v_batch jsonb;
begin
  if p_event_id is not null then
    v_ids := array(select e.id from public.webhook_events e where e.id = p_event_id and e.user_id = p_user_id);
    if cardinality(v_ids) = 0 then
      raise exception 'There is no such event' using errcode = 'PT404', detail = 'WH007';
    end if;
  else
    -- Those that have their person and record. However large, 8 MiB of them come at once, and one at least.
    v_ids := array(
      select recent.id from (
        select e.id, row_number() over (order by e.id desc) as place, sum(length(e.payload::text)) over (order by e.id desc) as size
        from (
          select l.id, l.payload from public.webhook_events l
          where l.user_id = p_user_id and l.entity_table = p_entity_table and l.stage in ('rules', 'done')
          order by l.id desc limit least(p_limit, 100)) e) recent
      where recent.place = 1 or recent.size <= 8388608);
  end if;
  v_batch := private.rules_batch(v_ids);
  return jsonb_build_object('invoice_field_maps', v_batch -> 'invoice_field_maps', 'events', coalesce((
    select jsonb_agg(b.value || jsonb_build_object('status', e.status, 'stage', e.stage) order by e.id desc)
    from jsonb_array_elements(v_batch -> 'events') b
    join public.webhook_events e on e.id = (b.value ->> 'id')::uuid), '[]'));
end
$$;
comment on function public.get_events_for_rules(uuid, text, uuid, integer) is
  'Events of a user (the caller, or anybody''s for an admin) as claim_rules hands them out, with status and stage, newest first: {events[], invoice_field_maps[]}. Either the one that is named, or the last of an entity type that are prepared, up to p_limit (100 at most).';
revoke execute on function public.get_events_for_rules(uuid, text, uuid, integer) from public, anon;
grant execute on function public.get_events_for_rules(uuid, text, uuid, integer) to authenticated;

create function public.get_action_problems(p_event_ids text, p_action_types text, p_configs text) returns jsonb
language sql stable security invoker set search_path = ''
as $$
  select coalesce(jsonb_agg(case when e.id is not null then private.action_problem(e, t.name, c.value) end order by c.place), '[]')
  -- As json: what jsonb cannot hold is a problem of its own action, and not of all.
  from json_array_elements(p_configs::json) with ordinality as c (value, place)
  join jsonb_array_elements_text(p_action_types::jsonb) with ordinality as t (name, place) using (place)
  join unnest(private.as_uuids(p_event_ids)) with ordinality as i (id, place) using (place)
  left join public.webhook_events e on e.id = i.id
$$;
comment on function public.get_action_problems(text, text, text) is
  'Why actions of these types with these configurations, filled in, could not be done for the events at the same places; null where they could, or where the caller sees no such event. Three JSON arrays in, one out. Changes nothing.';
revoke execute on function public.get_action_problems(text, text, text) from public, anon;
grant execute on function public.get_action_problems(text, text, text) to authenticated;

-- For a function api that was deployed before there was get_action_problems.
create function public.get_field_problems(p_event_ids text, p_configs text) returns jsonb
language sql stable security invoker set search_path = ''
as $$
  select coalesce(jsonb_agg(case when e.id is not null then private.field_problem(e, c.value) end order by c.place), '[]')
  -- As json: what jsonb cannot hold is a problem of its own action, and not of all.
  from json_array_elements(p_configs::json) with ordinality as c (value, place)
  join unnest(private.as_uuids(p_event_ids)) with ordinality as i (id, place) using (place)
  left join public.webhook_events e on e.id = i.id
$$;
comment on function public.get_field_problems(text, text) is
  'Why set_field with each of these configurations, filled in, could not be done for the event at the same place; null where it could, or where the caller sees no such event. Two JSON arrays in, one out. Changes nothing.';
revoke execute on function public.get_field_problems(text, text) from public, anon;
grant execute on function public.get_field_problems(text, text) to authenticated;
