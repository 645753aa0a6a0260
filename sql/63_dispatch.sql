-- Delivering: claims that are fair to every webhook, and finishes that record each attempt.
--
-- Lock order, here and wherever deliveries are written: webhooks, their states, deliveries; each in order of id.

create table public.webhook_logs (
  id uuid primary key default private.time_ordered_id(),
  delivery_id uuid not null references public.webhook_deliveries (id) on delete cascade,
  webhook_id uuid not null references public.webhooks (id) on delete cascade,
  user_id uuid not null,
  published_event_id uuid not null,
  event_type text not null,
  is_test boolean not null,
  attempt integer not null,
  outcome text not null constraint outcomes_are_known check (outcome in ('delivered', 'failed', 'unknown')),
  error_code text,
  error_message text,
  request_url text,
  request_headers jsonb not null default '{}',
  request_body_sha256 text,
  response_status integer,
  response_headers jsonb not null default '{}',
  response_body text,
  latency_ms numeric,
  attempted_at timestamptz not null default now(),
  constraint webhook_logs_delivery_id_attempt_key unique (delivery_id, attempt),
  constraint failures_say_why check (outcome = 'delivered' or error_message is not null)
);
comment on table public.webhook_logs is 'What happened: one row per attempt, also per attempt of a worker that did not live to tell.';
comment on column public.webhook_logs.id is 'The attempt''s id, as the receiver got it.';
comment on column public.webhook_logs.outcome is 'delivered: answered with a 2xx. failed: anything else, or nothing. unknown: the worker did not report, so the receiver may have it.';
comment on column public.webhook_logs.request_url is 'Without what is secret about it.';
comment on column public.webhook_logs.request_headers is 'Without signatures and the values of the webhook''s own headers.';
comment on column public.webhook_logs.request_body_sha256 is 'Of the body''s bytes: the same in every attempt of a delivery.';
comment on column public.webhook_logs.response_body is 'The first 16 KiB.';
comment on column public.webhook_logs.latency_ms is 'From the attempt''s start to the end of the answer.';
create index webhook_logs_webhook_id_idx on public.webhook_logs (webhook_id, id);
create index webhook_logs_user_id_idx on public.webhook_logs (user_id, id);
create index webhook_logs_published_event_id_idx on public.webhook_logs (published_event_id);
alter table public.webhook_logs enable row level security;
create policy "owners and admins read delivery logs" on public.webhook_logs for select to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.webhook_logs from public, anon, authenticated, service_role;
grant select on table public.webhook_logs to authenticated;
grant select, insert, update, delete on table public.webhook_logs to service_role;

create function private.max_delivery_attempts() returns integer
language sql immutable security invoker set search_path = ''
as $$ select 11 $$;
comment on function private.max_delivery_attempts() is 'Attempts that a delivery gets each time it is queued: the first, and one for each step of functions/dispatch/backoff.py.';
revoke execute on function private.max_delivery_attempts() from public, anon, authenticated;
grant execute on function private.max_delivery_attempts() to service_role;

create function private.webhooks_with_deliveries(p_after uuid, p_limit integer) returns table (webhook_id uuid, due timestamptz)
language sql stable security invoker set search_path = ''
as $$
  -- A loose index scan: one index look-up per webhook, for the delivery that is due first, however many each has waiting.
  with recursive waiting as (
    (select d.webhook_id, coalesce(d.leased_until, d.run_after) as due from public.webhook_deliveries d
     where d.status in ('pending', 'delivering') and d.webhook_id > p_after
     order by d.webhook_id, coalesce(d.leased_until, d.run_after) limit 1)
    union all
    select n.webhook_id, n.due from waiting w, lateral (
      select d.webhook_id, coalesce(d.leased_until, d.run_after) as due from public.webhook_deliveries d
      where d.status in ('pending', 'delivering') and d.webhook_id > w.webhook_id
      order by d.webhook_id, coalesce(d.leased_until, d.run_after) limit 1) n
  )
  select w.webhook_id, w.due from waiting w limit p_limit
