-- Written by `make migration` from sql/. Never edited once it has shipped.

set local check_function_bodies = off;

DROP FUNCTION "public"."get_overview"(timestamp with time zone, timestamp with time zone, integer, boolean);

DROP FUNCTION "public"."search_events"(text, text, uuid, text, timestamp with time zone, timestamp with time zone, uuid, boolean, integer);

CREATE TABLE "private"."activity_progress" ("id" boolean NOT NULL DEFAULT true, "counted_until" timestamp with time zone NOT NULL, CONSTRAINT "activity_progress_pkey" PRIMARY KEY (id), CONSTRAINT "there_is_one" CHECK (id));

ALTER TABLE "private"."activity_progress" ENABLE ROW LEVEL SECURITY;

ALTER TABLE "private"."activity_progress" OWNER TO "postgres";

CREATE TABLE "public"."activity" ("user_id" uuid NOT NULL, "source_id" uuid NOT NULL, "direction" text NOT NULL, "seconds" integer NOT NULL, "starts_at" timestamp with time zone NOT NULL, "total" integer NOT NULL, "good" integer NOT NULL, "bad" integer NOT NULL, "timed" integer NOT NULL, "times" double precision[], "counted_at" timestamp with time zone NOT NULL DEFAULT clock_timestamp(), CONSTRAINT "activity_pkey" PRIMARY KEY (source_id, direction, seconds, starts_at), CONSTRAINT "directions_are_known" CHECK ((direction = ANY (ARRAY['in'::text, 'out'::text]))), CONSTRAINT "pieces_are_known" CHECK ((seconds = ANY (ARRAY[60, 1800, 10800]))), CONSTRAINT "times_are_of_what_was_timed" CHECK (((timed > 0) = (times IS NOT NULL))));

ALTER TABLE "public"."activity" ENABLE ROW LEVEL SECURITY;

ALTER TABLE "public"."activity" OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.activity_between(p_direction text, p_user_id uuid, p_source_id uuid, p_seconds integer, p_since timestamp with time zone, p_until timestamp with time zone)
 RETURNS SETOF public.activity
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  v_of uuid := coalesce(p_source_id, p_user_id);
  v_counted timestamptz := greatest(p_since, least(p_until, coalesce(private.counted_until(), p_since)));
  -- The piece that is not over is put together from shorter ones, and what is not counted yet is counted now.
  v_open timestamptz := private.piece_of(p_seconds, v_counted);
  v_half timestamptz := greatest(v_open, private.piece_of(least(p_seconds, 1800), v_counted));
begin
  return query
    select a.* from public.activity a
    where (a.source_id = v_of or (v_of is null and a.source_id = a.user_id)) and a.direction = p_direction
      and a.seconds = p_seconds and a.starts_at >= p_since and a.starts_at < v_open
    union all
    select a.* from public.activity a
    where (a.source_id = v_of or (v_of is null and a.source_id = a.user_id)) and a.direction = p_direction
      and a.seconds = 1800 and p_seconds > 1800 and a.starts_at >= greatest(v_open, p_since) and a.starts_at < v_half
    union all
    select a.* from public.activity a
    where (a.source_id = v_of or (v_of is null and a.source_id = a.user_id)) and a.direction = p_direction
      and a.seconds = 60 and p_seconds > 60 and a.starts_at >= greatest(v_half, p_since) and a.starts_at < v_counted;
  if p_direction = 'in' then
    return query select * from private.count_events(p_seconds, v_counted, p_until, p_user_id, p_source_id, false);
  else
    return query select * from private.count_attempts(p_seconds, v_counted, p_until, p_user_id, p_source_id, false);
  end if;
end
$function$;

