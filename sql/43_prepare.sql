-- The prepare stage: finds or makes the person and the record that an event is about, and links them.

create function public.claim_prepare(p_limit integer, p_lease_seconds integer, p_event_ids text default null) returns jsonb
language plpgsql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_lease_id uuid := gen_random_uuid();
  v_events jsonb;
  v_user_ids uuid[];
begin
  select jsonb_agg(jsonb_build_object('id', e.id, 'user_id', e.user_id, 'event_type', e.event_type, 'external_id', e.external_id,
      'payload', e.payload, 'entity_table', e.entity_table, 'is_person', e.is_person,
      'endpoint', jsonb_build_object('id', p.id, 'slug', p.slug, 'name', p.name, 'scheme', p.scheme,
        'field_maps', p.field_maps)) order by e.id),
    array_agg(distinct e.user_id)
  into v_events, v_user_ids
  -- Left, though every event has an endpoint: an inner join need not call the lease where there is no endpoint, nor then check its limits.
  from private.lease_events('prepare', p_limit, p_lease_seconds, p_event_ids, v_lease_id) e
  left join public.webhook_endpoints p on p.id = e.endpoint_id;
  return jsonb_build_object('lease_id', v_lease_id, 'events', coalesce(v_events, '[]'),
    'entity_types', case when v_events is null then '[]' else private.entity_types_of(v_user_ids) end);
end
$$;
comment on function public.claim_prepare(integer, integer, text) is
  'Leases up to p_limit classified events: {lease_id, events[], entity_types[]}. p_event_ids: a JSON array, to claim only those.';
revoke execute on function public.claim_prepare(integer, integer, text) from public, anon, authenticated;
grant execute on function public.claim_prepare(integer, integer, text) to service_role;

create type private.prepare_result as (
  id uuid,
  person jsonb,
  fields jsonb,
  error text,
  final boolean
);
comment on type private.prepare_result is 'What a worker made of one event; see public.finish_prepare.';

create type private.preparation as (
  event_id uuid,
  user_id uuid,
  endpoint_id uuid,
  entity_table text,
  is_person boolean,
  person jsonb,
  fields jsonb,
  person_id uuid,
  entity_id uuid,
  is_person_itself boolean
);
comment on type private.preparation is 'An event while it is prepared: with the person and the record of an earlier try at first, then with its own.';

create function private.prepare_person(p_event private.preparation, out person_id uuid, out found_by text)
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_new public.people := jsonb_populate_record(null::public.people, p_event.person);
begin
  v_new.user_id := p_event.user_id;
  v_new.endpoint_id := p_event.endpoint_id;
  v_new.kind := case when p_event.is_person then 'person' else 'automated' end;
  perform private.publish_because_of(p_event.event_id);
  -- An event about the person tells news of them; one about an order only fills in what was not known.
  select u.person_id, u.found_by into person_id, found_by
  from private.upsert_person(v_new, p_event.person_id, p_event.is_person_itself) u;
  if person_id is null and p_event.is_person_itself then
    raise exception 'Nothing in the payload says who this is (no email, phone, id or name)' using errcode = 'WH001';
  end if;
end
$$;
comment on function private.prepare_person(private.preparation) is 'Finds or makes the person of an event; null where the event names nobody.';
revoke execute on function private.prepare_person(private.preparation) from public, anon, authenticated;
grant execute on function private.prepare_person(private.preparation) to service_role;

create function private.prepare_records(p_events private.preparation[]) returns private.record_draft[]
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_group record;
  v_type public.entity_types;
  v_done private.record_draft[] := '{}';
begin
  -- Of a type, not of a name: the same name may mean another table to another user.
  for v_group in
    select t.type_id, array_agg(row(e.place, e.event_id, e.user_id, e.entity_id, e.fields, null, null)::private.record_draft order by e.place) as drafts
    from unnest(p_events) with ordinality as e (event_id, user_id, endpoint_id, entity_table, is_person, person, fields, person_id, entity_id,
      is_person_itself, place)
    cross join lateral (select (private.entity_type(e.user_id, e.entity_table)).id as type_id) t
    where not e.is_person_itself
    group by t.type_id
    order by min(e.place)
  loop
    select t.* into v_type from public.entity_types t where t.id = v_group.type_id;
    v_done := v_done || private.upsert_records(v_type, v_group.drafts);
  end loop;
  return v_done;
end
$$;
comment on function private.prepare_records(private.preparation[]) is 'Finds or makes the records of events that are about something else than a person.';
revoke execute on function private.prepare_records(private.preparation[]) from public, anon, authenticated;
grant execute on function private.prepare_records(private.preparation[]) to service_role;

create function private.prepare_events(p_results private.prepare_result[]) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_event private.preparation;
  v_events private.preparation[] := '{}';
  v_record private.record_draft;
  v_found_by text;
  v_target text;
  v_steps private.step[] := '{}';