$$;
comment on function private.webhooks_with_deliveries(uuid, integer) is
  'Webhooks with unfinished deliveries, by id, after p_after, and when the first of them is due.';
revoke execute on function private.webhooks_with_deliveries(uuid, integer) from public, anon, authenticated;
grant execute on function private.webhooks_with_deliveries(uuid, integer) to service_role;

create function private.next_delivery_at() returns timestamptz
language sql stable security invoker set search_path = ''
as $$
  select min(greatest(d.due, case when w.rate_limit_per_minute <= s.window_used then s.window_started_at + interval '1 minute' end))
  from private.webhooks_with_deliveries('00000000-0000-0000-0000-000000000000', 1000) d
  join public.webhooks w on w.id = d.webhook_id and w.active
  join private.webhook_states s on s.webhook_id = w.id
$$;
comment on function private.next_delivery_at() is 'When a delivery will be due next; null where none waits.';
revoke execute on function private.next_delivery_at() from public, anon, authenticated;
grant execute on function private.next_delivery_at() to service_role;

create function private.take_delivery_tokens(p_webhook public.webhooks, p_wanted integer) returns integer
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_granted integer;
begin
  if p_webhook.rate_limit_per_minute is null or p_wanted <= 0 then
    return p_wanted;
  end if;
  update private.webhook_states s
  set window_started_at = now(), window_used = 0
  where s.webhook_id = p_webhook.id and s.window_started_at <= now() - interval '1 minute';
  select least(p_wanted, p_webhook.rate_limit_per_minute - s.window_used) into v_granted
  from private.webhook_states s where s.webhook_id = p_webhook.id;
  update private.webhook_states s set window_used = s.window_used + greatest(0, v_granted) where s.webhook_id = p_webhook.id;
  return greatest(0, v_granted);
end
$$;
comment on function private.take_delivery_tokens(public.webhooks, integer) is
  'Takes up to p_wanted deliveries from a webhook''s minute. The caller holds its state, which makes the limit exact.';
revoke execute on function private.take_delivery_tokens(public.webhooks, integer) from public, anon, authenticated;
grant execute on function private.take_delivery_tokens(public.webhooks, integer) to service_role;

create function private.due_deliveries(p_webhook public.webhooks, p_state private.webhook_states, p_limit integer, p_per_webhook integer) returns uuid[]
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  -- A webhook that fails may have few attempts under way, so that what hangs holds little.
  v_cap integer := case when p_state.consecutive_failures > 0 then greatest(1, p_per_webhook / 8) else p_per_webhook end;
  v_under_way integer;
  v_ids uuid[];
begin
  select count(*) into v_under_way from public.webhook_deliveries d
  where d.webhook_id = p_webhook.id and d.status = 'delivering' and d.leased_until > now();
  select array_agg(due.id) into v_ids from (
    select d.id from public.webhook_deliveries d
    where d.webhook_id = p_webhook.id and d.status in ('pending', 'delivering') and coalesce(d.leased_until, d.run_after) <= now()
    order by coalesce(d.leased_until, d.run_after)
    limit greatest(0, least(p_limit, v_cap - v_under_way))
    for update skip locked) due;
  return v_ids[1:private.take_delivery_tokens(p_webhook, coalesce(cardinality(v_ids), 0))];
end
$$;
comment on function private.due_deliveries(public.webhooks, private.webhook_states, integer, integer) is
  'Locks and returns deliveries of a webhook that are due: no more than p_limit, than its cap of attempts under way, and than its rate limit.';
revoke execute on function private.due_deliveries(public.webhooks, private.webhook_states, integer, integer) from public, anon, authenticated;
grant execute on function private.due_deliveries(public.webhooks, private.webhook_states, integer, integer) to service_role;

