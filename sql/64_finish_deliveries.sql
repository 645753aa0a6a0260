-- Recording attempts: what became of each delivery, and how its webhook fares.
-- Lock order: see 63_claim_deliveries.sql.

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
  select coalesce(r.log_id, private.time_ordered_id()), d.id, d.webhook_id, d.user_id, d.published_event_id,
    (select e.type from public.published_events e where e.id = d.published_event_id), d.is_test, r.attempt,
    case r.state when 'delivered' then 'delivered' else 'failed' end, r.error_code,
    left(coalesce(r.error_message, case when r.state <> 'delivered' then 'Unknown error' end), 2000), r.request_url,
    coalesce(r.request_headers, '{}'), r.request_body_sha256, r.response_status, coalesce(r.response_headers, '{}'), r.response_body,
    r.latency_ms, coalesce(r.attempted_at, now())
  from unnest(p_results) r
  join public.webhook_deliveries d on d.id = r.id
  where r.state <> 'filtered'
  order by d.id
  on conflict (delivery_id, attempt) do update set
    id = excluded.id, outcome = excluded.outcome, error_code = excluded.error_code, error_message = excluded.error_message, request_url = excluded.request_url,
    request_headers = excluded.request_headers, request_body_sha256 = excluded.request_body_sha256, response_status = excluded.response_status,
    response_headers = excluded.response_headers, response_body = excluded.response_body, latency_ms = excluded.latency_ms,
    attempted_at = excluded.attempted_at
  where l.outcome = 'unknown'
$$;
comment on function private.log_attempts(private.delivery_result[]) is 'One row in the log per attempt; one that was held for unknown is now told.';
revoke execute on function private.log_attempts(private.delivery_result[]) from public, anon, authenticated;
grant execute on function private.log_attempts(private.delivery_result[]) to service_role;

create function private.next_concurrency(p_concurrency integer, p_successes integer, p_failures integer, p_slowest_ms numeric) returns integer
language sql immutable security invoker set search_path = ''
as $$
  -- As TCP begins: one more for each that is answered within a second, so twice as many after as many as may be under way. Who fails
  -- or takes five seconds gets half as many.
  select case
    when p_failures > 0 or p_slowest_ms >= 5000 then greatest(4, p_concurrency / 2)
    when p_slowest_ms < 1000 then least(1000, p_concurrency + p_successes)
    else p_concurrency end
$$;
comment on function private.next_concurrency(integer, integer, integer, numeric) is
  'How many deliveries a webhook may have under way after what the last ones have shown: 4 to 1,000.';
revoke execute on function private.next_concurrency(integer, integer, integer, numeric) from public, anon, authenticated;
grant execute on function private.next_concurrency(integer, integer, integer, numeric) to service_role;

create function private.note_outcomes(p_results private.delivery_result[], p_held uuid[]) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_webhook record;
begin
  for v_webhook in
    select d.webhook_id, count(*) filter (where r.state = 'filtered' and d.counted_in = (
        select s.window_started_at from private.webhook_states s where s.webhook_id = d.webhook_id))::integer as given_back,
      count(*) filter (where r.state in ('retry', 'failed') and not d.is_test)::integer as failures,
      count(*) filter (where r.state = 'delivered' and not d.is_test)::integer as successes,
      min(r.attempted_at) filter (where r.state in ('retry', 'failed') and not d.is_test) as first_failure,
      max(r.disable_reason) filter (where not d.is_test) as disable_reason,
      max(r.latency_ms) as slowest_ms
    from unnest(p_results) r
    join public.webhook_deliveries d on d.id = r.id
    where r.id = any (p_held)
    group by d.webhook_id
    order by d.webhook_id
  loop
    -- What was filtered out was not sent, and does not count against the minute in which it was claimed.
    update private.webhook_states s
    set window_used = greatest(0, s.window_used - v_webhook.given_back),
      consecutive_failures = case when v_webhook.successes > 0 then 0 else s.consecutive_failures + v_webhook.failures end,
      failing_since = case when v_webhook.successes > 0 then null
        when v_webhook.failures > 0 then coalesce(s.failing_since, v_webhook.first_failure, now()) else s.failing_since end,
      concurrency = private.next_concurrency(s.concurrency, v_webhook.successes, v_webhook.failures, v_webhook.slowest_ms)
    where s.webhook_id = v_webhook.webhook_id
      and (v_webhook.given_back > 0 or v_webhook.failures > 0 or (v_webhook.successes > 0 and s.consecutive_failures > 0)
        or s.concurrency <> private.next_concurrency(s.concurrency, v_webhook.successes, v_webhook.failures, v_webhook.slowest_ms));
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

create function private.record_attempts(p_results json) returns uuid[]
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_results private.delivery_result[] := array(select r from json_populate_recordset(null::private.delivery_result, p_results) r);
  v_webhook_ids uuid[];
  v_held uuid[];
