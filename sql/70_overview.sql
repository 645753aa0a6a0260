-- What the console shows at a glance: rates, latencies, what waits, what is in trouble. All of it is read in the caller's
-- own name, so row level security decides what is counted; p_everybody only leaves out the caller's own filter.

create function public.get_overview(p_since timestamptz, p_until timestamptz, p_points integer, p_everybody boolean) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
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
$$;
comment on function public.get_overview(timestamptz, timestamptz, integer, boolean) is
  'What came in and went out between two times, for the caller or (p_everybody) for all whose rows they may see: {in {received, processed, failed, p50_ms, p95_ms, series[p_points of {at, total, good, bad, p50_ms, p95_ms}], trouble[endpoints]}, out {attempts, delivered, failed, …the same, trouble[webhooks]}, queue {by what waits}}.';
revoke execute on function public.get_overview(timestamptz, timestamptz, integer, boolean) from public, anon;
grant execute on function public.get_overview(timestamptz, timestamptz, integer, boolean) to authenticated;

create function private.queue_depth(p_user_id uuid) returns jsonb
language sql stable security invoker set search_path = ''
as $$
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
$$;
comment on function private.queue_depth(uuid) is
  'What waits, for one user or (null) for all that the caller may see: {review, events (on their way), deliveries}, each counted up to 10000.';
revoke execute on function private.queue_depth(uuid) from public, anon;
grant execute on function private.queue_depth(uuid) to authenticated, service_role;

create function public.get_navigation() returns jsonb
language sql stable security invoker set search_path = ''
as $$
  select jsonb_build_object('is_admin', private.is_admin(), 'review', (
    select count(*) from (
      select from public.webhook_events e where e.stage = 'review' and e.user_id = (select auth.uid()) limit 1000) c))
$$;
comment on function public.get_navigation() is
  'What every page of the console tells beside its own: whether the caller is an admin, and how many of their events wait for review, counted up to 1000.';
revoke execute on function public.get_navigation() from public, anon;
grant execute on function public.get_navigation() to authenticated;

create function public.get_endpoint_activity(p_endpoint_ids text, p_since timestamptz) returns jsonb
language sql stable security invoker set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object('id', p.id, 'received', c.received, 'failed', c.failed, 'review', c.review,
    'last_event_at', (select e.created_at from public.webhook_events e where e.endpoint_id = p.id order by e.id desc limit 1))), '[]')
  from public.webhook_endpoints p
  cross join lateral (
    select count(*) as received, count(*) filter (where r.status = 'failed') as failed, count(*) filter (where r.stage = 'review') as review
    from (
      select e.status, e.stage from public.webhook_events e
      where e.endpoint_id = p.id and e.id >= private.first_id_at(p_since) order by e.id desc limit 10000) r) c
  where p.id in (select unnest(private.as_uuids(p_endpoint_ids)) limit 100)
$$;
comment on function public.get_endpoint_activity(text, timestamptz) is
  'What came in at up to 100 endpoints of the caller (p_endpoint_ids: a JSON array) since a time: [{id, received, failed, review, last_event_at}]. Of each, the newest 10000 events are counted.';
revoke execute on function public.get_endpoint_activity(text, timestamptz) from public, anon;
grant execute on function public.get_endpoint_activity(text, timestamptz) to authenticated;

create function public.get_webhook_health(p_webhook_ids text, p_since timestamptz) returns jsonb
language sql stable security invoker set search_path = ''
as $$
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
$$;
comment on function public.get_webhook_health(text, timestamptz) is
  'How up to 100 webhooks of the caller (p_webhook_ids: a JSON array) fare since a time: [{id, attempts, delivered, p95_ms, waiting, last {outcome, status, error, at}}]. Of each, the newest 10000 attempts are counted; tests do not count.';
revoke execute on function public.get_webhook_health(text, timestamptz) from public, anon;
grant execute on function public.get_webhook_health(text, timestamptz) to authenticated;