create function private.pick_deliveries(p_limit integer, p_per_webhook integer) returns uuid[]
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_start uuid := gen_random_uuid();
  v_due uuid[];
  v_webhook public.webhooks;
  v_state private.webhook_states;
  v_left integer := p_limit;
  v_webhooks integer;
  v_ids uuid[] := '{}';
begin
  -- Each webhook gets an equal share; where there are more than are looked at, a random start makes it even over time.
  select array_agg(o.webhook_id) into v_due from (
    select a.webhook_id from private.webhooks_with_deliveries(v_start, 256) a where a.due <= now()
    union all
    select b.webhook_id from private.webhooks_with_deliveries('00000000-0000-0000-0000-000000000000', 256) b
    where b.due <= now() and b.webhook_id <= v_start
    limit 64) o;
  v_webhooks := coalesce(cardinality(v_due), 0);
  for v_webhook in
    select w.* from public.webhooks w where w.id = any (v_due) and w.active order by w.id for key share skip locked
  loop
    exit when v_left <= 0;
    -- Another claim may hold it, for a moment.
    select s.* into v_state from private.webhook_states s where s.webhook_id = v_webhook.id for update;
    v_ids := v_ids || coalesce(private.due_deliveries(v_webhook, v_state, greatest(1, v_left / v_webhooks), p_per_webhook), '{}');
    v_left := p_limit - cardinality(v_ids);
    v_webhooks := greatest(1, v_webhooks - 1);
  end loop;
  return v_ids;
end
$$;
comment on function private.pick_deliveries(integer, integer) is
  'Locks and returns up to p_limit deliveries that are due, shared evenly between webhooks, with at most p_per_webhook under way for each.';
revoke execute on function private.pick_deliveries(integer, integer) from public, anon, authenticated;
grant execute on function private.pick_deliveries(integer, integer) to service_role;

create function private.note_silence(p_ids uuid[]) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  insert into public.webhook_logs (delivery_id, webhook_id, user_id, published_event_id, event_type, is_test, attempt, outcome, error_code,
    error_message, attempted_at)
  select d.id, d.webhook_id, d.user_id, e.id, e.type, e.is_test, d.attempts, 'unknown', 'no_report',
    'The worker did not report what became of this attempt', d.leased_until
  from public.webhook_deliveries d
  join public.published_events e on e.id = d.published_event_id
  where d.id = any (p_ids) and d.status = 'delivering'
  on conflict (delivery_id, attempt) do nothing;
  -- A delivery that takes its worker down each time must not come round for ever; a test is tried once.
  update public.webhook_deliveries d
  set status = 'failed', lease_id = null, leased_until = null, finished_at = clock_timestamp(),
    error_message = format('The worker did not finish in %s attempts', d.attempts - d.attempts_before)
  from public.published_events e
  where d.id = any (p_ids) and d.status = 'delivering' and e.id = d.published_event_id
    and (e.is_test or d.attempts - d.attempts_before >= private.max_delivery_attempts());
end
$$;
comment on function private.note_silence(uuid[]) is 'Logs attempts whose lease ran out without a word, and fails those deliveries that have no attempt left.';
revoke execute on function private.note_silence(uuid[]) from public, anon, authenticated;
grant execute on function private.note_silence(uuid[]) to service_role;

create function private.within_bytes(p_ids uuid[], p_bytes bigint) returns uuid[]
language sql stable security invoker set search_path = ''
as $$
  select coalesce(array_agg(s.id), '{}') from (
    select i.id, sum(pg_column_size(e.data)) over (order by i.place) - pg_column_size(e.data) as before
    from unnest(p_ids) with ordinality as i (id, place)
    join public.webhook_deliveries d on d.id = i.id
    join public.published_events e on e.id = d.published_event_id) s
  where s.before < p_bytes
$$;
comment on function private.within_bytes(uuid[], bigint) is 'As many of these deliveries, from the first on, as begin before so many bytes of data.';
revoke execute on function private.within_bytes(uuid[], bigint) from public, anon, authenticated;
grant execute on function private.within_bytes(uuid[], bigint) to service_role;

