-- How much came in and went out, counted once: per minute, half hour and three hours. Whoever looks adds up some hundred rows,
-- however many events they tell of. A sweep counts what is a minute old; no writer of events pays for it.

create table public.activity (
  user_id uuid not null references auth.users (id) on delete cascade,
  source_id uuid not null,
  direction text not null constraint directions_are_known check (direction in ('in', 'out')),
  seconds integer not null constraint pieces_are_known check (seconds in (60, 1800, 10800)),
  starts_at timestamptz not null,
  total integer not null,
  good integer not null,
  bad integer not null,
  timed integer not null,
  times double precision[],
  counted_at timestamptz not null default clock_timestamp(),
  primary key (source_id, direction, seconds, starts_at),
  constraint times_are_of_what_was_timed check ((timed > 0) = (times is not null))
);
comment on table public.activity is 'Counts of one piece of time: of an endpoint''s events, of a webhook''s attempts, and of all of a user''s.';
comment on column public.activity.source_id is 'The endpoint or webhook; the user, where all of theirs are counted.';
comment on column public.activity.direction is 'in: events, by when they arrived. out: attempts, by when they began; no tests.';
comment on column public.activity.seconds is 'Length of the piece.';
comment on column public.activity.good is 'Processed, or delivered. What is neither good nor bad is on its way.';
comment on column public.activity.timed is 'How many have a duration.';
comment on column public.activity.times is 'Their durations in milliseconds: the least, 19 between, and the most, with as many in each twentieth.';
create index activity_seconds_starts_at_idx on public.activity (seconds, starts_at);
-- What may still change: events on their way arrive, and failed ones are reprocessed.
create index activity_unsettled_idx on public.activity (counted_at)
  where direction = 'in' and source_id = user_id and (total > good + bad or bad > 0);
create index activity_user_id_idx on public.activity (user_id);
alter table public.activity enable row level security;
create policy "owners and admins read activity" on public.activity for select to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.activity from public, anon, authenticated, service_role;
grant select on table public.activity to authenticated;
grant select, insert, update, delete on table public.activity to service_role;

create table private.activity_progress (
  id boolean primary key default true constraint there_is_one check (id),
  counted_until timestamptz not null
);
comment on table private.activity_progress is 'One row: everything before this minute is in public.activity.';
alter table private.activity_progress enable row level security;
revoke all on table private.activity_progress from public, anon, authenticated, service_role;
grant select, insert, update on table private.activity_progress to service_role;

-- Security definer: how far the counting came is no secret, and no user reads the private tables.
create function private.counted_until() returns timestamptz
language sql stable security definer set search_path = ''
as $$
  select p.counted_until from private.activity_progress p
$$;
comment on function private.counted_until() is 'Everything before this minute is in public.activity; null before the first count.';
revoke execute on function private.counted_until() from public, anon;
grant execute on function private.counted_until() to authenticated, service_role;

create function private.piece_of(p_seconds integer, p_at timestamptz) returns timestamptz
language sql immutable security invoker set search_path = ''
as $$
  select date_bin(make_interval(secs => p_seconds), p_at, '1970-01-01 00:00:00+00'::timestamptz)
$$;
comment on function private.piece_of(integer, timestamptz) is 'When the piece of time began that a moment is in.';
revoke execute on function private.piece_of(integer, timestamptz) from public, anon;
grant execute on function private.piece_of(integer, timestamptz) to authenticated, service_role;

create function private.count_events(
  p_seconds integer, p_since timestamptz, p_until timestamptz, p_user_id uuid, p_endpoint_id uuid, p_each boolean)
returns setof public.activity
language plpgsql stable security invoker set search_path = '' set plan_cache_mode = 'force_custom_plan'
as $$
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
$$;
comment on function private.count_events(integer, timestamptz, timestamptz, uuid, uuid, boolean) is
  'Counts the events between two times: of a user, an endpoint, or (null) of all; p_each: of users and of endpoints, each.';
revoke execute on function private.count_events(integer, timestamptz, timestamptz, uuid, uuid, boolean) from public, anon;
grant execute on function private.count_events(integer, timestamptz, timestamptz, uuid, uuid, boolean) to authenticated, service_role;

create function private.count_attempts(
  p_seconds integer, p_since timestamptz, p_until timestamptz, p_user_id uuid, p_webhook_id uuid, p_each boolean)
returns setof public.activity
language plpgsql stable security invoker set search_path = '' set plan_cache_mode = 'force_custom_plan'
as $$
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
$$;
comment on function private.count_attempts(integer, timestamptz, timestamptz, uuid, uuid, boolean) is
  'Counts the attempts between two times, without tests: of a user, a webhook, or (null) of all; p_each: of users and of webhooks, each.';