ALTER FUNCTION "private"."activity_between"(text, uuid, uuid, integer, timestamp with time zone, timestamp with time zone) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.activity_series(p_direction text, p_user_id uuid, p_source_id uuid, p_seconds integer, p_until timestamp with time zone, p_points integer)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  with pieces as materialized (
    select private.piece_of(p_seconds, a.starts_at) as at, a.total, a.good, a.bad, a.timed, a.times
    from private.activity_between(
      p_direction, p_user_id, p_source_id, p_seconds, p_until - make_interval(secs => p_seconds * p_points), p_until) a
  ), ranked as (
    -- Each of the 21 durations of a count stands for as many; null as time is the whole.
    select s.at, t.ms, sum(p.timed) over (partition by s.at order by t.ms) as up_to, sum(p.timed) over (partition by s.at) as of_all
    from pieces p, unnest(p.times) t (ms), lateral (values (p.at), (null)) s (at)
  ), percentiles as (
    select r.at, round((min(r.ms) filter (where r.up_to >= 0.5 * r.of_all))::numeric, 1) as p50,
      round((min(r.ms) filter (where r.up_to >= 0.95 * r.of_all))::numeric, 1) as p95
    from ranked r group by r.at
  ), sums as (
    select p.at, sum(p.total) as total, sum(p.good) as good, sum(p.bad) as bad from pieces p group by p.at
  )
  select jsonb_build_object(
    'total', coalesce((select sum(s.total) from sums s), 0), 'good', coalesce((select sum(s.good) from sums s), 0),
    'bad', coalesce((select sum(s.bad) from sums s), 0),
    'p50_ms', (select q.p50 from percentiles q where q.at is null), 'p95_ms', (select q.p95 from percentiles q where q.at is null),
    'series', (
      select jsonb_agg(jsonb_build_object('at', g.at, 'total', coalesce(s.total, 0), 'good', coalesce(s.good, 0),
        'bad', coalesce(s.bad, 0), 'p50_ms', q.p50, 'p95_ms', q.p95) order by g.at)
      from (select p_until - make_interval(secs => p_seconds * n) as at from generate_series(1, p_points) n) g
      left join sums s on s.at = g.at left join percentiles q on q.at = g.at))
$function$;

ALTER FUNCTION "private"."activity_series"(text, uuid, uuid, integer, timestamp with time zone, integer) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.count_activity()
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  -- What is committed within a minute of its time is not missed.
  v_target timestamptz := date_trunc('minute', now() - interval '1 minute');
  v_oldest timestamptz := private.piece_of(10800, now() - interval '7 days');
  v_until timestamptz;
  v_next timestamptz;
  v_seconds integer;
begin
  insert into private.activity_progress (counted_until) values (v_oldest) on conflict do nothing;
  select greatest(p.counted_until, v_oldest) into v_until from private.activity_progress p for update skip locked;
  if v_until is null then
    return null;
  end if;
  while v_until < v_target and clock_timestamp() - statement_timestamp() < interval '3 seconds' loop
    v_next := least(v_target, private.piece_of(1800, v_until) + interval '30 minutes');
    insert into public.activity
    select * from private.count_events(60, v_until, v_next, null, null, true)
    union all select * from private.count_attempts(60, v_until, v_next, null, null, true)
    on conflict do nothing;
    foreach v_seconds in array array[1800, 10800] loop
      if private.piece_of(v_seconds, v_next) = v_next then
        insert into public.activity
        select * from private.count_events(v_seconds, v_next - make_interval(secs => v_seconds), v_next, null, null, true)
        union all select * from private.count_attempts(v_seconds, v_next - make_interval(secs => v_seconds), v_next, null, null, true)
        on conflict do nothing;
      end if;
    end loop;
    v_until := v_next;
  end loop;
  update private.activity_progress set counted_until = v_until;
  perform private.count_unsettled(now() - interval '10 seconds');
  delete from public.activity a where a.seconds = 60 and a.starts_at < now() - interval '1 day';
  delete from public.activity a where a.seconds > 60 and a.starts_at < now() - interval '8 days';
  return v_until;
end
$function$;

ALTER FUNCTION "private"."count_activity"() OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.count_attempts(p_seconds integer, p_since timestamp with time zone, p_until timestamp with time zone, p_user_id uuid, p_webhook_id uuid, p_each boolean)
 RETURNS SETOF public.activity
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
begin
  return query
    select l.user_id, s.source_id, 'out', p_seconds, private.piece_of(p_seconds, l.attempted_at),
      count(*)::integer, (count(*) filter (where l.outcome = 'delivered'))::integer, (count(*) filter (where l.outcome <> 'delivered'))::integer,
      count(l.ms)::integer, percentile_cont((select array_agg(n / 20.0::double precision) from generate_series(0, 20) n)) within group (order by l.ms),
      clock_timestamp()
    from (
      select n.user_id, n.webhook_id, n.outcome, n.attempted_at, n.latency_ms::double precision as ms
      from public.webhook_logs n
      where (p_user_id is null or n.user_id = p_user_id) and (p_webhook_id is null or n.webhook_id = p_webhook_id)
        and n.id >= private.first_id_at(p_since - interval '1 minute') and n.id < private.first_id_at(p_until + interval '1 minute')
        and n.attempted_at >= p_since and n.attempted_at < p_until and not n.is_test) l
    cross join lateral (values (l.user_id), (l.webhook_id)) s (source_id)
    where p_each or s.source_id = coalesce(p_webhook_id, l.user_id)
    group by 1, 2, 5;
end
$function$;