create function public.claim_deliveries(
  p_limit integer, p_per_webhook integer, p_lease_seconds integer, p_delivery_ids text default null)
returns json
language plpgsql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_lease_id uuid := gen_random_uuid();
  v_ids uuid[];
  v_leased public.webhook_deliveries[];
begin
  if p_limit is null or p_limit not between 1 and 1000 or p_lease_seconds is null or p_lease_seconds not between 1 and 3600
    or p_per_webhook is null or p_per_webhook not between 1 and 1000 then
    raise exception 'The limits are 1 to 1000 deliveries, the lease 1 to 3600 seconds' using errcode = 'PT400', detail = 'WH001';
  end if;
  if p_delivery_ids is null then
    v_ids := private.pick_deliveries(p_limit, p_per_webhook);
  else
    -- Named ones are not held back by caps and limits: somebody waits for them. A test goes to a webhook that is off, too.
    select array_agg(named.id) into v_ids from (
      select d.id from public.webhook_deliveries d
      join public.webhooks w on w.id = d.webhook_id
      join public.published_events e on e.id = d.published_event_id
      where d.id = any (private.as_uuids(p_delivery_ids)) and d.status in ('pending', 'delivering') and (w.active or e.is_test)
        and coalesce(d.leased_until, d.run_after) <= now()
      order by d.webhook_id, d.id limit p_limit
      for update of d skip locked for key share of w skip locked) named;
  end if;
  v_ids := private.within_bytes(v_ids, 8388608);
  perform private.note_silence(v_ids);
  with leased as (
    update public.webhook_deliveries d
    set status = 'delivering', lease_id = v_lease_id, leased_until = clock_timestamp() + make_interval(secs => p_lease_seconds),
      attempts = d.attempts + 1
    where d.id = any (v_ids) and d.status in ('pending', 'delivering')
    returning d.*
  )
  select array_agg(l) into v_leased from leased l;
  return private.claimed_deliveries(v_lease_id, coalesce(v_leased, '{}'));
end
$$;
comment on function public.claim_deliveries(integer, integer, integer, text) is
  'Leases up to p_limit deliveries that are due, p_per_webhook of them under way for one webhook at most: {lease_id, deliveries[], webhooks[], events[], schemas[], next_at (when there will be more, if there are none)}. p_delivery_ids: a JSON array, to claim only those. json, not jsonb: the order of keys in data is the publisher''s.';
revoke execute on function public.claim_deliveries(integer, integer, integer, text) from public, anon, authenticated;
grant execute on function public.claim_deliveries(integer, integer, integer, text) to service_role;

create function private.claimed_deliveries(p_lease_id uuid, p_leased public.webhook_deliveries[]) returns json
language sql stable security invoker set search_path = ''
as $$
  select json_build_object(
    'lease_id', p_lease_id,
    'deliveries', (
      select coalesce(json_agg(json_build_object('id', d.id, 'webhook_id', d.webhook_id, 'event_id', d.published_event_id,
        'attempt', d.attempts, 'try_number', d.attempts - d.attempts_before - 1)), '[]')
      from unnest(p_leased) d),
    'webhooks', (
      select coalesce(json_agg(json_build_object('id', w.id, 'url', w.url, 'kind', w.kind, 'signature_profile', w.signature_profile,
        'signature_settings', w.signature_settings, 'body_style', w.body_style, 'slack_settings', w.slack_settings, 'filter', w.filter,
        'timeout_seconds', w.timeout_seconds, 'version', w.updated_at,
        'secrets', (
          select coalesce(json_agg(json_build_object('purpose', s.purpose, 'name', s.name, 'ciphertext', s.ciphertext) order by s.created_at desc), '[]')
          from private.webhook_secrets s where s.webhook_id = w.id and (s.expires_at is null or s.expires_at > now())))), '[]')
      from public.webhooks w where w.id in (select d.webhook_id from unnest(p_leased) d)),
    'events', (
      select coalesce(json_agg(json_build_object('id', e.id, 'user_id', e.user_id, 'type', e.type, 'created_at', e.created_at, 'is_test', e.is_test,
        'data', e.data)), '[]')
      from public.published_events e where e.id in (select d.published_event_id from unnest(p_leased) d)),
    'schemas', (
      select coalesce(json_agg(json_build_object('user_id', t.user_id, 'name', t.name, 'schema', t.schema)), '[]')
      from public.event_types t
      where t.schema is not null and (t.user_id is null or t.user_id in (select d.user_id from unnest(p_leased) d))
        and t.name in (select e.type from public.published_events e where e.id in (select d.published_event_id from unnest(p_leased) d))),
    'next_at', case when cardinality(p_leased) = 0 then private.next_delivery_at() end)
