-- Storing events: one call for a whole group of requests, with one answer per request.

create function private.store_events(p_events json) returns jsonb
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_granted jsonb;
  v_inserted uuid[];
  v_results jsonb;
begin
  -- A body seen longer ago than the endpoint's window is a new delivery: the old row gives its key up.
  update public.webhook_events e
  set dedupe_key = e.dedupe_key || ':' || e.id
  from json_to_recordset(p_events) as i (endpoint_id uuid, dedupe_key text)
  join public.webhook_endpoints p on p.id = i.endpoint_id
  where e.endpoint_id = i.endpoint_id and e.dedupe_key = i.dedupe_key and i.dedupe_key like 'body:%'
    and e.created_at < now() - make_interval(secs => p.dedupe_window_seconds);

  select jsonb_object_agg(w.endpoint_id, jsonb_build_object('granted', t.granted, 'retry_after', t.retry_after)) into v_granted
  from (
    select i.endpoint_id, p.rate_limit_per_minute, count(distinct i.dedupe_key)::integer as wanted
    from json_to_recordset(p_events) as i (endpoint_id uuid, dedupe_key text)
    join public.webhook_endpoints p on p.id = i.endpoint_id and p.is_active and p.rate_limit_per_minute is not null
    where not exists (select from public.webhook_events e where e.endpoint_id = i.endpoint_id and e.dedupe_key = i.dedupe_key)
    group by i.endpoint_id, p.rate_limit_per_minute
    order by i.endpoint_id) w
  cross join lateral private.take_rate_limit(w.endpoint_id, w.rate_limit_per_minute, w.wanted) t;

  with incoming as (
    select i.*, p.created_by, p.rate_limit_per_minute,
      row_number() over (partition by i.endpoint_id order by i.id) as turn
    from (
      select distinct on (i.endpoint_id, i.dedupe_key) i.*
      from json_to_recordset(p_events) as i (id uuid, endpoint_id uuid, external_id text, event_type text, headers jsonb, scheme text,
        dedupe_key text, payload json, body text, content_type text)
      order by i.endpoint_id, i.dedupe_key, i.id) i
    join public.webhook_endpoints p on p.id = i.endpoint_id and p.is_active
    where not exists (select from public.webhook_events e where e.endpoint_id = i.endpoint_id and e.dedupe_key = i.dedupe_key)
  ), stored as (
    insert into public.webhook_events (id, endpoint_id, user_id, external_id, event_type, payload, headers, scheme, dedupe_key)
    select i.id, i.endpoint_id, i.created_by, i.external_id, i.event_type,
      coalesce(i.payload::jsonb, convert_from(decode(i.body, 'base64'), 'UTF8')::jsonb),
      coalesce(i.headers, '{}'), i.scheme, i.dedupe_key
    from incoming i
    where i.rate_limit_per_minute is null or i.turn <= (v_granted -> i.endpoint_id::text ->> 'granted')::integer
    -- The same order in every transaction: two groups with the same keys wait for each other instead of deadlocking.
    order by i.endpoint_id, i.dedupe_key
    on conflict (endpoint_id, dedupe_key) do nothing
    returning id
  ), bodies as (
    insert into private.webhook_bodies (webhook_event_id, body, content_type)
    select s.id, decode(i.body, 'base64'), i.content_type from stored s join incoming i using (id)
  )
  select coalesce(array_agg(id), '{}') into v_inserted from stored;

  -- A statement of its own, so that it sees what other transactions committed while the insert waited for them.
  select jsonb_agg(case
      when i.id = any (v_inserted) then jsonb_build_object('id', i.id, 'state', 'accepted')
      when e.id is not null then jsonb_build_object('id', e.id, 'state', 'duplicate')
      when p.id is null then jsonb_build_object('id', i.id, 'state', 'unknown_endpoint')
      when not p.is_active then jsonb_build_object('id', i.id, 'state', 'endpoint_inactive')
      else jsonb_build_object('id', i.id, 'state', 'rate_limited',
        'retry_after', coalesce((v_granted -> i.endpoint_id::text ->> 'retry_after')::integer, 1))
    end order by i.position) into v_results
  from rows from (json_to_recordset(p_events) as (id uuid, endpoint_id uuid, dedupe_key text))
    with ordinality as i (id, endpoint_id, dedupe_key, position)
  left join public.webhook_endpoints p on p.id = i.endpoint_id
  left join public.webhook_events e on e.endpoint_id = i.endpoint_id and e.dedupe_key = i.dedupe_key;

  if cardinality(v_inserted) > 0 then
    perform private.wake('classify');
  end if;
  return coalesce(v_results, '[]');
end
$$;
comment on function private.store_events(json) is 'Stores a group of events, all or (on an error) none. See public.ingest_events.';
revoke execute on function private.store_events(json) from public, anon, authenticated;
grant execute on function private.store_events(json) to service_role;

create function public.ingest_events(p_events text) returns jsonb
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_event json;
  v_results jsonb := '[]';
begin
  return private.store_events(p_events::json);
exception
  -- Some row of the group is bad (class 22 data, 23 integrity, 54 limits): each is tried alone, so only that one is refused.
  when data_exception or integrity_constraint_violation or program_limit_exceeded then
    for v_event in select value from json_array_elements(p_events::json) loop
      begin
        v_results := v_results || private.store_events(json_build_array(v_event));
      exception
        when data_exception or integrity_constraint_violation or program_limit_exceeded then
          v_results := v_results || jsonb_build_array(jsonb_build_object('id', v_event ->> 'id', 'state', 'rejected', 'sqlstate', sqlstate));
      end;
    end loop;
    return v_results;
end
$$;
comment on function public.ingest_events(text) is
  'Stores verified deliveries. p_events: JSON array of {id, endpoint_id, external_id, event_type, headers, scheme, dedupe_key, body (base64), content_type, payload (only where it is not simply the body)}. Answers in the same order {id, state: accepted | duplicate | rate_limited | endpoint_inactive | unknown_endpoint | rejected, retry_after?, sqlstate?}.';
revoke execute on function public.ingest_events(text) from public, anon, authenticated;
grant execute on function public.ingest_events(text) to service_role;
