-- The log of attempts, and claims that are fair to every webhook.
--
-- Lock order, here and wherever deliveries are written: webhooks, their states, deliveries; each in order of id. Deliveries
-- are locked "for no key update", which does not hold up what refers to them.
--
-- Where ids are known, what is unfinished or leased is told by finished_at and lease_id, and what belongs to a delivery is looked
-- up for it rather than joined: asked otherwise, PostgreSQL may start from another table or index, and read all that is there.

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

create function private.webhooks_with_deliveries(p_after uuid, p_limit integer, p_only_due boolean) returns table (webhook_id uuid, due timestamptz)
language sql stable security invoker set search_path = ''
as $$
  -- A loose index scan: one index look-up per webhook, for the delivery that is due first, however many each has waiting. It ends
  -- with the last row that is asked for, and looks at 4,096 webhooks at most.
  with recursive waiting as (
    (select 1 as place, d.webhook_id, coalesce(d.leased_until, d.run_after) as due from public.webhook_deliveries d
     where d.status in ('pending', 'delivering') and d.webhook_id > p_after
     order by d.webhook_id, coalesce(d.leased_until, d.run_after) limit 1)
    union all
    select w.place + 1, n.webhook_id, n.due from waiting w, lateral (
      select d.webhook_id, coalesce(d.leased_until, d.run_after) as due from public.webhook_deliveries d
      where d.status in ('pending', 'delivering') and d.webhook_id > w.webhook_id
      order by d.webhook_id, coalesce(d.leased_until, d.run_after) limit 1) n
    where w.place < 4096
  )
  select w.webhook_id, w.due from waiting w
  -- "exists" would be answered for all webhooks at once, out of the whole index.
  where not p_only_due or (w.due <= now() and coalesce(
    (select nullif(h.active, false) from public.webhooks h where h.id = w.webhook_id),
    (select true from public.webhook_deliveries t
      where t.webhook_id = w.webhook_id and t.is_test and t.status in ('pending', 'delivering') and coalesce(t.leased_until, t.run_after) <= now()
      limit 1),
    false))
  limit p_limit
$$;
comment on function private.webhooks_with_deliveries(uuid, integer, boolean) is
  'Webhooks with unfinished deliveries, by id, after p_after, and when the first of them is due. p_only_due: only those that have something to claim: tests, or anything if they are active.';
revoke execute on function private.webhooks_with_deliveries(uuid, integer, boolean) from public, anon, authenticated;
grant execute on function private.webhooks_with_deliveries(uuid, integer, boolean) to service_role;

create function private.next_delivery_at() returns timestamptz
language sql stable security invoker set search_path = ''
as $$
  -- What is due and was not claimed is held back by a cap or a lock, and nobody knows for how long: it is named last.
  select coalesce(min(n.at) filter (where n.at > now()), min(n.at)) from (
    select greatest(d.due, case when w.rate_limit_per_minute <= s.window_used then s.window_started_at + interval '1 minute' end) as at
    from private.webhooks_with_deliveries('00000000-0000-0000-0000-000000000000', 4096, false) d
    join public.webhooks w on w.id = d.webhook_id and w.active
    join private.webhook_states s on s.webhook_id = w.id) n
$$;
comment on function private.next_delivery_at() is 'When a delivery will be due next; a time that has passed where all that wait are due; null where none waits.';
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

create function private.due_deliveries(
  p_webhook public.webhooks, p_state private.webhook_states, p_limit integer, p_per_webhook integer, p_picked uuid[])
returns uuid[]
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  -- A webhook that fails or is slow has few attempts under way, so that what hangs holds little.
  v_cap integer := least(p_per_webhook, p_state.concurrency);
  v_room integer;
  v_ids uuid[];
begin
  select least(p_limit, v_cap - count(*) - (
    select count(*) from public.webhook_deliveries m where m.id = any (p_picked) and m.webhook_id = p_webhook.id))
  into v_room
  from public.webhook_deliveries d
  where d.webhook_id = p_webhook.id and d.status = 'delivering' and d.leased_until > now();
  if v_room <= 0 then
    return '{}';
  end if;
  if p_webhook.active then
    select array_agg(due.id) into v_ids from (
      select d.id from public.webhook_deliveries d
      where d.webhook_id = p_webhook.id and d.status in ('pending', 'delivering') and coalesce(d.leased_until, d.run_after) <= now()
        and d.id <> all (p_picked)
      order by coalesce(d.leased_until, d.run_after) limit v_room
      for no key update skip locked) due;
  else
    select array_agg(due.id) into v_ids from (
      select d.id from public.webhook_deliveries d
      where d.webhook_id = p_webhook.id and d.status in ('pending', 'delivering') and coalesce(d.leased_until, d.run_after) <= now()
        and d.id <> all (p_picked) and d.is_test
      order by coalesce(d.leased_until, d.run_after) limit v_room
      for no key update skip locked) due;
  end if;
  return v_ids[1:private.take_delivery_tokens(p_webhook, coalesce(cardinality(v_ids), 0))];
