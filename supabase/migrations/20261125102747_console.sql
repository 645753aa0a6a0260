-- Written by `make migration` from sql/. Never edited once it has shipped.

set local check_function_bodies = off;

CREATE OR REPLACE FUNCTION private.lend_endpoint_secret(p_endpoint_id uuid, p_ciphertext text)
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_expires_at timestamptz := now() + interval '2 minutes';
begin
  perform from public.webhook_endpoints e where e.id = p_endpoint_id and private.owns(e.created_by) for update;
  if not found then
    raise exception 'No such endpoint' using errcode = 'PT404', detail = 'WH007';
  end if;
  delete from private.endpoint_secrets s where s.endpoint_id = p_endpoint_id and s.expires_at <= now();
  if (select count(*) from private.endpoint_secrets s where s.endpoint_id = p_endpoint_id) >= 20 then
    raise exception 'There were many tests just now; wait two minutes' using errcode = 'PT429', detail = 'WH014';
  end if;
  -- Older than all, since the newest secret is the one that the source has.
  insert into private.endpoint_secrets (endpoint_id, ciphertext, created_at, expires_at)
  values (p_endpoint_id, p_ciphertext, '-infinity', v_expires_at);
  return v_expires_at;
end
$function$;

ALTER FUNCTION "private"."lend_endpoint_secret"(uuid, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.queue_depth(p_user_id uuid)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object(
    'review', (select count(*) from (
      select from public.webhook_events e
      where e.stage = 'review' and (p_user_id is null or e.user_id = p_user_id) limit 10000) c),
    'events', (select count(*) from (
      select from public.webhook_events e
      where e.status in ('pending', 'processing') and e.stage in ('classify', 'prepare', 'rules')
        and (p_user_id is null or e.user_id = p_user_id) limit 10000) c),
    'deliveries', (select count(*) from (
      select from public.webhook_deliveries d
      where d.status in ('pending', 'delivering') and (p_user_id is null or d.user_id = p_user_id) limit 10000) c))
$function$;

ALTER FUNCTION "private"."queue_depth"(uuid) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.get_endpoint_activity(p_endpoint_ids text, p_since timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(jsonb_agg(jsonb_build_object('id', p.id, 'received', c.received, 'failed', c.failed, 'review', c.review,
    'last_event_at', (select e.created_at from public.webhook_events e where e.endpoint_id = p.id order by e.id desc limit 1))), '[]')
  from public.webhook_endpoints p
  cross join lateral (
    select count(*) as received, count(*) filter (where r.status = 'failed') as failed, count(*) filter (where r.stage = 'review') as review
    from (
      select e.status, e.stage from public.webhook_events e
      where e.endpoint_id = p.id and e.id >= private.first_id_at(p_since) order by e.id desc limit 10000) r) c
  where p.id in (select unnest(private.as_uuids(p_endpoint_ids)) limit 100)
$function$;

ALTER FUNCTION "public"."get_endpoint_activity"(text, timestamp with time zone) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.get_navigation()
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('is_admin', private.is_admin(), 'review', (
    select count(*) from (
      select from public.webhook_events e where e.stage = 'review' and e.user_id = (select auth.uid()) limit 1000) c))
$function$;

ALTER FUNCTION "public"."get_navigation"() OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.get_overview(p_since timestamp with time zone, p_until timestamp with time zone, p_points integer, p_everybody boolean)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_user uuid := case when p_everybody then null else auth.uid() end;
  v_first uuid := private.first_id_at(p_since - interval '1 minute');
  v_step interval;
  v_in jsonb;
  v_out jsonb;
begin
  if p_since is null or p_until is null or p_points is null or p_until <= p_since or p_points not between 1 and 200
    or not isfinite(p_since) or not isfinite(p_until) then
    raise exception 'The time ends after it begins, and has 1 to 200 points' using errcode = 'PT400', detail = 'WH001';
  end if;
  v_step := (p_until - p_since) / p_points;
  -- One of the two halves is never begun, since each asks first whose rows are wanted.
  with events as materialized (
    select e.endpoint_id, e.status, e.created_at, extract(epoch from e.processed_at - e.created_at) * 1000 as ms
    from public.webhook_events e
    where v_user is not null and e.user_id = v_user and e.id >= v_first and e.created_at >= p_since and e.created_at < p_until
    union all
    select e.endpoint_id, e.status, e.created_at, extract(epoch from e.processed_at - e.created_at) * 1000
    from public.webhook_events e
    where v_user is null and e.id >= v_first and e.created_at >= p_since and e.created_at < p_until
  ), pieces as (
    select width_bucket(extract(epoch from e.created_at), extract(epoch from p_since), extract(epoch from p_until), p_points) - 1 as n,
      count(*) as received, count(*) filter (where e.status = 'processed') as processed, count(*) filter (where e.status = 'failed') as failed,
      round((percentile_cont(0.5) within group (order by e.ms))::numeric, 1) as p50,
      round((percentile_cont(0.95) within group (order by e.ms))::numeric, 1) as p95
    from events e group by 1
  )
  select jsonb_build_object(
    'received', count(*), 'processed', count(*) filter (where e.status = 'processed'), 'failed', count(*) filter (where e.status = 'failed'),
    'p50_ms', round((percentile_cont(0.5) within group (order by e.ms))::numeric, 1),
    'p95_ms', round((percentile_cont(0.95) within group (order by e.ms))::numeric, 1),
    'series', (
      select jsonb_agg(jsonb_build_object('at', p_since + v_step * g.n, 'total', coalesce(b.received, 0), 'good', coalesce(b.processed, 0),
        'bad', coalesce(b.failed, 0), 'p50_ms', b.p50, 'p95_ms', b.p95) order by g.n)
      from generate_series(0, p_points - 1) g (n) left join pieces b on b.n = g.n),
    'trouble', coalesce((
      select jsonb_agg(jsonb_build_object('id', p.id, 'name', p.name, 'failed', t.failed) order by t.failed desc, p.id)
      from (select f.endpoint_id, count(*) as failed from events f where f.status = 'failed' group by 1 order by 2 desc limit 10) t
      join public.webhook_endpoints p on p.id = t.endpoint_id), '[]'))
  into v_in from events e;

  with attempts as materialized (
    select l.outcome, l.latency_ms, l.attempted_at from public.webhook_logs l
    where v_user is not null and l.user_id = v_user and not l.is_test and l.id >= v_first
      and l.attempted_at >= p_since and l.attempted_at < p_until
    union all
    select l.outcome, l.latency_ms, l.attempted_at from public.webhook_logs l
    where v_user is null and not l.is_test and l.id >= v_first and l.attempted_at >= p_since and l.attempted_at < p_until
  ), pieces as (
    select width_bucket(extract(epoch from a.attempted_at), extract(epoch from p_since), extract(epoch from p_until), p_points) - 1 as n,
      count(*) as attempts, count(*) filter (where a.outcome = 'delivered') as delivered, count(*) filter (where a.outcome <> 'delivered') as failed,
      round((percentile_cont(0.5) within group (order by a.latency_ms))::numeric, 1) as p50,
      round((percentile_cont(0.95) within group (order by a.latency_ms))::numeric, 1) as p95
    from attempts a group by 1
  )
  select jsonb_build_object(
    'attempts', count(*), 'delivered', count(*) filter (where a.outcome = 'delivered'), 'failed', count(*) filter (where a.outcome <> 'delivered'),
    'p50_ms', round((percentile_cont(0.5) within group (order by a.latency_ms))::numeric, 1),
    'p95_ms', round((percentile_cont(0.95) within group (order by a.latency_ms))::numeric, 1),
    'series', (
      select jsonb_agg(jsonb_build_object('at', p_since + v_step * g.n, 'total', coalesce(b.attempts, 0), 'good', coalesce(b.delivered, 0),
        'bad', coalesce(b.failed, 0), 'p50_ms', b.p50, 'p95_ms', b.p95) order by g.n)
      from generate_series(0, p_points - 1) g (n) left join pieces b on b.n = g.n),
    'trouble', coalesce((
      select jsonb_agg(jsonb_build_object('id', t.id, 'name', t.name, 'active', t.active, 'reason', t.reason) order by t.name, t.id)
      from (
        select w.id, w.name, w.active, coalesce(w.disabled_reason, l.error_message) as reason
        from public.webhooks w
        left join lateral (
          select n.outcome, n.error_message from public.webhook_logs n
          where n.webhook_id = w.id and not n.is_test and n.outcome <> 'unknown' order by n.id desc limit 1) l on true
        where (v_user is null or w.created_by = v_user) and (w.disabled_reason is not null or (w.active and l.outcome = 'failed'))
        order by w.name, w.id limit 10) t), '[]'))
  into v_out from attempts a;

  return jsonb_build_object('in', v_in, 'out', v_out, 'queue', private.queue_depth(v_user));
end
$function$;

ALTER FUNCTION "public"."get_overview"(timestamp with time zone, timestamp with time zone, integer, boolean) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.get_webhook_health(p_webhook_ids text, p_since timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(jsonb_agg(jsonb_build_object('id', w.id, 'attempts', c.attempts, 'delivered', c.delivered, 'p95_ms', c.p95_ms,
    'waiting', (select count(*) from (
      select from public.webhook_deliveries d where d.webhook_id = w.id and d.status in ('pending', 'delivering') limit 10000) q),
    'last', (
      select jsonb_build_object('outcome', l.outcome, 'status', l.response_status, 'error', l.error_message, 'at', l.attempted_at)
      from public.webhook_logs l where l.webhook_id = w.id and not l.is_test order by l.id desc limit 1))), '[]')
  from public.webhooks w
  cross join lateral (
    select count(*) as attempts, count(*) filter (where r.outcome = 'delivered') as delivered,
      round((percentile_cont(0.95) within group (order by r.latency_ms))::numeric, 1) as p95_ms
    from (
      select l.outcome, l.latency_ms from public.webhook_logs l
      where l.webhook_id = w.id and not l.is_test and l.id >= private.first_id_at(p_since) order by l.id desc limit 10000) r) c
  where w.id in (select unnest(private.as_uuids(p_webhook_ids)) limit 100)
$function$;

ALTER FUNCTION "public"."get_webhook_health"(text, timestamp with time zone) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.lend_endpoint_secret(p_endpoint_id uuid, p_secret_ciphertext text)
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select jsonb_build_object('expires_at', private.lend_endpoint_secret(p_endpoint_id, p_secret_ciphertext))
$function$;

ALTER FUNCTION "public"."lend_endpoint_secret"(uuid, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.search_events(p_text text, p_statuses text, p_endpoint_id uuid, p_entity_table text, p_since timestamp with time zone, p_until timestamp with time zone, p_before uuid, p_everybody boolean, p_limit integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_user uuid := case when p_everybody then null else auth.uid() end;
  v_wanted text := lower(p_text);
  v_statuses text[] := string_to_array(p_statuses, ',');
begin
  if p_limit is null or p_limit not between 1 and 101 or coalesce(length(p_text), 0) not between 1 and 200 then
    raise exception 'The text has 1 to 200 characters' using errcode = 'PT400', detail = 'WH001';
  end if;
  return coalesce((
    select jsonb_agg(f.id order by f.id desc) from (
      select e.id from (
        select n.* from public.webhook_events n
        where (v_user is null or n.user_id = v_user) and n.status::text = any (v_statuses)
          and (p_endpoint_id is null or n.endpoint_id = p_endpoint_id)
          and (p_entity_table is null or n.entity_table = p_entity_table)
          and (p_since is null or (n.id >= private.first_id_at(p_since - interval '1 minute') and n.created_at >= p_since))
          and (p_until is null or n.created_at < p_until)
          and (p_before is null or n.id < p_before)
        order by n.id desc limit 20000) e
      where position(v_wanted in lower(concat_ws(' ', e.id, e.event_type, e.external_id, e.error_message))) > 0
        or position(v_wanted in lower(e.payload::text)) > 0
      order by e.id desc limit p_limit) f), '[]');
end
$function$;

ALTER FUNCTION "public"."search_events"(text, text, uuid, text, timestamp with time zone, timestamp with time zone, uuid, boolean, integer) OWNER TO "postgres";

COMMENT ON FUNCTION "private"."lend_endpoint_secret"(uuid, text) IS 'See public.lend_endpoint_secret.';

COMMENT ON FUNCTION "private"."queue_depth"(uuid) IS 'What waits, for one user or (null) for all that the caller may see: {review, events (on their way), deliveries}, each counted up to 10000.';

COMMENT ON FUNCTION "public"."get_endpoint_activity"(text, timestamp with time zone) IS 'What came in at up to 100 endpoints of the caller (p_endpoint_ids: a JSON array) since a time: [{id, received, failed, review, last_event_at}]. Of each, the newest 10000 events are counted.';

COMMENT ON FUNCTION "public"."get_navigation"() IS 'What every page of the console tells beside its own: whether the caller is an admin, and how many of their events wait for review, counted up to 1000.';

COMMENT ON FUNCTION "public"."get_overview"(timestamp with time zone, timestamp with time zone, integer, boolean) IS 'What came in and went out between two times, for the caller or (p_everybody) for all whose rows they may see: {in {received, processed, failed, p50_ms, p95_ms, series[p_points of {at, total, good, bad, p50_ms, p95_ms}], trouble[endpoints]}, out {attempts, delivered, failed, …the same, trouble[webhooks]}, queue {by what waits}}.';

COMMENT ON FUNCTION "public"."get_webhook_health"(text, timestamp with time zone) IS 'How up to 100 webhooks of the caller (p_webhook_ids: a JSON array) fare since a time: [{id, attempts, delivered, p95_ms, waiting, last {outcome, status, error, at}}]. Of each, the newest 10000 attempts are counted; tests do not count.';

COMMENT ON FUNCTION "public"."lend_endpoint_secret"(uuid, text) IS 'Lets an encrypted secret verify at an endpoint of the caller for two minutes, beside its own, so that a test event can be signed. Answers {expires_at}.';

COMMENT ON FUNCTION "public"."search_events"(text, text, uuid, text, timestamp with time zone, timestamp with time zone, uuid, boolean, integer) IS 'Ids of up to p_limit (1 to 101) events of the caller, or with p_everybody of all that they may see, newest first and older than p_before, in whose facts or payload a text stands, whatever its case. p_statuses: names with commas between them. Null filters nothing; the newest 20000 events that the filters leave are looked at.';

REVOKE ALL ON FUNCTION "private"."lend_endpoint_secret"(uuid, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."lend_endpoint_secret"(uuid, text) TO "authenticated";

REVOKE ALL ON FUNCTION "private"."queue_depth"(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."queue_depth"(uuid) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "public"."get_endpoint_activity"(text, timestamp with time zone) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."get_endpoint_activity"(text, timestamp with time zone) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."get_navigation"() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."get_navigation"() TO "authenticated";

REVOKE ALL ON FUNCTION "public"."get_overview"(timestamp with time zone, timestamp with time zone, integer, boolean) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."get_overview"(timestamp with time zone, timestamp with time zone, integer, boolean) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."get_webhook_health"(text, timestamp with time zone) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."get_webhook_health"(text, timestamp with time zone) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."lend_endpoint_secret"(uuid, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."lend_endpoint_secret"(uuid, text) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."search_events"(text, text, uuid, text, timestamp with time zone, timestamp with time zone, uuid, boolean, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."search_events"(text, text, uuid, text, timestamp with time zone, timestamp with time zone, uuid, boolean, integer) TO "authenticated";
