-- Events that never arrived, fetched from their vendor by the endpoint's owner: stored as any other, and how far the fetching came.

create table public.endpoint_reconciliations (
  id uuid primary key default gen_random_uuid(),
  endpoint_id uuid not null references public.webhook_endpoints (id) on delete cascade,
  user_id uuid not null,
  state jsonb not null constraint states_are_small_objects check (jsonb_typeof(state) = 'object' and length(state::text) <= 4096),
  updated_at timestamptz not null,
  constraint endpoint_reconciliations_endpoint_id_key unique (endpoint_id)
);
comment on table public.endpoint_reconciliations is 'How far the last fetching of missed events came, per endpoint. Written by reconcile_endpoint only.';
comment on column public.endpoint_reconciliations.user_id is 'Owner of the endpoint, kept here so that the policy needs no join.';
comment on column public.endpoint_reconciliations.state is 'The vendor''s cursor and from when on it looks. The database does not read it.';
create index endpoint_reconciliations_user_id_idx on public.endpoint_reconciliations (user_id);
alter table public.endpoint_reconciliations enable row level security;
create policy "owners and admins read reconciliations" on public.endpoint_reconciliations for select to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.endpoint_reconciliations from public, anon, authenticated, service_role;
grant select on table public.endpoint_reconciliations to authenticated, service_role;

create function private.fetched_events(p_endpoint public.webhook_endpoints, p_events text) returns json
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_rows private.incoming_event[];
  v_are_good boolean;
  v_ids uuid[];
begin
  -- What ingest would have made sure of.
  begin
    v_rows := array(select i from json_populate_recordset(null::private.incoming_event, p_events::json) i);
    v_are_good := cardinality(v_rows) <= 100 and not exists (
      select from unnest(v_rows) i
      where coalesce(i.dedupe_key, '') not like 'id:_%' or length(i.dedupe_key) > 300 or coalesce(length(i.event_type), 0) not between 1 and 255
        or length(i.external_id) > 255 or length(i.content_type) > 200
        or coalesce(jsonb_typeof(i.headers), 'object') <> 'object' or length(i.headers::text) > 32768
        or coalesce(octet_length(i.body), 0) not between 1 and 1500000
        or not coalesce(private.is_deliverable(coalesce(i.payload, convert_from(decode(i.body, 'base64'), 'UTF8')::json)), false));
  exception
    when data_exception or statement_too_complex then
      v_are_good := false;
  end;
  if not v_are_good then
    raise exception 'At most 100 events, each with a delivery id, an event type and a JSON object of at most 1 MiB and 64 levels'
      using errcode = 'PT400', detail = 'WH001';
  end if;
  -- Ids in the order of the events: of one millisecond, they would come in any.
  v_ids := array(select private.time_ordered_id() as id from generate_series(1, cardinality(v_rows)) order by id);
  return (
    select coalesce(json_agg(json_build_object('id', v_ids[n], 'endpoint_id', p_endpoint.id, 'external_id', i.external_id,
      'event_type', i.event_type, 'headers', i.headers, 'scheme', p_endpoint.scheme, 'dedupe_key', i.dedupe_key, 'payload', i.payload,
      'body', i.body, 'content_type', i.content_type) order by n), '[]')
    from generate_subscripts(v_rows, 1) n, lateral (select (v_rows[n]).*) i);
end
$$;
comment on function private.fetched_events(public.webhook_endpoints, text) is
  'Events as private.store_events takes them, for this endpoint and no other. Refuses what ingest would not have let through.';
revoke execute on function private.fetched_events(public.webhook_endpoints, text) from public, anon, authenticated;
grant execute on function private.fetched_events(public.webhook_endpoints, text) to service_role;

-- Security definer: users may not insert events. An owner could sign any event for an endpoint of theirs anyway, so this gives them nothing
-- but the way; it checks whose the endpoint is, and stores for that endpoint only.
create function private.reconcile_endpoint(p_endpoint_id uuid, p_events text, p_state text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_endpoint public.webhook_endpoints;
  v_results jsonb;
begin
  select e.* into v_endpoint from public.webhook_endpoints e
  where e.id = p_endpoint_id and private.owns(e.created_by) for key share;
  if v_endpoint.id is null then
    raise exception 'No such endpoint' using errcode = 'PT404', detail = 'WH007';
  end if;
  if v_endpoint.scheme not in ('github', 'stripe') then
    raise exception 'Events can be fetched for the schemes github and stripe' using errcode = 'PT409', detail = 'WH017';
  end if;
  if not v_endpoint.is_active then
    raise exception 'The endpoint is not active' using errcode = 'PT409', detail = 'WH017';
  end if;
  v_results := private.store_events(private.fetched_events(v_endpoint, p_events));
  perform private.log_steps(array_agg(row(e.id, e.user_id, 'reconcile', null, jsonb_build_object('by', (select auth.uid())))::private.step))
  from jsonb_to_recordset(v_results) as r (id uuid, state text)
  join public.webhook_events e on e.id = r.id
  where r.state = 'accepted';
  -- What the endpoint's own limit held back has to be come by again.
  if p_state is not null and not exists (select from jsonb_to_recordset(v_results) as r (state text) where r.state = 'rate_limited') then
    insert into public.endpoint_reconciliations as s (endpoint_id, user_id, state, updated_at)
    values (v_endpoint.id, v_endpoint.created_by, p_state::jsonb, now())
    on conflict (endpoint_id) do update set state = excluded.state, updated_at = excluded.updated_at;
  end if;
  return v_results;
end
$$;
comment on function private.reconcile_endpoint(uuid, text, text) is 'See public.reconcile_endpoint.';
revoke execute on function private.reconcile_endpoint(uuid, text, text) from public, anon;
grant execute on function private.reconcile_endpoint(uuid, text, text) to authenticated;

create function public.reconcile_endpoint(p_endpoint_id uuid, p_events text, p_state text) returns jsonb
language sql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  select private.reconcile_endpoint(p_endpoint_id, p_events, p_state)
$$;
comment on function public.reconcile_endpoint(uuid, text, text) is
  'Stores events that the caller fetched from the vendor of an endpoint of theirs (scheme github or stripe), as public.ingest_events does, and how far they came: p_state, a small JSON object, or null. p_events: a JSON array of at most 100 {external_id, event_type, headers, dedupe_key (id:…), body (base64), content_type, payload?}. Answers in the same order {id, state: accepted | duplicate | rate_limited, retry_after?}; p_state is not kept if the endpoint''s rate limit held something back.';
revoke execute on function public.reconcile_endpoint(uuid, text, text) from public, anon;
grant execute on function public.reconcile_endpoint(uuid, text, text) to authenticated;