end
$$;
comment on function private.due_deliveries(public.webhooks, private.webhook_states, integer, integer, uuid[]) is
  'Locks and returns deliveries of a webhook that are due and not among p_picked: no more than p_limit, than its cap of attempts under way, and than its rate limit. Of a webhook that is off, only tests.';
revoke execute on function private.due_deliveries(public.webhooks, private.webhook_states, integer, integer, uuid[]) from public, anon, authenticated;
grant execute on function private.due_deliveries(public.webhooks, private.webhook_states, integer, integer, uuid[]) to service_role;

create function private.pick_deliveries(p_limit integer, p_per_webhook integer) returns uuid[]
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_start uuid := gen_random_uuid();
  v_turns uuid[];
  v_more uuid[];
  v_share integer;
  v_webhook public.webhooks;
  v_state private.webhook_states;
  v_found uuid[];
  v_ids uuid[] := '{}';
begin
  -- Where there are more webhooks than are looked at, a random start makes it even over time.
  v_turns := array(
    select o.webhook_id from (
      select a.webhook_id from private.webhooks_with_deliveries(v_start, 64, true) a
      union all
      select b.webhook_id from private.webhooks_with_deliveries('00000000-0000-0000-0000-000000000000', 64, true) b where b.webhook_id <= v_start
    ) o limit least(64, p_limit));
  -- Each webhook gets an equal share. What some leave free goes to those who have more, in a second round.
  for v_round in 1 .. 2 loop
    -- The same for everybody in a round, or the last in it would get what the quiet ones before it left.
    v_share := greatest(1, (p_limit - cardinality(v_ids)) / greatest(1, cardinality(v_turns)));
    v_more := '{}';
    for v_webhook in
      select w.* from public.webhooks w where w.id = any (v_turns) order by w.id for key share skip locked
    loop
      exit when cardinality(v_ids) >= p_limit;
      -- Another claim may hold it, for a moment.
      select s.* into v_state from private.webhook_states s where s.webhook_id = v_webhook.id for update;
      v_found := coalesce(private.due_deliveries(v_webhook, v_state, v_share, p_per_webhook, v_ids), '{}');
      v_ids := v_ids || v_found;
      if cardinality(v_found) = v_share then
        v_more := v_more || v_webhook.id;
      end if;
    end loop;
    exit when v_more = '{}';
    v_turns := v_more;
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
  select d.id, d.webhook_id, d.user_id, d.published_event_id,
    (select e.type from public.published_events e where e.id = d.published_event_id), d.is_test, d.attempts, 'unknown', 'no_report',
    'The worker did not report what became of this attempt', d.leased_until
  from public.webhook_deliveries d
  where d.id = any (p_ids) and d.lease_id is not null
  on conflict (delivery_id, attempt) do nothing;
  -- A delivery that takes its worker down each time must not come round for ever; a test is tried once.
  update public.webhook_deliveries d
  set status = 'failed', lease_id = null, leased_until = null, finished_at = clock_timestamp(),
    error_message = format('The worker did not finish in %s attempts', d.attempts - d.attempts_before)
  where d.id = any (p_ids) and d.lease_id is not null
    and (d.is_test or d.attempts - d.attempts_before >= private.max_delivery_attempts());
end
$$;
comment on function private.note_silence(uuid[]) is 'Logs attempts whose lease ran out without a word, and fails those deliveries that have no attempt left.';
revoke execute on function private.note_silence(uuid[]) from public, anon, authenticated;
grant execute on function private.note_silence(uuid[]) to service_role;

create function private.within_bytes(p_ids uuid[], p_bytes bigint) returns uuid[]
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_bytes bigint := 0;
  v_event_id uuid;
  v_events uuid[] := '{}';
begin
  -- One by one: data is stored compressed, so its size is known only once it is read, and reading should end with the limit.
  for v_place in 1 .. coalesce(cardinality(p_ids), 0) loop
    if v_bytes >= p_bytes then
      return p_ids[1:v_place - 1];
    end if;
    select d.published_event_id into v_event_id from public.webhook_deliveries d where d.id = p_ids[v_place];
    if v_event_id <> all (v_events) then
      v_events := v_events || v_event_id;
      v_bytes := v_bytes + (select octet_length(e.data::text) from public.published_events e where e.id = v_event_id);
    end if;
  end loop;
  return coalesce(p_ids, '{}');
