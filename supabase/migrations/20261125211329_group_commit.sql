-- Written by `make migration` from sql/. Never edited once it has shipped.

set local check_function_bodies = off;

DROP FUNCTION "private"."store_results"(private.incoming_event[], uuid[], jsonb);

CREATE OR REPLACE FUNCTION private.granted_rows(p_rows private.incoming_event[], p_granted jsonb)
 RETURNS private.incoming_event[]
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."granted_rows"(private.incoming_event[], jsonb) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.insert_events(p_rows private.incoming_event[])
 RETURNS uuid[]
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."insert_events"(private.incoming_event[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.store_events(p_events json)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION private.store_results(p_rows private.incoming_event[], p_inserted uuid[], p_granted jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."store_results"(private.incoming_event[], uuid[], jsonb) OWNER TO "postgres";

COMMENT ON FUNCTION "private"."granted_rows"(private.incoming_event[], jsonb) IS 'Of each limited endpoint the first rows, as many as p_granted says, copies not counted; of others all.';

COMMENT ON FUNCTION "private"."insert_events"(private.incoming_event[]) IS 'Stores rows of active endpoints with their bodies, of several with one key the first; returns the ids of those that are new.';

COMMENT ON FUNCTION "private"."store_results"(private.incoming_event[], uuid[], jsonb) IS 'What became of each row, in order.';

REVOKE ALL ON FUNCTION "private"."granted_rows"(private.incoming_event[], jsonb) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."granted_rows"(private.incoming_event[], jsonb) TO "service_role";

REVOKE ALL ON FUNCTION "private"."insert_events"(private.incoming_event[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."insert_events"(private.incoming_event[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."store_results"(private.incoming_event[], uuid[], jsonb) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."store_results"(private.incoming_event[], uuid[], jsonb) TO "service_role";
