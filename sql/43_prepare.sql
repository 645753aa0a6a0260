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

create function private.find_person(p_event public.webhook_events, p_person jsonb) returns uuid
language sql stable security invoker set search_path = ''
as $$
  select coalesce(
    p_event.person_id,
    (select p.id from public.people p where p.user_id = p_event.user_id and lower(p.email) = lower(p_person ->> 'email')),
    (select p.id from public.people p where p.user_id = p_event.user_id and p.phone = p_person ->> 'phone' order by p.id limit 1),
    (select p.id from public.people p
     where p.endpoint_id = p_event.endpoint_id and p.user_id = p_event.user_id and p.external_id = p_person ->> 'external_id'
     order by p.id limit 1))
$$;
comment on function private.find_person(public.webhook_events, jsonb) is
  'The person an event speaks of: by email, then phone, then the source''s own id; null where nobody matches.';
revoke execute on function private.find_person(public.webhook_events, jsonb) from public, anon, authenticated;
grant execute on function private.find_person(public.webhook_events, jsonb) to service_role;

create function private.upsert_person(p_event public.webhook_events, p_person jsonb, p_kind text) returns uuid
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_new public.people := jsonb_populate_record(null::public.people, p_person);
  v_id uuid := private.find_person(p_event, p_person);
  v_key text;
  -- An event about the person tells news of them; one about an order only fills in what was not known.
  v_is_about boolean := (private.entity_type(p_event.user_id, p_event.entity_table)).target_table = 'people';
begin
  if v_id is not null then
    select case
        when p.id = p_event.person_id then 'earlier_try'
        when lower(p.email) = lower(v_new.email) then 'email'
        when p.phone = v_new.phone then 'phone'
        else 'external_id' end
    into v_key from public.people p where p.id = v_id;
    update public.people p set
      email = case when exists (select from public.people o
          where o.user_id = p.user_id and lower(o.email) = lower(v_new.email) and o.id <> p.id)
        then p.email else coalesce(p.email, v_new.email) end,
      phone = coalesce(p.phone, v_new.phone),
      -- The id and the source that it is from go together.
      endpoint_id = case when p.external_id is null and v_new.external_id is not null then p_event.endpoint_id else p.endpoint_id end,
      external_id = coalesce(p.external_id, v_new.external_id),
      name = case when v_is_about then coalesce(v_new.name, p.name) else coalesce(p.name, v_new.name) end,
      first_name = case when v_is_about then coalesce(v_new.first_name, p.first_name) else coalesce(p.first_name, v_new.first_name) end,
      last_name = case when v_is_about then coalesce(v_new.last_name, p.last_name) else coalesce(p.last_name, v_new.last_name) end,
      company = case when v_is_about then coalesce(v_new.company, p.company) else coalesce(p.company, v_new.company) end,
      title = case when v_is_about then coalesce(v_new.title, p.title) else coalesce(p.title, v_new.title) end
    where p.id = v_id;
    perform private.log_step(p_event, 'update_person', p_person, jsonb_build_object('person_id', v_id, 'found_by', array[v_key]));
    return v_id;
  end if;
  if coalesce(v_new.email, v_new.phone, v_new.external_id, v_new.name) is null then
    return null;
  end if;
  insert into public.people (user_id, endpoint_id, kind, email, phone, name, first_name, last_name, company, title, external_id)
  values (p_event.user_id, p_event.endpoint_id, p_kind, v_new.email, v_new.phone, v_new.name, v_new.first_name, v_new.last_name,
    v_new.company, v_new.title, v_new.external_id)
  returning id into v_id;
  perform private.log_step(p_event, 'create_person', p_person, jsonb_build_object('person_id', v_id));
  return v_id;
end
$$;
comment on function private.upsert_person(public.webhook_events, jsonb, text) is
  'Finds or makes the person of an event; null where the event names nobody.';
revoke execute on function private.upsert_person(public.webhook_events, jsonb, text) from public, anon, authenticated;
grant execute on function private.upsert_person(public.webhook_events, jsonb, text) to service_role;

