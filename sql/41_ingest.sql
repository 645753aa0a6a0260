-- Storing events: one call for a whole group of requests, with one answer per request.

create type private.incoming_event as (
  id uuid,
  endpoint_id uuid,
  external_id text,
  event_type text,
  headers jsonb,
  scheme text,
  dedupe_key text,
  payload json,
  body text,
  content_type text
);
comment on type private.incoming_event is 'A delivery as ingest hands it over; see public.ingest_events.';

create function private.seen_before(p_rows private.incoming_event[]) returns uuid[]
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_seen uuid[];
begin
  perform from unnest(p_rows) i
  join public.webhook_events e on e.dedupe_key = i.dedupe_key and e.endpoint_id is not distinct from i.endpoint_id;
  if not found then
    return '{}';
  end if;
  -- A body seen longer ago than the endpoint's window is a new delivery: the old row gives its key up.
  -- Locked in order, so that two groups with the same bodies do not deadlock.
  with expired as (
    select e.id
    from unnest(p_rows) i
    join public.webhook_endpoints p on p.id = i.endpoint_id
    join public.webhook_events e on e.dedupe_key = i.dedupe_key and e.endpoint_id is not distinct from i.endpoint_id
    where i.dedupe_key like 'body:%' and e.created_at < now() - make_interval(secs => p.dedupe_window_seconds)
    order by e.id
    for update of e
  )
  update public.webhook_events e
  set dedupe_key = e.dedupe_key || ':' || e.id
  from expired x
  where e.id = x.id;
  select coalesce(array_agg(i.id), '{}') into v_seen
  from unnest(p_rows) i
  join public.webhook_events e on e.dedupe_key = i.dedupe_key and e.endpoint_id is not distinct from i.endpoint_id;
  return v_seen;
end
$$;
comment on function private.seen_before(private.incoming_event[]) is 'Ids of those rows whose delivery is already stored.';
revoke execute on function private.seen_before(private.incoming_event[]) from public, anon, authenticated;
grant execute on function private.seen_before(private.incoming_event[]) to service_role;

create function private.insert_events(p_rows private.incoming_event[]) returns uuid[]
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_inserted uuid[];
  v_are_all boolean;
begin
  with stored as (
    insert into public.webhook_events (id, endpoint_id, user_id, external_id, event_type, payload, headers, scheme, dedupe_key)
    select i.id, i.endpoint_id, p.created_by, i.external_id, i.event_type,
      coalesce(i.payload::jsonb, convert_from(decode(i.body, 'base64'), 'UTF8')::jsonb),
      coalesce(i.headers, '{}'), i.scheme, i.dedupe_key
    from unnest(p_rows) i
    join public.webhook_endpoints p on p.id = i.endpoint_id and p.is_active
    -- The same order in every transaction: two groups with the same keys wait for each other instead of deadlocking.
    order by i.endpoint_id, i.dedupe_key, i.id
    on conflict (endpoint_id, dedupe_key) do nothing
    returning id
  )
  select coalesce(array_agg(id), '{}') into v_inserted from stored;
  v_are_all := cardinality(v_inserted) = cardinality(p_rows);
  insert into private.webhook_bodies (webhook_event_id, body, content_type)
  select i.id, decode(i.body, 'base64'), i.content_type from unnest(p_rows) i
  where v_are_all or i.id = any (v_inserted);
  return v_inserted;
end
$$;
comment on function private.insert_events(private.incoming_event[]) is
  'Stores rows of active endpoints with their bodies, of several with one key the first; returns the ids of those that are new.';
revoke execute on function private.insert_events(private.incoming_event[]) from public, anon, authenticated;
grant execute on function private.insert_events(private.incoming_event[]) to service_role;

create function private.granted_rows(p_rows private.incoming_event[], p_granted jsonb) returns private.incoming_event[]
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return array(
    select turns.i
    from (
      select firsts.i, row_number() over (partition by (firsts.i).endpoint_id order by (firsts.i).id) as turn
      from (
        select distinct on (i.endpoint_id, i.dedupe_key) i
        from unnest(p_rows) i
        order by i.endpoint_id, i.dedupe_key, i.id) firsts) turns
    join public.webhook_endpoints p on p.id = (turns.i).endpoint_id
    where p.rate_limit_per_minute is null or turns.turn <= (p_granted -> p.id::text ->> 'granted')::integer);
end
$$;
comment on function private.granted_rows(private.incoming_event[], jsonb) is
  'Of each limited endpoint the first rows, as many as p_granted says, copies not counted; of others all.';
revoke execute on function private.granted_rows(private.incoming_event[], jsonb) from public, anon, authenticated;
grant execute on function private.granted_rows(private.incoming_event[], jsonb) to service_role;

