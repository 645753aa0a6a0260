-- How a webhook fares, for its owner.

create function private.streak(p_webhook_id uuid) returns jsonb
language sql stable security invoker set search_path = ''
as $$
  with recent as (
    select l.outcome = 'delivered' as success, row_number() over (order by l.id desc) as place
    from (
      select n.id, n.outcome from public.webhook_logs n
      where n.webhook_id = p_webhook_id and not n.is_test and n.outcome <> 'unknown' order by n.id desc limit 1000) l
  )
  select jsonb_build_object('success', f.success,
    'length', coalesce((select min(r.place) from recent r where r.success <> f.success), (select count(*) + 1 from recent)) - 1)
  from recent f where f.place = 1
$$;
comment on function private.streak(uuid) is 'How many attempts in a row ended as the last one did, up to 1000: {success, length}; null before the first.';
revoke execute on function private.streak(uuid) from public, anon;
grant execute on function private.streak(uuid) to authenticated, service_role;

create function public.get_webhook_stats(p_webhook_id uuid, p_since timestamptz, p_until timestamptz, p_points integer) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_step interval;
  v_series jsonb;
  v_totals jsonb;
begin
  perform from public.webhooks w where w.id = p_webhook_id;
  if not found then
    raise exception 'No such webhook' using errcode = 'PT404', detail = 'WH007';
  end if;
  if p_since is null or p_until is null or p_points is null or p_until <= p_since or p_points not between 1 and 200
    or not isfinite(p_since) or not isfinite(p_until) then
    raise exception 'The time ends after it begins, and has 1 to 200 points' using errcode = 'PT400', detail = 'WH001';
  end if;
  v_step := (p_until - p_since) / p_points;
  -- Ids are made in order of time, so the window is a stretch of the index. A minute more, for clocks that differ.
  with attempts as materialized (
    select l.outcome, l.latency_ms, l.attempted_at from public.webhook_logs l
    where l.webhook_id = p_webhook_id and not l.is_test and l.id >= private.first_id_at(p_since - interval '1 minute')
      and l.attempted_at >= p_since and l.attempted_at < p_until
  )
  select jsonb_build_object(
      'attempts', count(*),
      'succeeded', count(*) filter (where a.outcome = 'delivered'),
      'failed', count(*) filter (where a.outcome <> 'delivered'),
      'success_rate', round(count(*) filter (where a.outcome = 'delivered')::numeric / nullif(count(*), 0), 4),
      'latency_p50_ms', round((percentile_cont(0.5) within group (order by a.latency_ms))::numeric, 1),
      'latency_p95_ms', round((percentile_cont(0.95) within group (order by a.latency_ms))::numeric, 1)),
    (select jsonb_agg(jsonb_build_object('at', p_since + v_step * g.n,
        'succeeded', coalesce(b.succeeded, 0), 'failed', coalesce(b.failed, 0), 'latency_p50_ms', b.p50, 'latency_p95_ms', b.p95) order by g.n)
      from generate_series(0, p_points - 1) g (n)
      left join (
        select width_bucket(extract(epoch from i.attempted_at), extract(epoch from p_since), extract(epoch from p_until), p_points) - 1 as n,
          count(*) filter (where i.outcome = 'delivered') as succeeded, count(*) filter (where i.outcome <> 'delivered') as failed,
          round((percentile_cont(0.5) within group (order by i.latency_ms))::numeric, 1) as p50,
          round((percentile_cont(0.95) within group (order by i.latency_ms))::numeric, 1) as p95
        from attempts i group by 1) b on b.n = g.n)
  into v_totals, v_series
  from attempts a;
  return v_totals || jsonb_build_object('series', v_series, 'streak', private.streak(p_webhook_id),
    'deliveries', (
      select jsonb_object_agg(s.status, coalesce(c.deliveries, 0))
      from unnest(enum_range(null::public.webhook_delivery_status)) s (status)
      left join (
        select d.status, count(*) as deliveries from public.webhook_deliveries d
        where d.webhook_id = p_webhook_id and not d.is_test and d.id >= private.first_id_at(p_since - interval '1 minute')
          and d.created_at >= p_since and d.created_at < p_until
        group by d.status) c using (status)));
end
$$;
comment on function public.get_webhook_stats(uuid, timestamptz, timestamptz, integer) is
  'How a webhook of the caller fares between two times: {attempts, succeeded, failed, success_rate, latency_p50_ms, latency_p95_ms, series[p_points of {at, succeeded, failed, latency_p50_ms, latency_p95_ms}], streak {success, length}, deliveries {by status}}. Tests do not count.';
revoke execute on function public.get_webhook_stats(uuid, timestamptz, timestamptz, integer) from public, anon;
grant execute on function public.get_webhook_stats(uuid, timestamptz, timestamptz, integer) to authenticated;

create function private.first_id_at(p_time timestamptz) returns uuid
language sql immutable security invoker set search_path = ''
as $$
  select (lpad(to_hex(greatest(0, (extract(epoch from p_time) * 1000)::bigint)), 12, '0') || '00000000000000000000')::uuid
$$;
comment on function private.first_id_at(timestamptz) is 'The lowest time-ordered id that can have been made at a time.';
revoke execute on function private.first_id_at(timestamptz) from public, anon;
grant execute on function private.first_id_at(timestamptz) to authenticated, service_role;