end
$$;
comment on function private.within_bytes(uuid[], bigint) is
  'As many of these deliveries, from the first on, as begin before so many bytes of data. An event counts once, whoever gets it.';
revoke execute on function private.within_bytes(uuid[], bigint) from public, anon, authenticated;
grant execute on function private.within_bytes(uuid[], bigint) to service_role;

create function private.lease_deliveries(p_ids uuid[], p_lease_id uuid, p_lease_seconds integer, p_is_counted boolean)
returns setof public.webhook_deliveries
language sql volatile security invoker set search_path = ''
as $$
  update public.webhook_deliveries d
  set status = 'delivering', lease_id = p_lease_id, leased_until = clock_timestamp() + make_interval(secs => p_lease_seconds),
    attempts = d.attempts + 1,
    counted_in = case when p_is_counted then (
      select nullif(s.window_started_at, '-infinity') from private.webhook_states s where s.webhook_id = d.webhook_id) end
  where d.id = any (p_ids) and d.finished_at is null
  returning d.*
$$;
comment on function private.lease_deliveries(uuid[], uuid, integer, boolean) is
  'Leases locked deliveries to one worker. p_is_counted: their webhooks'' rate limits know of them.';
revoke execute on function private.lease_deliveries(uuid[], uuid, integer, boolean) from public, anon, authenticated;
grant execute on function private.lease_deliveries(uuid[], uuid, integer, boolean) to service_role;

create function private.give_back_tokens(p_ids uuid[]) returns void
language sql volatile security invoker set search_path = ''
as $$
  update private.webhook_states s
  set window_used = greatest(0, s.window_used - o.number)
  from (select d.webhook_id, count(*)::integer as number from public.webhook_deliveries d where d.id = any (p_ids) group by d.webhook_id) o
  where s.webhook_id = o.webhook_id
$$;
comment on function private.give_back_tokens(uuid[]) is 'Gives back to their webhooks'' minutes what was taken for these deliveries. The caller holds the states.';
revoke execute on function private.give_back_tokens(uuid[]) from public, anon, authenticated;
grant execute on function private.give_back_tokens(uuid[]) to service_role;

create function public.claim_deliveries(
  p_limit integer, p_per_webhook integer, p_lease_seconds integer, p_delivery_ids text default null)
returns json
language plpgsql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_lease_id uuid := gen_random_uuid();
  -- Read before the tables are, which may not ask for it when they are empty: what is no id is refused.
  v_named uuid[] := private.as_uuids(p_delivery_ids);
  v_webhook_ids uuid[];
  v_picked uuid[];
  v_ids uuid[];
  v_leased public.webhook_deliveries[];
begin
  if p_limit is null or p_limit not between 1 and 1000 or p_lease_seconds is null or p_lease_seconds not between 1 and 3600
    or p_per_webhook is null or p_per_webhook not between 1 and 1000 then
    raise exception 'The limits are 1 to 1000 deliveries, the lease 1 to 3600 seconds' using errcode = 'PT400', detail = 'WH001';
  end if;
  if p_delivery_ids is null then
    v_picked := private.pick_deliveries(p_limit, p_per_webhook);
  else
    -- Named ones are not held back by caps and limits: somebody waits for them.
    v_webhook_ids := array(
      select w.id from public.webhooks w
      where w.id = any (array(select d.webhook_id from public.webhook_deliveries d where d.id = any (v_named)))
      order by w.id
      for key share skip locked);
    select array_agg(named.id) into v_picked from (
      select d.id from public.webhook_deliveries d
      where d.id = any (v_named) and d.finished_at is null and coalesce(d.leased_until, d.run_after) <= now()
        and array_position(v_webhook_ids, d.webhook_id) is not null
        and (d.is_test or (select w.active from public.webhooks w where w.id = d.webhook_id))
      order by d.id limit p_limit
      for no key update of d skip locked) named;
  end if;
  v_ids := private.within_bytes(v_picked, 8388608);
  perform private.note_silence(v_ids);
  v_leased := array(select l from private.lease_deliveries(v_ids, v_lease_id, p_lease_seconds, p_delivery_ids is null) l);
  if p_delivery_ids is null and cardinality(v_leased) < cardinality(v_picked) then
    perform private.give_back_tokens(array(select i from unnest(v_picked) i where i not in (select l.id from unnest(v_leased) l)));
  end if;
  return private.claimed_deliveries(v_lease_id, v_leased);
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