begin
  -- People one by one: the next event may speak of the one that was just made.
  for v_event in
    select e.id, e.user_id, e.endpoint_id, e.entity_table, coalesce(e.is_person, false), r.person, coalesce(r.fields, '{}'), e.person_id, e.entity_id
    from unnest(p_results) r join public.webhook_events e on e.id = r.id
    order by e.id
  loop
    v_target := (private.entity_type(v_event.user_id, v_event.entity_table)).target_table;
    if v_target is null then
      raise exception 'There is no entity type %', v_event.entity_table using errcode = 'WH007';
    end if;
    v_event.is_person_itself := v_target = 'people';
    if v_event.is_person_itself then
      v_event.person := coalesce(v_event.person, v_event.fields);
    end if;
    if v_event.is_person_itself or (v_event.is_person and v_event.person is not null) then
      select p.person_id, p.found_by into v_event.person_id, v_found_by from private.prepare_person(v_event) p;
      if v_event.person_id is not null then
        v_steps := array_append(v_steps, row(v_event.event_id, v_event.user_id,
          case when v_found_by is null then 'create_person' else 'update_person' end, v_event.person,
          jsonb_build_object('person_id', v_event.person_id) || case when v_found_by is null then '{}'
            else jsonb_build_object('found_by', array[v_found_by]) end)::private.step);
      end if;
    else
      v_event.person_id := null;
    end if;
    if v_event.is_person_itself then
      v_event.entity_id := v_event.person_id;
    end if;
    v_events := array_append(v_events, v_event);
  end loop;

  foreach v_record in array private.prepare_records(v_events) loop
    v_events[v_record.place].entity_id := v_record.id;
    v_event := v_events[v_record.place];
    v_steps := array_append(v_steps, row(v_event.event_id, v_event.user_id,
      case when v_record.is_new then 'create_entity' else 'update_entity' end, v_event.fields,
      jsonb_build_object('entity_id', v_record.id, 'entity_table', v_event.entity_table) || case when v_record.is_new then '{}'
        else jsonb_build_object('found_by', v_record.found_by) end)::private.step);
  end loop;
  perform private.finish_preparations(v_events, v_steps);
end
$$;
comment on function private.prepare_events(private.prepare_result[]) is
  'Prepares held events and moves them to the rules stage, all of them or, on an error, none.';
revoke execute on function private.prepare_events(private.prepare_result[]) from public, anon, authenticated;
grant execute on function private.prepare_events(private.prepare_result[]) to service_role;

create function private.finish_preparations(p_events private.preparation[], p_steps private.step[]) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  perform private.publish_because_of(null);
  insert into public.people_entities (user_id, person_id, entity_id)
  select e.user_id, e.person_id, e.entity_id from unnest(p_events) e
  where e.person_id <> e.entity_id
  on conflict do nothing;
  perform private.log_steps(p_steps || array(
    select row(e.event_id, e.user_id, 'link_person', null, jsonb_build_object('person_id', e.person_id, 'entity_id', e.entity_id))::private.step
    from unnest(p_events) e where e.person_id <> e.entity_id));
  perform private.settle_failures('prepare', array(select e.event_id from unnest(p_events) e));
  update public.webhook_events e
  set stage = 'rules', status = 'pending', person_id = p.person_id, entity_id = p.entity_id, lease_id = null, leased_until = null,
    attempts = 0, run_after = now(), error_message = null
  from unnest(p_events) p
  where e.id = p.event_id;
end
$$;
comment on function private.finish_preparations(private.preparation[], private.step[]) is
  'Links people to records, logs what was done, and moves the events to the rules stage.';
revoke execute on function private.finish_preparations(private.preparation[], private.step[]) from public, anon, authenticated;
grant execute on function private.finish_preparations(private.preparation[], private.step[]) to service_role;

create function private.try_to_prepare(p_results private.prepare_result[]) returns text
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  perform private.prepare_events(p_results);
  return null;
exception
  -- The payload does not fit the table, the table is gone or its trigger objects, or one of our own refusals.
  when others then
    if private.may_pass(sqlstate) then
      raise;
    end if;
    return sqlerrm;
end
$$;
comment on function private.try_to_prepare(private.prepare_result[]) is 'Why these events can not be prepared; null if they are.';
revoke execute on function private.try_to_prepare(private.prepare_result[]) from public, anon, authenticated;
grant execute on function private.try_to_prepare(private.prepare_result[]) to service_role;

create function public.finish_prepare(p_lease_id uuid, p_results text) returns jsonb
language plpgsql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_results private.prepare_result[] := array(
    select r from json_populate_recordset(null::private.prepare_result, p_results::json) r order by r.id);
  v_asked uuid[] := array(select r.id from unnest(v_results) r);
  v_held uuid[] := private.hold_events(p_lease_id, v_asked);
  v_good private.prepare_result[];
  v_result private.prepare_result;
  v_error text;
begin
  -- One owner's people are looked up and made by one transaction at a time, so that two workers never make the same person. In order: no deadlock.
  perform pg_catalog.pg_advisory_xact_lock(hashtextextended(o.user_id::text, 0))
  from (select distinct e.user_id from public.webhook_events e where e.id = any (v_held) order by e.user_id) o;

  perform private.fail_step(r.id, r.error, coalesce(r.final, false))
  from unnest(v_results) r where r.id = any (v_held) and r.error is not null;
  v_good := array(select r from unnest(v_results) r where r.id = any (v_held) and r.error is null order by r.id);
  -- Together, as that is quick; where something is wrong with one of them, each alone.
  if cardinality(v_good) > 0 and private.try_to_prepare(v_good) is not null then
    foreach v_result in array v_good loop
      v_error := private.try_to_prepare(array[v_result]);
      if v_error is not null then
        perform private.fail_step(v_result.id, v_error, true);
      end if;
    end loop;
  end if;
  perform private.publish_because_of(null);

  if exists (select from public.webhook_events e where e.id = any (v_held) and e.stage = 'rules') then
    perform private.wake('process_rules');
  end if;
  return private.finished(v_asked, v_held);
end
$$;
comment on function public.finish_prepare(uuid, text) is
  'Takes [{id, person|null, fields} or {id, error, final?}]: finds or makes person and record, links them, moves the event to the rules stage. A bad event fails alone.';
revoke execute on function public.finish_prepare(uuid, text) from public, anon, authenticated;
grant execute on function public.finish_prepare(uuid, text) to service_role;