revoke execute on function private.count_attempts(integer, timestamptz, timestamptz, uuid, uuid, boolean) from public, anon;
grant execute on function private.count_attempts(integer, timestamptz, timestamptz, uuid, uuid, boolean) to authenticated, service_role;

create function private.count_unsettled(p_before timestamptz) returns integer
language plpgsql volatile security invoker set search_path = ''
as $$
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
$$;
comment on function private.count_unsettled(timestamptz) is
  'Counts anew what had not come to its end, or had failed, when it was counted last before a time; how many pieces. Those that wait longest come first.';
revoke execute on function private.count_unsettled(timestamptz) from public, anon, authenticated;
grant execute on function private.count_unsettled(timestamptz) to service_role;

create function private.count_activity() returns timestamptz
language plpgsql volatile security invoker set search_path = ''
as $$
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
$$;
comment on function private.count_activity() is
  'Counts what has come since the last time, up to some seconds'' work, and anew what was not settled; until when everything is counted. One at a time: null if another is at it.';
revoke execute on function private.count_activity() from public, anon, authenticated;
grant execute on function private.count_activity() to service_role;

create function private.activity_between(
  p_direction text, p_user_id uuid, p_source_id uuid, p_seconds integer, p_since timestamptz, p_until timestamptz)
returns setof public.activity
language plpgsql stable security invoker set search_path = '' set plan_cache_mode = 'force_custom_plan'
as $$
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
$$;
comment on function private.activity_between(text, uuid, uuid, integer, timestamptz, timestamptz) is
  'Counts that together tell of the time between two starts of pieces: of a source, a user, or (null) of all that the caller may see.';
revoke execute on function private.activity_between(text, uuid, uuid, integer, timestamptz, timestamptz) from public, anon;
grant execute on function private.activity_between(text, uuid, uuid, integer, timestamptz, timestamptz) to authenticated, service_role;

create function private.activity_series(
  p_direction text, p_user_id uuid, p_source_id uuid, p_seconds integer, p_until timestamptz, p_points integer)
returns jsonb
language sql stable security invoker set search_path = ''
as $$
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
$$;
comment on function private.activity_series(text, uuid, uuid, integer, timestamptz, integer) is
  'p_points pieces of time up to the start of one, and all of them together: {total, good, bad, p50_ms, p95_ms, series[{at, …the same}]}. Where a piece is put together from several counts, its percentiles are near, not exact.';
revoke execute on function private.activity_series(text, uuid, uuid, integer, timestamptz, integer) from public, anon;
grant execute on function private.activity_series(text, uuid, uuid, integer, timestamptz, integer) to authenticated, service_role;

create function private.require_window(p_seconds integer, p_until timestamptz, p_points integer) returns void
language plpgsql immutable security invoker set search_path = ''
as $$
begin
  if p_seconds is null or p_seconds not in (60, 1800, 10800) or p_until is null or p_points is null or p_points not between 1 and 60
    or not isfinite(p_until) or private.piece_of(p_seconds, p_until) <> p_until then
    raise exception 'A time has 1 to 60 pieces of 60, 1800 or 10800 seconds, and ends where one begins' using errcode = 'PT400', detail = 'WH001';
  end if;
end
$$;
comment on function private.require_window(integer, timestamptz, integer) is 'Refuses a time that is not counted.';
revoke execute on function private.require_window(integer, timestamptz, integer) from public, anon;
grant execute on function private.require_window(integer, timestamptz, integer) to authenticated, service_role;

create function public.get_webhook_activity(p_webhook_id uuid, p_seconds integer, p_until timestamptz, p_points integer) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
begin
  perform private.require_window(p_seconds, p_until, p_points);
  perform from public.webhooks w where w.id = p_webhook_id;
  if not found then
    raise exception 'No such webhook' using errcode = 'PT404', detail = 'WH007';
  end if;
  return private.activity_series('out', null, p_webhook_id, p_seconds, p_until, p_points)
    || jsonb_build_object('streak', private.streak(p_webhook_id));
end
$$;
comment on function public.get_webhook_activity(uuid, integer, timestamptz, integer) is
  'How a webhook of the caller fares in p_points pieces of p_seconds (60, 1800 or 10800) up to the start of one: {total, good, bad, p50_ms, p95_ms, series[p_points of {at, …the same}], streak {success, length}}. Tests do not count. Costs the same beside any number of attempts, which public.get_webhook_stats does not.';
revoke execute on function public.get_webhook_activity(uuid, integer, timestamptz, integer) from public, anon;
grant execute on function public.get_webhook_activity(uuid, integer, timestamptz, integer) to authenticated;