begin
  v_webhook_ids := array(
    select d.webhook_id from public.webhook_deliveries d where d.id = any (array(select r.id from unnest(v_results) r)));
  perform from public.webhooks w where w.id = any (v_webhook_ids) order by w.id for key share;
  perform from private.webhook_states s where s.webhook_id = any (v_webhook_ids) order by s.webhook_id for update;
  select coalesce(array_agg(held.id), '{}') into v_held from (
    select d.id from unnest(v_results) r
    join public.webhook_deliveries d on d.id = r.id and d.lease_id = r.lease_id
    order by d.id
    for no key update of d) held;
  perform private.log_attempts(v_results);
  update public.webhook_deliveries d
  set status = case r.state when 'retry' then 'pending' else r.state end::public.webhook_delivery_status,
    run_after = case when r.state = 'retry' then now() + make_interval(secs => coalesce(r.delay_seconds, 0)) else d.run_after end,
    lease_id = null, leased_until = null, response_status = r.response_status,
    finished_at = case when r.state <> 'retry' then clock_timestamp() end,
    error_message = case when r.state in ('retry', 'failed') then left(coalesce(r.error_message, 'Unknown error'), 2000) end
  from unnest(v_results) r
  where d.id = r.id and d.id = any (v_held);
  perform private.note_outcomes(v_results, v_held);
  return v_held;
end
$$;
comment on function private.record_attempts(json) is 'Records a group of attempts, all or (on an error) none; ids of the deliveries that their leases still held. See public.finish_deliveries.';
revoke execute on function private.record_attempts(json) from public, anon, authenticated;
grant execute on function private.record_attempts(json) to service_role;

create function private.record_alone(p_result json) returns uuid[]
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  return private.record_attempts(json_build_array(p_result));
exception
  when data_exception or integrity_constraint_violation or program_limit_exceeded then
    -- Without what came from outside, which is most likely what cannot be stored.
    begin
      return private.record_attempts(json_build_array(json_build_object(
        'id', p_result -> 'id', 'lease_id', p_result -> 'lease_id', 'attempt', p_result -> 'attempt', 'state', p_result -> 'state',
        'delay_seconds', p_result -> 'delay_seconds', 'disable_reason', p_result -> 'disable_reason', 'log_id', p_result -> 'log_id',
        'response_status', p_result -> 'response_status', 'attempted_at', p_result -> 'attempted_at',
        'error_message', case when p_result ->> 'state' <> 'delivered' then 'The attempt failed, and its details cannot be stored' end)));
    exception
      when data_exception or integrity_constraint_violation or program_limit_exceeded then
        raise warning 'The result of delivery % cannot be stored: %', p_result ->> 'id', sqlerrm;
        return '{}';
    end;
end
$$;
comment on function private.record_alone(json) is 'Records one attempt, without its details if they cannot be stored; nothing where that does not help either.';
revoke execute on function private.record_alone(json) from public, anon, authenticated;
grant execute on function private.record_alone(json) to service_role;

create function public.finish_deliveries(p_results text) returns jsonb
language plpgsql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  -- A receiver's answer may hold NUL, which no text in PostgreSQL can.
  v_results json := case when position('\u0000' in p_results) = 0 then p_results
    else regexp_replace(p_results, '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ufffd', 'g') end;
  v_asked uuid[];
  v_held uuid[] := '{}';
  v_result json;
begin
  select coalesce(array_agg(r.id), '{}') into v_asked from json_to_recordset(v_results) as r (id uuid);
  if exists (select from json_to_recordset(v_results) as r (state text) where coalesce(r.state, '') not in ('delivered', 'retry', 'failed', 'filtered')) then
    raise exception 'A state is delivered, retry, failed or filtered' using errcode = 'PT400', detail = 'WH001';
  end if;
  begin
    v_held := private.record_attempts(v_results);
  exception
    -- Some result of the group cannot be stored: each is tried alone (in the order in which webhooks are locked), and that one without its details.
    when data_exception or integrity_constraint_violation or program_limit_exceeded or cardinality_violation then
      for v_result in
        select r.value from json_array_elements(v_results) r
        join public.webhook_deliveries d on d.id = (r.value ->> 'id')::uuid
        order by d.webhook_id, d.id
      loop
        v_held := v_held || private.record_alone(v_result);
      end loop;
  end;
  return private.finished(v_asked, v_held);
end
$$;
comment on function public.finish_deliveries(text) is
  'Records attempts. Takes [{id, lease_id, attempt, state: delivered | retry | failed | filtered, delay_seconds, disable_reason, log_id, error_code, error_message, request_url, request_headers, request_body_sha256, response_status, response_headers, response_body, latency_ms, attempted_at}]. Answers {finished[ids], lost[ids]}. A delivery whose lease has gone to another worker is lost and keeps its state; the attempt is logged all the same. Details that cannot be stored are left out; a result that cannot be stored even so is lost, alone.';
revoke execute on function public.finish_deliveries(text) from public, anon, authenticated;
grant execute on function public.finish_deliveries(text) to service_role;