create function private.find_record(p_event public.webhook_events, p_type public.entity_types, p_fields jsonb) returns uuid
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_id uuid;
begin
  -- The record of an earlier try of this event, unless it was deleted or the event was classified anew as something else.
  if exists (select from public.entities e where e.id = p_event.entity_id and e.entity_table = p_type.name) then
    execute format('select t.id from public.%I t where t.id = $1 and t.user_id = $2', p_type.target_table)
    into v_id using p_event.entity_id, p_event.user_id;
  end if;
  if v_id is not null or cardinality(p_type.match_columns) = 0
    or exists (select from unnest(p_type.match_columns) c where p_fields ->> c is null) then
    return v_id;
  end if;
  execute format('select t.id from public.%I t, jsonb_populate_record(null::public.%I, $2) r where t.user_id = $1 and %s order by t.id limit 1',
    p_type.target_table, p_type.target_table,
    (select string_agg(format('t.%I = r.%I', c, c), ' and ') from unnest(p_type.match_columns) c))
  into v_id using p_event.user_id, p_fields;
  return v_id;
end
$$;
comment on function private.find_record(public.webhook_events, public.entity_types, jsonb) is
  'The record that an event is about, by the entity type''s match columns; null where there is none yet.';
revoke execute on function private.find_record(public.webhook_events, public.entity_types, jsonb) from public, anon, authenticated;
grant execute on function private.find_record(public.webhook_events, public.entity_types, jsonb) to service_role;

create function private.write_record(p_user_id uuid, p_type public.entity_types, p_id uuid, p_fields jsonb, p_is_new boolean) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_columns text[];
begin
  select array_agg(c order by c) into v_columns
  from unnest(private.writable_columns(p_type.target_table)) c
  where p_fields ->> c is not null;
  if p_is_new then
    insert into public.entities (id, user_id, entity_table) values (p_id, p_user_id, p_type.name);
    execute format('insert into public.%I (id, user_id%s) select $1, $2%s from jsonb_populate_record(null::public.%I, $3) r',
      p_type.target_table,
      (select string_agg(format(', %I', c), '') from unnest(v_columns) c),
      (select string_agg(format(', r.%I', c), '') from unnest(v_columns) c),
      p_type.target_table)
    using p_id, p_user_id, p_fields;
  elsif v_columns is not null then
    execute format('update public.%I t set %s from jsonb_populate_record(null::public.%I, $3) r where t.id = $1 and t.user_id = $2',
      p_type.target_table,
      (select string_agg(format('%I = r.%I', c, c), ', ') from unnest(v_columns) c),
      p_type.target_table)
    using p_id, p_user_id, p_fields;
  end if;
end
$$;
comment on function private.write_record(uuid, public.entity_types, uuid, jsonb, boolean) is
  'Inserts or updates one record in an entity type''s table. Only columns that private.writable_columns names are touched.';
revoke execute on function private.write_record(uuid, public.entity_types, uuid, jsonb, boolean) from public, anon, authenticated;
grant execute on function private.write_record(uuid, public.entity_types, uuid, jsonb, boolean) to service_role;

create function private.upsert_record(p_event public.webhook_events, p_type public.entity_types, p_fields jsonb) returns uuid
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_found uuid := private.find_record(p_event, p_type, p_fields);
  v_id uuid := coalesce(v_found, gen_random_uuid());
begin
  perform private.write_record(p_event.user_id, p_type, v_id, p_fields, v_found is null);
  perform private.log_step(p_event, case when v_found is null then 'create_entity' else 'update_entity' end, p_fields,
    jsonb_build_object('entity_id', v_id, 'entity_table', p_type.name) || case when v_found is null then '{}'
      else jsonb_build_object('found_by', case when v_found = p_event.entity_id then array['earlier_try'] else p_type.match_columns end) end);
  return v_id;
end
$$;
comment on function private.upsert_record(public.webhook_events, public.entity_types, jsonb) is 'Finds and updates, or makes, the record of an event.';
revoke execute on function private.upsert_record(public.webhook_events, public.entity_types, jsonb) from public, anon, authenticated;
grant execute on function private.upsert_record(public.webhook_events, public.entity_types, jsonb) to service_role;

create function private.link_person(p_event public.webhook_events, p_person_id uuid, p_entity_id uuid) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  if p_person_id is null or p_person_id = p_entity_id then
    return;
  end if;
  insert into public.people_entities (user_id, person_id, entity_id) values (p_event.user_id, p_person_id, p_entity_id)
  on conflict do nothing;
  perform private.log_step(p_event, 'link_person', null, jsonb_build_object('person_id', p_person_id, 'entity_id', p_entity_id));
