-- Requests that an endpoint refused, kept for its owner: the last 100 of each endpoint, and no more, whatever is sent.

create table public.webhook_refusals (
  id uuid primary key,
  endpoint_id uuid not null references public.webhook_endpoints (id) on delete cascade,
  user_id uuid not null,
  status integer not null constraint refusals_are_the_senders_fault check (status between 400 and 499),
  code text not null constraint codes_are_names check (code ~ '^[a-z_]{1,50}$'),
  reason text not null constraint reasons_are_bounded check (length(reason) <= 500),
  method text not null constraint methods_are_short check (length(method) <= 20),
  headers jsonb not null constraint headers_are_a_bounded_object
    check (jsonb_typeof(headers) = 'object' and length(headers::text) <= 32768),
  body_bytes integer,
  body_start text constraint body_starts_are_bounded check (length(body_start) <= 22000),
  created_at timestamptz not null
);
comment on table public.webhook_refusals is 'Requests that were refused, with the reason: the last 100 of each endpoint.';
comment on column public.webhook_refusals.id is 'UUIDv7 made by ingest, so ids sort by time.';
comment on column public.webhook_refusals.user_id is 'Owner of the endpoint, kept here so that the policy needs no join.';
comment on column public.webhook_refusals.reason is 'For the owner: more than the sender was told.';
comment on column public.webhook_refusals.headers is 'Request headers without credentials.';
comment on column public.webhook_refusals.body_bytes is 'Size of the body, if it was read.';
comment on column public.webhook_refusals.body_start is 'Base64 of the body''s beginning, only where the signature was genuine and the content was not.';

create index webhook_refusals_endpoint_id_idx on public.webhook_refusals (endpoint_id, id);
create index webhook_refusals_user_id_idx on public.webhook_refusals (user_id);

alter table public.webhook_refusals enable row level security;
create policy "owners and admins read refusals" on public.webhook_refusals for select to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.webhook_refusals from public, anon, authenticated, service_role;
grant select on table public.webhook_refusals to authenticated;
grant select, insert, delete on table public.webhook_refusals to service_role;

create function public.record_refusals(p_refusals text) returns jsonb
language plpgsql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_rows public.webhook_refusals[] := array(select i from json_populate_recordset(null::public.webhook_refusals, p_refusals::json) i);
begin
  -- Calls about the same endpoint go one after the other, in one order: so none has more than 100 once a call is over.
  perform pg_catalog.pg_advisory_xact_lock(hashtextextended(l.endpoint_id::text, 2))
  from (select distinct i.endpoint_id from unnest(v_rows) i order by i.endpoint_id) l;

  insert into public.webhook_refusals (id, endpoint_id, user_id, status, code, reason, method, headers, body_bytes, body_start, created_at)
  select i.id, e.id, e.created_by, i.status, i.code, left(i.reason, 500), left(i.method, 20), i.headers, i.body_bytes, i.body_start, i.created_at
  from unnest(v_rows) i
  join public.webhook_endpoints e on e.id = i.endpoint_id
  on conflict (id) do nothing;

  delete from public.webhook_refusals r
  where r.id in (
    select o.id
    from (select distinct i.endpoint_id from unnest(v_rows) i) e
    cross join lateral (
      select x.id from public.webhook_refusals x where x.endpoint_id = e.endpoint_id order by x.id desc offset 100) o);
  return jsonb_build_object('recorded', cardinality(v_rows));
end
$$;
comment on function public.record_refusals(text) is
  'Keeps refused requests for the owners of their endpoints. p_refusals: JSON array of {id, endpoint_id, status, code, reason, method, headers, body_bytes, body_start, created_at}. Of each endpoint the newest 100 stay. Answers {recorded}.';
revoke execute on function public.record_refusals(text) from public, anon, authenticated;
grant execute on function public.record_refusals(text) to service_role;