ALTER FUNCTION "private"."count_attempts"(integer, timestamp with time zone, timestamp with time zone, uuid, uuid, boolean) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.count_events(p_seconds integer, p_since timestamp with time zone, p_until timestamp with time zone, p_user_id uuid, p_endpoint_id uuid, p_each boolean)
 RETURNS SETOF public.activity
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
begin
  -- Ids are made in order of time, so the time is a stretch of the index. A minute more, for clocks that differ.
  return query
    select e.user_id, s.source_id, 'in', p_seconds, private.piece_of(p_seconds, e.created_at),
      count(*)::integer, (count(*) filter (where e.status = 'processed'))::integer, (count(*) filter (where e.status = 'failed'))::integer,
      count(e.ms)::integer, percentile_cont((select array_agg(n / 20.0::double precision) from generate_series(0, 20) n)) within group (order by e.ms),
      clock_timestamp()
    from (
      select n.user_id, n.endpoint_id, n.status, n.created_at, date_part('epoch', n.processed_at - n.created_at) * 1000 as ms
      from public.webhook_events n
      where (p_user_id is null or n.user_id = p_user_id) and (p_endpoint_id is null or n.endpoint_id = p_endpoint_id)
        and n.id >= private.first_id_at(p_since - interval '1 minute') and n.id < private.first_id_at(p_until + interval '1 minute')
        and n.created_at >= p_since and n.created_at < p_until) e
    cross join lateral (values (e.user_id), (e.endpoint_id)) s (source_id)
    where p_each or s.source_id = coalesce(p_endpoint_id, e.user_id)
    group by 1, 2, 5;
end
$function$;

ALTER FUNCTION "private"."count_events"(integer, timestamp with time zone, timestamp with time zone, uuid, uuid, boolean) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.count_unsettled(p_before timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_piece record;
  v_counted integer := 0;
begin
  for v_piece in
    select a.user_id, a.seconds, a.starts_at from public.activity a
    where a.direction = 'in' and a.source_id = a.user_id and (a.total > a.good + a.bad or a.bad > 0) and a.counted_at < p_before
    order by a.counted_at limit 200
  loop
    exit when clock_timestamp() - statement_timestamp() > interval '2 seconds';
    delete from public.activity a
    where a.user_id = v_piece.user_id and a.direction = 'in' and a.seconds = v_piece.seconds and a.starts_at = v_piece.starts_at;
    insert into public.activity
    select * from private.count_events(
      v_piece.seconds, v_piece.starts_at, v_piece.starts_at + make_interval(secs => v_piece.seconds), v_piece.user_id, null, true);
    v_counted := v_counted + 1;
  end loop;
  return v_counted;
end
$function$;

ALTER FUNCTION "private"."count_unsettled"(timestamp with time zone) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.counted_until()
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select p.counted_until from private.activity_progress p
$function$;

ALTER FUNCTION "private"."counted_until"() OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.piece_of(p_seconds integer, p_at timestamp with time zone)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select date_bin(make_interval(secs => p_seconds), p_at, '1970-01-01 00:00:00+00'::timestamptz)
$function$;

ALTER FUNCTION "private"."piece_of"(integer, timestamp with time zone) OWNER TO "postgres";

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
    'deliveries', (select count(*) from (
      select from public.webhook_deliveries d
      where d.status in ('pending', 'delivering') and (p_user_id is null or d.user_id = p_user_id) limit 1000) c))
$function$;

CREATE OR REPLACE FUNCTION private.require_window(p_seconds integer, p_until timestamp with time zone, p_points integer)
 RETURNS void
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
begin
  if p_seconds is null or p_seconds not in (60, 1800, 10800) or p_until is null or p_points is null or p_points not between 1 and 60
    or not isfinite(p_until) or private.piece_of(p_seconds, p_until) <> p_until then
    raise exception 'A time has 1 to 60 pieces of 60, 1800 or 10800 seconds, and ends where one begins' using errcode = 'PT400', detail = 'WH001';
  end if;
end
$function$;

ALTER FUNCTION "private"."require_window"(integer, timestamp with time zone, integer) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.retention()
 RETURNS integer
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_days integer;
begin
  if to_regclass('cron.job') is null then
    return null;
  end if;
  select max(substring(j.command from 'delete_old\((\d+)\)')::integer) into v_days from cron.job j where j.jobname = 'switchhook-retention';
  return v_days;
end
$function$;

