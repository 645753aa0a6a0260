-- What the console shows at a glance: rates, latencies, what waits, what is in trouble. All of it is read in the caller's
-- own name, so row level security decides what is counted; p_everybody only leaves out the caller's own filter.

create function public.get_overview(p_seconds integer, p_until timestamptz, p_points integer, p_everybody boolean) returns jsonb
language plpgsql stable security invoker set search_path = '' set plan_cache_mode = 'force_custom_plan'
as $$
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
$$;
comment on function public.get_overview(integer, timestamptz, integer, boolean) is
  'What came in and went out in p_points pieces of p_seconds (60, 1800 or 10800) up to the start of one, for the caller or (p_everybody) for all whose rows they may see: {in {total, good, bad, p50_ms, p95_ms, series[p_points of {at, …the same}], trouble[endpoints, by their failed events among the newest 1000]}, out {…the same, trouble[webhooks]}, queue {by what waits}}.';
revoke execute on function public.get_overview(integer, timestamptz, integer, boolean) from public, anon;
grant execute on function public.get_overview(integer, timestamptz, integer, boolean) to authenticated;

create function private.queue_depth(p_user_id uuid) returns jsonb
language sql stable security invoker set search_path = ''
as $$
  select jsonb_build_object(
    'review', (select count(*) from (
      select from public.webhook_events e
      where e.stage = 'review' and (p_user_id is null or e.user_id = p_user_id) limit 1000) c),
    'events', (select count(*) from (
      select from public.webhook_events e
      where e.status in ('pending', 'processing') and e.stage in ('classify', 'prepare', 'rules')
        and (p_user_id is null or e.user_id = p_user_id) limit 1000) c),
    -- Of each webhook by itself: many that wait for one that is off are not read to find those of the others.
    'deliveries', (select count(*) from (
      select from public.webhooks w cross join lateral (
        select from public.webhook_deliveries d where d.webhook_id = w.id and d.status in ('pending', 'delivering') limit 1000) d
      where w.active and (p_user_id is null or w.created_by = p_user_id) limit 1000) c),
    'paused', (select count(*) from (
      select from public.webhooks w cross join lateral (
        select from public.webhook_deliveries d where d.webhook_id = w.id and d.status in ('pending', 'delivering') limit 1000) d
      where not w.active and (p_user_id is null or w.created_by = p_user_id) limit 1000) c))
$$;
comment on function private.queue_depth(uuid) is
  'What waits, for one user or (null) for all that the caller may see: {review, events (on their way), deliveries (on their way), paused (deliveries of webhooks that are off)}, each counted up to 1000.';
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
    select coalesce(sum(a.total), 0) as received, coalesce(sum(a.bad), 0) as failed, (
      select count(*) from (
        select from public.webhook_events e where e.stage = 'review' and e.endpoint_id = p.id limit 1000) w) as review
    from private.activity_between('in', null, p.id, 1800, private.piece_of(1800, greatest(p_since, now() - interval '7 days')), private.piece_of(1800, now()) + interval '30 minutes') a) c
  where p.id in (select unnest(private.as_uuids(p_endpoint_ids)) limit 100)
$$;
comment on function public.get_endpoint_activity(text, timestamptz) is
  'What came in at up to 100 endpoints of the caller (p_endpoint_ids: a JSON array) since the half hour of a time, at most 7 days ago: [{id, received, failed, review (what waits, counted up to 1000), last_event_at}].';
revoke execute on function public.get_endpoint_activity(text, timestamptz) from public, anon;
grant execute on function public.get_endpoint_activity(text, timestamptz) to authenticated;

create function public.get_webhook_health(p_webhook_ids text, p_since timestamptz) returns jsonb
language sql stable security invoker set search_path = ''
as $$
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
$$;
comment on function public.get_webhook_health(text, timestamptz) is
  'How up to 100 webhooks of the caller (p_webhook_ids: a JSON array) fare since the half hour of a time, at most 7 days ago: [{id, attempts, delivered, waiting (counted up to 1000), last {outcome, status, error, at}}]. Tests do not count.';
revoke execute on function public.get_webhook_health(text, timestamptz) from public, anon;
grant execute on function public.get_webhook_health(text, timestamptz) to authenticated;