create function private.store_events(p_events json) returns jsonb
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  -- Parsed once: every further look at the rows is a cheap walk over this array.
  v_rows private.incoming_event[] := array(select i from json_populate_recordset(null::private.incoming_event, p_events) i);
  v_rest private.incoming_event[] := v_rows;
  v_seen uuid[];
  v_is_limited boolean;
  v_granted jsonb;
  v_inserted uuid[] := '{}';
begin
  -- Groups of a limited endpoint go one after the other from here on: each knows what the one before it has stored,
  -- so a copy of it costs nothing.
  perform pg_catalog.pg_advisory_xact_lock(hashtextextended(l.id::text, 1))
  from (
    select p.id from public.webhook_endpoints p
    where p.id in (select i.endpoint_id from unnest(v_rows) i) and p.rate_limit_per_minute is not null
    order by p.id) l;
  v_is_limited := found;
  -- Nearly always every row is new and may be stored, so that is tried before anything is looked up.
  if not v_is_limited then
    v_inserted := private.insert_events(v_rows);
    v_rest := case when cardinality(v_inserted) = cardinality(v_rows) then '{}'
      else array(select i from unnest(v_rows) i where i.id <> all (v_inserted)) end;
  end if;
  if cardinality(v_rest) > 0 then
    v_seen := private.seen_before(v_rest);
    v_rest := array(select i from unnest(v_rest) i where i.id <> all (v_seen));
    if v_is_limited then
      select jsonb_object_agg(w.endpoint_id, jsonb_build_object('granted', t.granted, 'retry_after', t.retry_after)) into v_granted
      from (
        select i.endpoint_id, p.rate_limit_per_minute, count(distinct i.dedupe_key)::integer as wanted
        from unnest(v_rest) i
        join public.webhook_endpoints p on p.id = i.endpoint_id and p.is_active and p.rate_limit_per_minute is not null
        group by i.endpoint_id, p.rate_limit_per_minute
        order by i.endpoint_id) w
      cross join lateral private.take_rate_limit(w.endpoint_id, w.rate_limit_per_minute, w.wanted) t;
      v_rest := private.granted_rows(v_rest, v_granted);
    end if;
    v_inserted := v_inserted || private.insert_events(v_rest);
  end if;

  if cardinality(v_inserted) > 0 then
    perform private.wake('classify');
  end if;
  return private.store_results(v_rows, v_inserted, v_granted);
end
$$;
comment on function private.store_events(json) is 'Stores a group of events, all or (on an error) none. See public.ingest_events.';
revoke execute on function private.store_events(json) from public, anon, authenticated;
grant execute on function private.store_events(json) to service_role;

create function private.store_results(p_rows private.incoming_event[], p_inserted uuid[], p_granted jsonb) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  if cardinality(p_inserted) = cardinality(p_rows) then
    return (select coalesce(jsonb_agg(jsonb_build_object('id', i.id, 'state', 'accepted') order by i.position), '[]')
            from unnest(p_rows) with ordinality as i (id, endpoint_id, external_id, event_type, headers, scheme, dedupe_key, payload, body, content_type, position));
  end if;
  -- Runs after the insert, and so sees what other transactions committed while the insert waited for them.
  return (
    select coalesce(jsonb_agg(case
        when i.is_new then jsonb_build_object('id', i.id, 'state', 'accepted')
        when e.id is not null then jsonb_build_object('id', e.id, 'state', 'duplicate')
        when p.id is null then jsonb_build_object('id', i.id, 'state', 'unknown_endpoint')
        when not p.is_active then jsonb_build_object('id', i.id, 'state', 'endpoint_inactive')
        else jsonb_build_object('id', i.id, 'state', 'rate_limited',
          'retry_after', coalesce((p_granted -> i.endpoint_id::text ->> 'retry_after')::integer, 1))
      end order by i.position), '[]')
    from (select r.id, r.endpoint_id, r.dedupe_key, r.position, r.id = any (p_inserted) as is_new
          from unnest(p_rows) with ordinality as r (id, endpoint_id, external_id, event_type, headers, scheme, dedupe_key, payload, body, content_type, position)) i
    left join public.webhook_endpoints p on p.id = i.endpoint_id and not i.is_new
    left join public.webhook_events e on not i.is_new and e.dedupe_key = i.dedupe_key and e.endpoint_id is not distinct from i.endpoint_id);
end
$$;
comment on function private.store_results(private.incoming_event[], uuid[], jsonb) is 'What became of each row, in order.';
revoke execute on function private.store_results(private.incoming_event[], uuid[], jsonb) from public, anon, authenticated;
grant execute on function private.store_results(private.incoming_event[], uuid[], jsonb) to service_role;

create function public.ingest_events(p_events text) returns jsonb
language plpgsql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
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