end
$$;
comment on function private.link_person(public.webhook_events, uuid, uuid) is 'Links a person to a record, once.';
revoke execute on function private.link_person(public.webhook_events, uuid, uuid) from public, anon, authenticated;
grant execute on function private.link_person(public.webhook_events, uuid, uuid) to service_role;

create function private.prepare_event(p_event public.webhook_events, p_person jsonb, p_fields jsonb) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_type public.entity_types := private.entity_type(p_event.user_id, p_event.entity_table);
  v_person_id uuid;
  v_entity_id uuid;
begin
  if v_type.id is null then
    raise exception 'There is no entity type %', p_event.entity_table using errcode = 'WH007';
  end if;
  if v_type.target_table = 'people' then
    v_person_id := private.upsert_person(p_event, coalesce(p_person, p_fields), case when p_event.is_person then 'person' else 'automated' end);
    if v_person_id is null then
      raise exception 'Nothing in the payload says who this is (no email, phone, id or name)' using errcode = 'WH001';
    end if;
    v_entity_id := v_person_id;
  else
    if p_event.is_person and p_person is not null then
      v_person_id := private.upsert_person(p_event, p_person, 'person');
    end if;
    v_entity_id := private.upsert_record(p_event, v_type, p_fields);
  end if;
  perform private.link_person(p_event, v_person_id, v_entity_id);
  perform private.settle_failure(p_event);
  update public.webhook_events e
  set stage = 'rules', status = 'pending', person_id = v_person_id, entity_id = v_entity_id, lease_id = null, leased_until = null,
    attempts = 0, run_after = now(), error_message = null
  where e.id = p_event.id;
end
$$;
comment on function private.prepare_event(public.webhook_events, jsonb, jsonb) is 'Prepares one held event and moves it to the rules stage.';
revoke execute on function private.prepare_event(public.webhook_events, jsonb, jsonb) from public, anon, authenticated;
grant execute on function private.prepare_event(public.webhook_events, jsonb, jsonb) to service_role;

create function public.finish_prepare(p_lease_id uuid, p_results text) returns jsonb
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_asked uuid[];
  v_held uuid[];
  v_event public.webhook_events;
  v_result record;
  v_prepared integer := 0;
begin
  select coalesce(array_agg(r.id), '{}') into v_asked from json_to_recordset(p_results::json) as r (id uuid);
  v_held := private.hold_events(p_lease_id, v_asked);
  -- One owner's people are looked up and made by one transaction at a time, so that two workers never make the same person. In order: no deadlock.
  perform pg_catalog.pg_advisory_xact_lock(hashtextextended(o.user_id::text, 0))
  from (select distinct e.user_id from public.webhook_events e where e.id = any (v_held) order by e.user_id) o;

  for v_result in
    select r.* from json_to_recordset(p_results::json) as r (id uuid, person jsonb, fields jsonb, error text, final boolean)
    where r.id = any (v_held) order by r.id
  loop
    if v_result.error is not null then
      perform private.fail_step(v_result.id, v_result.error, coalesce(v_result.final, false));
      continue;
    end if;
    perform private.publish_because_of(v_result.id);
    begin
      select e.* into v_event from public.webhook_events e where e.id = v_result.id;
      perform private.prepare_event(v_event, v_result.person, coalesce(v_result.fields, '{}'));
      v_prepared := v_prepared + 1;
    exception
      -- The payload does not fit the table, the table is gone or its trigger objects, or one of our own refusals.
      when others then
        if private.may_pass(sqlstate) then
          raise;
        end if;
        perform private.fail_step(v_result.id, sqlerrm, true);
    end;
  end loop;
  perform private.publish_because_of(null);

  if v_prepared > 0 then
    perform private.wake('process_rules');
  end if;
  return private.finished(v_asked, v_held);
end
$$;
comment on function public.finish_prepare(uuid, text) is
  'Takes [{id, person|null, fields} or {id, error, final?}]: finds or makes person and record, links them, moves the event to the rules stage. A bad event fails alone.';
revoke execute on function public.finish_prepare(uuid, text) from public, anon, authenticated;
grant execute on function public.finish_prepare(uuid, text) to service_role;