$$;
comment on function private.claimed_deliveries(uuid, public.webhook_deliveries[]) is 'All that a worker needs to deliver what it has leased.';
revoke execute on function private.claimed_deliveries(uuid, public.webhook_deliveries[]) from public, anon, authenticated;
grant execute on function private.claimed_deliveries(uuid, public.webhook_deliveries[]) to service_role;

create type private.delivery_result as (
  id uuid,
  lease_id uuid,
  attempt integer,
  state text,
  delay_seconds double precision,
  disable_reason text,
  log_id uuid,
  error_code text,
  error_message text,
  request_url text,
  request_headers jsonb,
  request_body_sha256 text,
  response_status integer,
  response_headers jsonb,
  response_body text,
  latency_ms numeric,
  attempted_at timestamptz
);
comment on type private.delivery_result is 'What became of one attempt; see public.finish_deliveries.';

create function private.log_attempts(p_results private.delivery_result[]) returns void
language sql volatile security invoker set search_path = ''
as $$
  -- A worker that lost its lease has still sent what it has sent: its attempt is logged, and nothing else.
  insert into public.webhook_logs as l (id, delivery_id, webhook_id, user_id, published_event_id, event_type, is_test, attempt, outcome,
    error_code, error_message, request_url, request_headers, request_body_sha256, response_status, response_headers, response_body,
    latency_ms, attempted_at)
  select r.log_id, d.id, d.webhook_id, d.user_id, e.id, e.type, e.is_test, r.attempt,
    case r.state when 'delivered' then 'delivered' else 'failed' end, r.error_code, left(r.error_message, 2000), r.request_url,
    coalesce(r.request_headers, '{}'), r.request_body_sha256, r.response_status, coalesce(r.response_headers, '{}'), r.response_body,
    r.latency_ms, coalesce(r.attempted_at, now())
  from unnest(p_results) r
  join public.webhook_deliveries d on d.id = r.id
  join public.published_events e on e.id = d.published_event_id
  where r.state <> 'filtered'
  order by d.id
  on conflict (delivery_id, attempt) do update set
    outcome = excluded.outcome, error_code = excluded.error_code, error_message = excluded.error_message, request_url = excluded.request_url,
    request_headers = excluded.request_headers, request_body_sha256 = excluded.request_body_sha256, response_status = excluded.response_status,
    response_headers = excluded.response_headers, response_body = excluded.response_body, latency_ms = excluded.latency_ms,
    attempted_at = excluded.attempted_at
  where l.outcome = 'unknown'
$$;
comment on function private.log_attempts(private.delivery_result[]) is 'One row in the log per attempt; one that was held for unknown is now told.';
revoke execute on function private.log_attempts(private.delivery_result[]) from public, anon, authenticated;
grant execute on function private.log_attempts(private.delivery_result[]) to service_role;