ALTER FUNCTION "private"."retention"() OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.schedule(p_keep_days integer DEFAULT NULL::integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_days integer;
begin
  if to_regclass('cron.job') is null then
    return jsonb_build_object('scheduled', false, 'reason', 'The extension pg_cron is not there', 'calls', private.functions_are_known());
  end if;
  -- What somebody chose holds until they choose again: a migration schedules without saying how long.
  v_days := coalesce(p_keep_days, private.retention(), 90);
  begin
    perform cron.schedule('switchhook-sweep', '5 seconds', 'select private.sweep()');
  exception when others then
    -- pg_cron before 1.5 knows whole minutes only.
    perform cron.schedule('switchhook-sweep', '* * * * *', 'select private.sweep()');
  end;
  perform cron.schedule('switchhook-retention', '* * * * *', format('select private.delete_old(%s)', greatest(0, v_days)));
  perform cron.schedule('switchhook-activity', '* * * * *', 'select private.count_activity()');
  perform cron.schedule('switchhook-history', '17 * * * *',
    'delete from cron.job_run_details d using cron.job j where j.jobid = d.jobid and j.jobname like ''switchhook-%'' and d.end_time < now() - interval ''1 day''');
  return jsonb_build_object('scheduled', true, 'keep_days', greatest(0, v_days), 'calls', private.functions_are_known());
exception when others then
  return jsonb_build_object('scheduled', false, 'reason', sqlerrm, 'calls', private.functions_are_known());
end
$function$;

CREATE OR REPLACE FUNCTION private.set_retention(p_keep_days integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_told jsonb;
begin
  if not private.is_admin() then
    raise exception 'Only admins choose how long events are kept' using errcode = 'PT403', detail = 'WH006';
  end if;
  if p_keep_days is null or p_keep_days not between 0 and 3650 then
    raise exception 'Events are kept for 1 to 3650 days, or (0) always' using errcode = 'PT400', detail = 'WH001';
  end if;
  if private.retention() is null then
    raise exception 'Nothing deletes by itself here: pg_cron is not there' using errcode = 'PT409', detail = 'WH011';
  end if;
  v_told := private.schedule(p_keep_days);
  if not (v_told ->> 'scheduled')::boolean then
    raise exception 'pg_cron does not take it: %', v_told ->> 'reason' using errcode = 'PT409', detail = 'WH011';
  end if;
  return jsonb_build_object('keep_days', private.retention());
end
$function$;

ALTER FUNCTION "private"."set_retention"(integer) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.find_deliveries(p_webhook_id uuid, p_status public.webhook_delivery_status, p_before uuid, p_limit integer, p_look integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  v_ids uuid[];
  v_looked integer;
  v_oldest uuid;
  v_back_to timestamptz;
begin
  if p_limit is null or p_limit not between 1 and 100 or p_look is null or p_look not between 1 and 100000 then
    raise exception 'The limit is 1 to 100' using errcode = 'PT400', detail = 'WH001';
  end if;
  with looked as materialized (
    select d.id, d.created_at, d.status = p_status as fits from public.webhook_deliveries d
    where d.webhook_id = p_webhook_id and (p_before is null or d.id < p_before)
    order by d.id desc limit p_look
  )
  select coalesce(array_agg(l.id order by l.id desc) filter (where l.fits), '{}'), count(*), (array_agg(l.id order by l.id))[1], min(l.created_at)
  into v_ids, v_looked, v_oldest, v_back_to from looked l;
  if cardinality(v_ids) > p_limit then
    return jsonb_build_object('ids', to_jsonb(v_ids[1:p_limit]), 'next', v_ids[p_limit], 'looked_back_to', null);
  end if;
  if v_looked < p_look then
    return jsonb_build_object('ids', to_jsonb(v_ids), 'next', null, 'looked_back_to', null);
  end if;
  return jsonb_build_object('ids', to_jsonb(v_ids), 'next', v_oldest, 'looked_back_to', v_back_to);
end
$function$;

ALTER FUNCTION "public"."find_deliveries"(uuid, public.webhook_delivery_status, uuid, integer, integer) OWNER TO "postgres";

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
    select coalesce(sum(a.total), 0) as received, coalesce(sum(a.bad), 0) as failed, (
      select count(*) from (
        select from public.webhook_events e where e.stage = 'review' and e.endpoint_id = p.id limit 1000) w) as review
    from private.activity_between('in', null, p.id, 1800, private.piece_of(1800, greatest(p_since, now() - interval '7 days')), private.piece_of(1800, now()) + interval '30 minutes') a) c
  where p.id in (select unnest(private.as_uuids(p_endpoint_ids)) limit 100)
$function$;

CREATE OR REPLACE FUNCTION public.get_overview(p_seconds integer, p_until timestamp with time zone, p_points integer, p_everybody boolean)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  v_user uuid := case when p_everybody then null else auth.uid() end;
  v_since timestamptz := p_until - make_interval(secs => p_seconds * p_points);
begin
  perform private.require_window(p_seconds, p_until, p_points);
  return jsonb_build_object(
    'in', private.activity_series('in', v_user, null, p_seconds, p_until, p_points) || jsonb_build_object('trouble', coalesce((
      select jsonb_agg(jsonb_build_object('id', p.id, 'name', p.name, 'failed', t.failed) order by t.failed desc, p.id)
      from (
        select f.endpoint_id, count(*) as failed from (
          select e.endpoint_id from public.webhook_events e
          where (v_user is null or e.user_id = v_user) and e.status = 'failed' and e.id >= private.first_id_at(v_since)
          order by e.id desc limit 1000) f
        group by 1 order by 2 desc limit 10) t
      join public.webhook_endpoints p on p.id = t.endpoint_id), '[]')),
    'out', private.activity_series('out', v_user, null, p_seconds, p_until, p_points) || jsonb_build_object('trouble', coalesce((
      select jsonb_agg(jsonb_build_object('id', t.id, 'name', t.name, 'active', t.active, 'reason', t.reason) order by t.name, t.id)
      from (
        select w.id, w.name, w.active, coalesce(w.disabled_reason, l.error_message) as reason
        from public.webhooks w
        left join lateral (
          select n.outcome, n.error_message from public.webhook_logs n
          where n.webhook_id = w.id and not n.is_test and n.outcome <> 'unknown' order by n.id desc limit 1) l on true
        where (v_user is null or w.created_by = v_user) and (w.disabled_reason is not null or (w.active and l.outcome = 'failed'))
        order by w.name, w.id limit 10) t), '[]')),
    'queue', private.queue_depth(v_user));
end
$function$;

ALTER FUNCTION "public"."get_overview"(integer, timestamp with time zone, integer, boolean) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.get_retention()
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('keep_days', private.retention())
$function$;

ALTER FUNCTION "public"."get_retention"() OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.get_webhook_activity(p_webhook_id uuid, p_seconds integer, p_until timestamp with time zone, p_points integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  perform private.require_window(p_seconds, p_until, p_points);
  perform from public.webhooks w where w.id = p_webhook_id;
  if not found then
    raise exception 'No such webhook' using errcode = 'PT404', detail = 'WH007';
  end if;
  return private.activity_series('out', null, p_webhook_id, p_seconds, p_until, p_points)
    || jsonb_build_object('streak', private.streak(p_webhook_id));
end
$function$;

ALTER FUNCTION "public"."get_webhook_activity"(uuid, integer, timestamp with time zone, integer) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.get_webhook_health(p_webhook_ids text, p_since timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(jsonb_agg(jsonb_build_object('id', w.id, 'attempts', c.attempts, 'delivered', c.delivered,
    'waiting', (select count(*) from (
      select from public.webhook_deliveries d where d.webhook_id = w.id and d.status in ('pending', 'delivering') limit 1000) q),
    'last', (
      select jsonb_build_object('outcome', l.outcome, 'status', l.response_status, 'error', l.error_message, 'at', l.attempted_at)
      from public.webhook_logs l where l.webhook_id = w.id and not l.is_test order by l.id desc limit 1))), '[]')
  from public.webhooks w
  cross join lateral (
    select coalesce(sum(a.total), 0) as attempts, coalesce(sum(a.good), 0) as delivered
    from private.activity_between('out', null, w.id, 1800, private.piece_of(1800, greatest(p_since, now() - interval '7 days')), private.piece_of(1800, now()) + interval '30 minutes') a) c
  where w.id in (select unnest(private.as_uuids(p_webhook_ids)) limit 100)
$function$;

CREATE OR REPLACE FUNCTION public.search_events(p_text text, p_statuses text, p_endpoint_id uuid, p_entity_table text, p_since timestamp with time zone, p_until timestamp with time zone, p_before uuid, p_everybody boolean, p_limit integer, p_look integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  v_user uuid := case when p_everybody then null else auth.uid() end;
  v_wanted text := lower(p_text);
  v_named uuid := case when p_text ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then p_text::uuid end;
  v_statuses text[] := string_to_array(p_statuses, ',');
  -- A minute more, for clocks that differ.
  v_first uuid := private.first_id_at(coalesce(p_since - interval '1 minute', 'epoch'));
  v_before uuid := least(p_before, case when p_until is not null then private.first_id_at(p_until + interval '1 minute') end);
  v_began timestamptz := clock_timestamp();
  v_left integer := p_look;
  v_chunk integer := 100;
  v_ids uuid[] := '{}';
  v_piece uuid[];
  v_looked integer;
  v_oldest uuid;
  v_back_to timestamptz;
begin
  if p_limit is null or p_limit not between 1 and 100 or length(p_text) not between 1 and 200
    or p_look is null or p_look not between 1 and 100000 then
    raise exception 'The text has 1 to 200 characters' using errcode = 'PT400', detail = 'WH001';
  end if;
  -- Whose id is named is told at once, and left out of the search.
  if p_before is null and v_named is not null then
    select coalesce(array_agg(e.id), '{}') into v_ids from public.webhook_events e
    where e.id = v_named and (v_user is null or e.user_id = v_user) and e.status::text = any (v_statuses)
      and (p_endpoint_id is null or e.endpoint_id = p_endpoint_id) and (p_entity_table is null or e.entity_table = p_entity_table)
      and (p_since is null or e.created_at >= p_since) and (p_until is null or e.created_at < p_until);
  end if;
  loop
    v_chunk := least(v_chunk, v_left);
    -- The stretch is cut before it is filtered, or one with nothing to be found would have no end.
    with looked as materialized (
      select e.id, e.created_at,
        e.status::text = any (v_statuses) and (p_entity_table is null or e.entity_table = p_entity_table)
        and (p_since is null or e.created_at >= p_since) and (p_until is null or e.created_at < p_until)
        and case when v_wanted is null then true when e.id = v_named then false else
          position(v_wanted in lower(concat_ws(' ', e.id, e.event_type, e.external_id, e.error_message))) > 0
          or position(v_wanted in lower(e.payload::text)) > 0 end as fits
      from (
        select n.* from public.webhook_events n
        where (v_user is null or n.user_id = v_user) and (p_endpoint_id is null or n.endpoint_id = p_endpoint_id)
          and n.id >= v_first and (v_before is null or n.id < v_before)
        order by n.id desc limit v_chunk) e
    )
    select coalesce(array_agg(l.id order by l.id desc) filter (where l.fits), '{}'), count(*), (array_agg(l.id order by l.id))[1], min(l.created_at)
    into v_piece, v_looked, v_oldest, v_back_to from looked l;
    v_ids := v_ids || v_piece;
    if cardinality(v_ids) > p_limit then
      return jsonb_build_object('ids', to_jsonb(v_ids[1:p_limit]), 'next', v_ids[p_limit], 'looked_back_to', null);
    end if;
    v_left := v_left - v_looked;
    if v_looked < v_chunk then
      return jsonb_build_object('ids', to_jsonb(v_ids), 'next', null, 'looked_back_to', null);
    end if;
    if v_left = 0 or clock_timestamp() - v_began > interval '500 milliseconds' then
      return jsonb_build_object('ids', to_jsonb(v_ids), 'next', v_oldest, 'looked_back_to', v_back_to);
    end if;
    v_before := v_oldest;
    v_chunk := least(v_chunk * 4, 5000);
  end loop;
end
$function$;

ALTER FUNCTION "public"."search_events"(text, text, uuid, text, timestamp with time zone, timestamp with time zone, uuid, boolean, integer, integer) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.set_retention(p_keep_days integer)
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.set_retention(p_keep_days)
$function$;

ALTER FUNCTION "public"."set_retention"(integer) OWNER TO "postgres";

ALTER TABLE "public"."activity" ADD CONSTRAINT "activity_user_id_fkey" FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE;

CREATE INDEX activity_seconds_starts_at_idx ON public.activity USING btree (seconds, starts_at);

CREATE INDEX activity_unsettled_idx ON public.activity USING btree (counted_at) WHERE ((direction = 'in'::text) AND (source_id = user_id) AND ((total > (good + bad)) OR (bad > 0)));

CREATE INDEX activity_user_id_idx ON public.activity USING btree (user_id);

CREATE INDEX webhook_events_failed_idx ON public.webhook_events USING btree (user_id, id) WHERE (status = 'failed'::public.webhook_event_status);

CREATE INDEX webhook_events_review_endpoint_idx ON public.webhook_events USING btree (endpoint_id, id) WHERE (stage = 'review'::public.webhook_event_stage);

CREATE INDEX webhook_events_review_type_idx ON public.webhook_events USING btree (user_id, entity_table, id) WHERE (stage = 'review'::public.webhook_event_stage);

CREATE POLICY "owners and admins read activity" ON "public"."activity" FOR SELECT TO "authenticated" USING (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

COMMENT ON COLUMN "public"."activity"."direction" IS 'in: events, by when they arrived. out: attempts, by when they began; no tests.';

COMMENT ON COLUMN "public"."activity"."good" IS 'Processed, or delivered. What is neither good nor bad is on its way.';

COMMENT ON COLUMN "public"."activity"."seconds" IS 'Length of the piece.';

COMMENT ON COLUMN "public"."activity"."source_id" IS 'The endpoint or webhook; the user, where all of theirs are counted.';

COMMENT ON COLUMN "public"."activity"."timed" IS 'How many have a duration.';

COMMENT ON COLUMN "public"."activity"."times" IS 'Their durations in milliseconds: the least, 19 between, and the most, with as many in each twentieth.';

COMMENT ON FUNCTION "private"."activity_between"(text, uuid, uuid, integer, timestamp with time zone, timestamp with time zone) IS 'Counts that together tell of the time between two starts of pieces: of a source, a user, or (null) of all that the caller may see.';

COMMENT ON FUNCTION "private"."activity_series"(text, uuid, uuid, integer, timestamp with time zone, integer) IS 'p_points pieces of time up to the start of one, and all of them together: {total, good, bad, p50_ms, p95_ms, series[{at, …the same}]}. Where a piece is put together from several counts, its percentiles are near, not exact.';

COMMENT ON FUNCTION "private"."count_activity"() IS 'Counts what has come since the last time, up to some seconds'' work, and anew what was not settled; until when everything is counted. One at a time: null if another is at it.';

COMMENT ON FUNCTION "private"."count_attempts"(integer, timestamp with time zone, timestamp with time zone, uuid, uuid, boolean) IS 'Counts the attempts between two times, without tests: of a user, a webhook, or (null) of all; p_each: of users and of webhooks, each.';

COMMENT ON FUNCTION "private"."count_events"(integer, timestamp with time zone, timestamp with time zone, uuid, uuid, boolean) IS 'Counts the events between two times: of a user, an endpoint, or (null) of all; p_each: of users and of endpoints, each.';

COMMENT ON FUNCTION "private"."count_unsettled"(timestamp with time zone) IS 'Counts anew what had not come to its end, or had failed, when it was counted last before a time; how many pieces. Those that wait longest come first.';

COMMENT ON FUNCTION "private"."counted_until"() IS 'Everything before this minute is in public.activity; null before the first count.';

COMMENT ON FUNCTION "private"."piece_of"(integer, timestamp with time zone) IS 'When the piece of time began that a moment is in.';

COMMENT ON FUNCTION "private"."queue_depth"(uuid) IS 'What waits, for one user or (null) for all that the caller may see: {review, events (on their way), deliveries}, each counted up to 1000.';

COMMENT ON FUNCTION "private"."require_window"(integer, timestamp with time zone, integer) IS 'Refuses a time that is not counted.';

COMMENT ON FUNCTION "private"."retention"() IS 'For how many days what has been finished is kept; 0: always; null: nothing deletes by itself.';

COMMENT ON FUNCTION "private"."schedule"(integer) IS 'Has pg_cron sweep every 5 seconds, count activity every minute and delete what has been finished for p_keep_days (0 keeps all; null leaves it as it is, at first 90). Call it again after enabling pg_cron. {scheduled, keep_days or reason, calls: whether pg_net and Vault are there}; never raises.';

COMMENT ON FUNCTION "private"."set_retention"(integer) IS 'See public.set_retention.';

COMMENT ON FUNCTION "public"."find_deliveries"(uuid, public.webhook_delivery_status, uuid, integer, integer) IS 'Deliveries to a webhook of the caller with a status, newest first and older than p_before: {ids[up to p_limit, 1 to 100], next, looked_back_to}. Looks at p_look (1 to 100000): looked_back_to is the time that it came to, if there is more. next is p_before of the next call, null where there is no more.';

COMMENT ON FUNCTION "public"."get_endpoint_activity"(text, timestamp with time zone) IS 'What came in at up to 100 endpoints of the caller (p_endpoint_ids: a JSON array) since the half hour of a time, at most 7 days ago: [{id, received, failed, review (what waits, counted up to 1000), last_event_at}].';

COMMENT ON FUNCTION "public"."get_overview"(integer, timestamp with time zone, integer, boolean) IS 'What came in and went out in p_points pieces of p_seconds (60, 1800 or 10800) up to the start of one, for the caller or (p_everybody) for all whose rows they may see: {in {total, good, bad, p50_ms, p95_ms, series[p_points of {at, …the same}], trouble[endpoints, by their failed events among the newest 1000]}, out {…the same, trouble[webhooks]}, queue {by what waits}}.';

COMMENT ON FUNCTION "public"."get_retention"() IS 'For how long what has been finished is kept: {keep_days}; 0: always; null: nothing deletes by itself, as pg_cron is not there.';

COMMENT ON FUNCTION "public"."get_webhook_activity"(uuid, integer, timestamp with time zone, integer) IS 'How a webhook of the caller fares in p_points pieces of p_seconds (60, 1800 or 10800) up to the start of one: {total, good, bad, p50_ms, p95_ms, series[p_points of {at, …the same}], streak {success, length}}. Tests do not count. Costs the same beside any number of attempts, which public.get_webhook_stats does not.';

COMMENT ON FUNCTION "public"."get_webhook_health"(text, timestamp with time zone) IS 'How up to 100 webhooks of the caller (p_webhook_ids: a JSON array) fare since the half hour of a time, at most 7 days ago: [{id, attempts, delivered, waiting (counted up to 1000), last {outcome, status, error, at}}]. Tests do not count.';

COMMENT ON FUNCTION "public"."search_events"(text, text, uuid, text, timestamp with time zone, timestamp with time zone, uuid, boolean, integer, integer) IS 'Events of the caller, or with p_everybody of all that they may see, newest first and older than p_before, that meet the filters and in whose facts or payload a text stands, whatever its case: {ids[up to p_limit, 1 to 100], next, looked_back_to}. p_statuses: names with commas between them. Null filters nothing. Looks at up to p_look events (1 to 100000), and no longer than about half a second: looked_back_to is then the time that it came to. next is p_before of the next call, null where there is no more.';

COMMENT ON FUNCTION "public"."set_retention"(integer) IS 'Chooses for how many days (1 to 3650; 0: always) what has been finished is kept. For admins, where pg_cron is there. Answers {keep_days}.';

COMMENT ON TABLE "private"."activity_progress" IS 'One row: everything before this minute is in public.activity.';

COMMENT ON TABLE "public"."activity" IS 'Counts of one piece of time: of an endpoint''s events, of a webhook''s attempts, and of all of a user''s.';

REVOKE ALL ON FUNCTION "private"."activity_between"(text, uuid, uuid, integer, timestamp with time zone, timestamp with time zone) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."activity_between"(text, uuid, uuid, integer, timestamp with time zone, timestamp with time zone) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."activity_series"(text, uuid, uuid, integer, timestamp with time zone, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."activity_series"(text, uuid, uuid, integer, timestamp with time zone, integer) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."count_activity"() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."count_activity"() TO "service_role";

REVOKE ALL ON FUNCTION "private"."count_attempts"(integer, timestamp with time zone, timestamp with time zone, uuid, uuid, boolean) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."count_attempts"(integer, timestamp with time zone, timestamp with time zone, uuid, uuid, boolean) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."count_events"(integer, timestamp with time zone, timestamp with time zone, uuid, uuid, boolean) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."count_events"(integer, timestamp with time zone, timestamp with time zone, uuid, uuid, boolean) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."count_unsettled"(timestamp with time zone) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."count_unsettled"(timestamp with time zone) TO "service_role";

REVOKE ALL ON FUNCTION "private"."counted_until"() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."counted_until"() TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."piece_of"(integer, timestamp with time zone) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."piece_of"(integer, timestamp with time zone) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."require_window"(integer, timestamp with time zone, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."require_window"(integer, timestamp with time zone, integer) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."retention"() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."retention"() TO "authenticated";

REVOKE ALL ON FUNCTION "private"."set_retention"(integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."set_retention"(integer) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."find_deliveries"(uuid, public.webhook_delivery_status, uuid, integer, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."find_deliveries"(uuid, public.webhook_delivery_status, uuid, integer, integer) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."get_overview"(integer, timestamp with time zone, integer, boolean) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."get_overview"(integer, timestamp with time zone, integer, boolean) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."get_retention"() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."get_retention"() TO "authenticated";

REVOKE ALL ON FUNCTION "public"."get_webhook_activity"(uuid, integer, timestamp with time zone, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."get_webhook_activity"(uuid, integer, timestamp with time zone, integer) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."search_events"(text, text, uuid, text, timestamp with time zone, timestamp with time zone, uuid, boolean, integer, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."search_events"(text, text, uuid, text, timestamp with time zone, timestamp with time zone, uuid, boolean, integer, integer) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."set_retention"(integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."set_retention"(integer) TO "authenticated";

GRANT INSERT, SELECT, UPDATE ON TABLE "private"."activity_progress" TO "service_role";

GRANT SELECT ON TABLE "public"."activity" TO "authenticated";

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "public"."activity" TO "service_role";