create function private.note_outcomes(p_results private.delivery_result[], p_held uuid[]) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_webhook record;
begin
  for v_webhook in
    select d.webhook_id, count(*) filter (where r.state = 'filtered')::integer as filtered,
      count(*) filter (where r.state in ('retry', 'failed') and not e.is_test)::integer as failures,
      bool_or(r.state = 'delivered' and not e.is_test) as has_success,
      min(r.attempted_at) filter (where r.state in ('retry', 'failed') and not e.is_test) as first_failure,
      max(r.disable_reason) as disable_reason
    from unnest(p_results) r
    join public.webhook_deliveries d on d.id = r.id
    join public.published_events e on e.id = d.published_event_id
    where r.id = any (p_held)
    group by d.webhook_id
    order by d.webhook_id
  loop
    -- What was filtered out was not sent, and does not count against the minute.
    update private.webhook_states s
    set window_used = greatest(0, s.window_used - v_webhook.filtered),
      consecutive_failures = case when v_webhook.has_success then 0 else s.consecutive_failures + v_webhook.failures end,
      failing_since = case when v_webhook.has_success then null
        when v_webhook.failures > 0 then coalesce(s.failing_since, v_webhook.first_failure, now()) else s.failing_since end
    where s.webhook_id = v_webhook.webhook_id
      and (v_webhook.filtered > 0 or v_webhook.failures > 0 or (v_webhook.has_success and s.consecutive_failures > 0));
    perform private.disable_webhook(v_webhook.webhook_id, v_webhook.disable_reason)
    where v_webhook.disable_reason is not null;
    perform private.disable_webhook(w.id, format('Nothing but failures since %s', to_char(s.failing_since at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')))
    from private.webhook_states s join public.webhooks w on w.id = s.webhook_id
    where s.webhook_id = v_webhook.webhook_id and v_webhook.failures > 0 and greatest(s.failing_since, w.active_since) <= now() - interval '5 days';
  end loop;
end
$$;
comment on function private.note_outcomes(private.delivery_result[], uuid[]) is
  'Keeps how each webhook fares, and switches off those that are gone or have failed for five days.';
revoke execute on function private.note_outcomes(private.delivery_result[], uuid[]) from public, anon, authenticated;
grant execute on function private.note_outcomes(private.delivery_result[], uuid[]) to service_role;

create function private.disable_webhook(p_webhook_id uuid, p_reason text) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_webhook public.webhooks;
begin
  update public.webhooks w set active = false, disabled_reason = p_reason where w.id = p_webhook_id and w.active
  returning w.* into v_webhook;
  if v_webhook.id is null then
    return;
  end if;
  insert into public.notifications (user_id, title, body)
  values (v_webhook.created_by, left(format('The webhook "%s" was switched off', v_webhook.name), 500),
    p_reason || '. Its deliveries wait: mend the receiver, then switch it on again.');
  perform private.publish(array[row(v_webhook.created_by, 'webhook.disabled', json_build_object('webhook', json_build_object(
    'id', v_webhook.id, 'name', v_webhook.name, 'url', v_webhook.url, 'events', v_webhook.events), 'reason', p_reason), null)::private.outgoing_event]);
end
$$;
comment on function private.disable_webhook(uuid, text) is 'Switches a webhook off, tells its owner and publishes webhook.disabled. What waits for it goes on waiting.';
revoke execute on function private.disable_webhook(uuid, text) from public, anon, authenticated;
grant execute on function private.disable_webhook(uuid, text) to service_role;

create function private.record_results(p_results private.delivery_result[]) returns uuid[]
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_held uuid[];
begin
  perform from public.webhooks w
  where w.id in (select d.webhook_id from public.webhook_deliveries d where d.id in (select r.id from unnest(p_results) r))
  order by w.id for key share;
  perform from private.webhook_states s
  where s.webhook_id in (select d.webhook_id from public.webhook_deliveries d where d.id in (select r.id from unnest(p_results) r))
  order by s.webhook_id for update;
  select coalesce(array_agg(held.id), '{}') into v_held from (
    select d.id from unnest(p_results) r
    join public.webhook_deliveries d on d.id = r.id and d.lease_id = r.lease_id
    order by d.id
    for update of d) held;
  perform private.log_attempts(p_results);
  update public.webhook_deliveries d
  set status = case r.state when 'retry' then 'pending' else r.state end::public.webhook_delivery_status,
    run_after = case when r.state = 'retry' then now() + make_interval(secs => coalesce(r.delay_seconds, 0)) else d.run_after end,
    lease_id = null, leased_until = null, response_status = r.response_status,
    finished_at = case when r.state <> 'retry' then clock_timestamp() end,
    error_message = case when r.state in ('retry', 'failed') then left(coalesce(r.error_message, 'Unknown error'), 2000) end
  from unnest(p_results) r
  where d.id = r.id and d.id = any (v_held);
  perform private.note_outcomes(p_results, v_held);
  return v_held;
end
$$;
comment on function private.record_results(private.delivery_result[]) is 'Records attempts, all or (on an error) none; ids of the deliveries whose lease still held. See public.finish_deliveries.';
revoke execute on function private.record_results(private.delivery_result[]) from public, anon, authenticated;
grant execute on function private.record_results(private.delivery_result[]) to service_role;

create function private.record_alone(p_result json) returns uuid[]
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  return private.record_results(array[json_populate_record(null::private.delivery_result, p_result)]);
exception
  when data_exception or integrity_constraint_violation or program_limit_exceeded then
    -- Without what came from outside; what became of the delivery is ours.
    return private.record_results(array(
      select r from jsonb_populate_record(null::private.delivery_result, jsonb_build_object('id', p_result ->> 'id', 'lease_id', p_result ->> 'lease_id',
        'attempt', p_result ->> 'attempt', 'state', p_result ->> 'state', 'delay_seconds', p_result ->> 'delay_seconds',
        'log_id', p_result ->> 'log_id', 'error_code', p_result ->> 'error_code', 'response_status', p_result ->> 'response_status',
        'latency_ms', p_result ->> 'latency_ms', 'attempted_at', p_result ->> 'attempted_at',
        'error_message', case when p_result ->> 'state' <> 'delivered' then 'The attempt''s details cannot be stored' end)) r));
end
$$;
comment on function private.record_alone(json) is 'Records one attempt; without the details if they cannot be stored.';
revoke execute on function private.record_alone(json) from public, anon, authenticated;
grant execute on function private.record_alone(json) to service_role;

create function public.finish_deliveries(p_results text) returns jsonb
language plpgsql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_asked uuid[] := array(select (r ->> 'id')::uuid from json_array_elements(p_results::json) r);
  v_held uuid[] := '{}';
  v_result json;
begin
  if exists (select from json_array_elements(p_results::json) r
      where not coalesce(r ->> 'state' in ('delivered', 'retry', 'failed', 'filtered'), false)) then
    raise exception 'A state is delivered, retry, failed or filtered' using errcode = 'PT400', detail = 'WH001';
  end if;
  begin
    v_held := private.record_results(array(
      select r from json_populate_recordset(null::private.delivery_result, p_results::json) r));
  exception
    -- Something in one result is beyond the tables: each is tried alone, so that it spoils no other.
    when data_exception or integrity_constraint_violation or program_limit_exceeded then
      for v_result in select value from json_array_elements(p_results::json) loop
        v_held := v_held || private.record_alone(v_result);
      end loop;
  end;
  return private.finished(v_asked, v_held);
end
$$;
comment on function public.finish_deliveries(text) is
  'Records attempts. Takes [{id, lease_id, attempt, state: delivered | retry | failed | filtered, delay_seconds, disable_reason, log_id, error_code, error_message, request_url, request_headers, request_body_sha256, response_status, response_headers, response_body, latency_ms, attempted_at}]. A delivery whose lease has gone to another worker keeps its state; the attempt is logged all the same. Details that cannot be stored are left out.';
revoke execute on function public.finish_deliveries(text) from public, anon, authenticated;
grant execute on function public.finish_deliveries(text) to service_role;
