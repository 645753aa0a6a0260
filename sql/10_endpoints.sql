-- Registered sources of incoming webhooks, their secrets and their rate limits.

create table public.webhook_endpoints (
  id uuid primary key default gen_random_uuid(),
  name text not null constraint names_are_short check (length(name) between 1 and 200),
  slug text not null unique constraint slugs_are_url_safe check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  description text constraint descriptions_are_bounded check (length(description) <= 2000),
  is_active boolean not null default true,
  scheme text not null constraint schemes_are_names check (scheme ~ '^[a-z0-9_]{1,50}$'),
  scheme_settings jsonb not null default '{}' constraint scheme_settings_are_a_shallow_object
    check (jsonb_typeof(scheme_settings) = 'object' and not jsonb_path_exists(scheme_settings, '$.**{8}')),
  allowed_object_types text[] not null default '{}',
  default_entity_table text,
  field_maps jsonb not null default '{}' constraint field_maps_are_a_shallow_object
    check (jsonb_typeof(field_maps) = 'object' and not jsonb_path_exists(field_maps, '$.**{8}')),
  processing_mode text not null default 'review' constraint processing_modes_are_known check (processing_mode in ('review', 'automatic')),
  confidence_threshold numeric(4, 3) not null default 0.7 constraint thresholds_are_shares check (confidence_threshold between 0 and 1),
  rate_limit_per_minute integer constraint rate_limits_are_positive check (rate_limit_per_minute between 1 and 1000000),
  dedupe_window_seconds integer not null default 86400 constraint dedupe_windows_are_bounded check (dedupe_window_seconds between 0 and 2592000),
  created_by uuid not null default auth.uid() references auth.users (id) on delete cascade,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint webhook_endpoints_created_by_id_key unique (created_by, id)
);
comment on table public.webhook_endpoints is 'Registered webhook sources. Each has an address (its slug) and a scheme by which its requests are verified.';
comment on column public.webhook_endpoints.slug is 'Last part of the address that the source posts to; unique over all users.';
comment on column public.webhook_endpoints.scheme is 'Name of the verification scheme, such as stripe or standard_webhooks.';
comment on column public.webhook_endpoints.allowed_object_types is 'Entity types an event of this endpoint may become; empty means all.';
comment on column public.webhook_endpoints.default_entity_table is 'Entity type for events that the classifier cannot tell.';
comment on column public.webhook_endpoints.field_maps is 'Per entity type, JMESPath by column, laid over the type''s own field map.';
comment on column public.webhook_endpoints.processing_mode is 'review: each event waits for a person. automatic: an event at or above confidence_threshold goes on by itself.';
comment on column public.webhook_endpoints.dedupe_window_seconds is 'For deliveries without an id of their own: how long an equal body counts as the same delivery.';

create trigger touch_updated_at before update on public.webhook_endpoints
  for each row execute function private.touch_updated_at();

alter table public.webhook_endpoints enable row level security;
create policy "owners and admins manage endpoints" on public.webhook_endpoints for all to authenticated
  using (created_by = (select auth.uid()) or (select private.is_admin()))
  with check (created_by = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.webhook_endpoints from public, anon, authenticated, service_role;
grant select, delete on table public.webhook_endpoints to authenticated;
grant insert (name, slug, description, is_active, scheme, scheme_settings, allowed_object_types, default_entity_table, field_maps,
    processing_mode, confidence_threshold, rate_limit_per_minute, dedupe_window_seconds),
  update (name, slug, description, is_active, scheme, scheme_settings, allowed_object_types, default_entity_table, field_maps,
    processing_mode, confidence_threshold, rate_limit_per_minute, dedupe_window_seconds)
  on table public.webhook_endpoints to authenticated;
grant select, insert, update, delete on table public.webhook_endpoints to service_role;

create table private.endpoint_secrets (
  id uuid primary key default gen_random_uuid(),
  endpoint_id uuid not null references public.webhook_endpoints (id) on delete cascade,
  ciphertext text not null constraint ciphertexts_are_bounded check (length(ciphertext) between 1 and 10000),
  created_at timestamptz not null default now(),
  expires_at timestamptz
);
comment on table private.endpoint_secrets is 'Verification secrets, encrypted by the application (Fernet). During a rotation the old one has an expiry.';
create index endpoint_secrets_endpoint_id_idx on private.endpoint_secrets (endpoint_id);
alter table private.endpoint_secrets enable row level security;
revoke all on table private.endpoint_secrets from public, anon, authenticated, service_role;
grant select on table private.endpoint_secrets to service_role;

create table private.rate_limit_windows (
  endpoint_id uuid primary key references public.webhook_endpoints (id) on delete cascade,
  started_at timestamptz not null,
  used integer not null
);
comment on table private.rate_limit_windows is 'How many events an endpoint has stored in its current minute. A window starts with its first event.';
alter table private.rate_limit_windows enable row level security;
revoke all on table private.rate_limit_windows from public, anon, authenticated, service_role;
grant select, insert, update on table private.rate_limit_windows to service_role;

create function private.take_rate_limit(p_endpoint_id uuid, p_limit integer, p_wanted integer)
returns table (granted integer, retry_after integer)
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_window private.rate_limit_windows;
begin
  -- The upsert locks the endpoint's row until commit, which makes the limit exact under concurrency.
  insert into private.rate_limit_windows as w (endpoint_id, started_at, used)
  values (p_endpoint_id, clock_timestamp(), 0)
  on conflict (endpoint_id) do update set
    started_at = case when w.started_at <= clock_timestamp() - interval '1 minute' then clock_timestamp() else w.started_at end,
    used = case when w.started_at <= clock_timestamp() - interval '1 minute' then 0 else w.used end
  returning * into v_window;

  granted := greatest(0, least(p_wanted, p_limit - v_window.used));
  retry_after := greatest(1, ceil(extract(epoch from v_window.started_at + interval '1 minute' - clock_timestamp())))::integer;
  update private.rate_limit_windows set used = used + granted where endpoint_id = p_endpoint_id;
  return next;
end
$$;
comment on function private.take_rate_limit(uuid, integer, integer) is
  'Takes up to p_wanted events from an endpoint''s minute: how many were granted, and seconds until the next window.';
revoke execute on function private.take_rate_limit(uuid, integer, integer) from public, anon, authenticated;
grant execute on function private.take_rate_limit(uuid, integer, integer) to service_role;

create function public.get_ingest_endpoint(p_slug text) returns jsonb
language sql stable security invoker set search_path = ''
as $$
  select jsonb_build_object(
    'id', e.id, 'slug', e.slug, 'is_active', e.is_active, 'scheme', e.scheme, 'scheme_settings', e.scheme_settings,
    'secrets', coalesce((
      select jsonb_agg(s.ciphertext order by s.created_at desc)
      from private.endpoint_secrets s
      where s.endpoint_id = e.id and (s.expires_at is null or s.expires_at > now())), '[]'))
  from public.webhook_endpoints e
  where e.slug = p_slug
$$;
comment on function public.get_ingest_endpoint(text) is
  'What ingest needs to verify a request: {id, slug, is_active, scheme, scheme_settings, secrets[ciphertext, newest first]}; null for an unknown slug.';
revoke execute on function public.get_ingest_endpoint(text) from public, anon, authenticated;
grant execute on function public.get_ingest_endpoint(text) to service_role;

-- Security definer: users may put a secret in for an endpoint of theirs, and never read one.
create function private.store_endpoint_secret(p_endpoint_id uuid, p_ciphertext text, p_overlap_seconds integer) returns timestamptz
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_expires_at timestamptz := now() + make_interval(secs => p_overlap_seconds);
begin
  if p_overlap_seconds is null or p_overlap_seconds not between 0 and 604800 then
    raise exception 'The overlap is 0 to 604800 seconds' using errcode = 'PT400', detail = 'WH001';
  end if;
  perform from public.webhook_endpoints e where e.id = p_endpoint_id and private.owns(e.created_by) for update;
  if not found then
    raise exception 'No such endpoint' using errcode = 'PT404', detail = 'WH007';
  end if;
  delete from private.endpoint_secrets s where s.endpoint_id = p_endpoint_id and s.expires_at <= now();
  update private.endpoint_secrets s set expires_at = least(s.expires_at, v_expires_at) where s.endpoint_id = p_endpoint_id;
  -- clock_timestamp(): "newest first" must hold for two rotations in one transaction too.
  insert into private.endpoint_secrets (endpoint_id, ciphertext, created_at) values (p_endpoint_id, p_ciphertext, clock_timestamp());
  return v_expires_at;
end
$$;
comment on function private.store_endpoint_secret(uuid, text, integer) is
  'Makes p_ciphertext an endpoint''s secret. Earlier secrets stay valid for p_overlap_seconds; returns until when.';
revoke execute on function private.store_endpoint_secret(uuid, text, integer) from public, anon;
grant execute on function private.store_endpoint_secret(uuid, text, integer) to authenticated, service_role;

create function public.create_webhook_endpoint(p_endpoint text, p_secret_ciphertext text) returns jsonb
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_row public.webhook_endpoints;
begin
  insert into public.webhook_endpoints (name, slug, description, is_active, scheme, scheme_settings, allowed_object_types,
    default_entity_table, field_maps, processing_mode, confidence_threshold, rate_limit_per_minute, dedupe_window_seconds)
  select r.name, r.slug, r.description, coalesce(r.is_active, true), r.scheme, coalesce(r.scheme_settings, '{}'),
    coalesce(r.allowed_object_types, '{}'), r.default_entity_table, coalesce(r.field_maps, '{}'),
    coalesce(r.processing_mode, 'review'), coalesce(r.confidence_threshold, 0.7), r.rate_limit_per_minute,
    coalesce(r.dedupe_window_seconds, 86400)
  from jsonb_populate_record(null::public.webhook_endpoints, p_endpoint::jsonb) r
  returning * into v_row;
  if p_secret_ciphertext is not null then
    perform private.store_endpoint_secret(v_row.id, p_secret_ciphertext, 0);
  end if;
  return to_jsonb(v_row);
end
$$;
comment on function public.create_webhook_endpoint(text, text) is
  'Registers an endpoint of the caller with its encrypted secret, in one transaction. p_endpoint: JSON with the table''s columns.';
revoke execute on function public.create_webhook_endpoint(text, text) from public, anon;
grant execute on function public.create_webhook_endpoint(text, text) to authenticated;

create function public.rotate_endpoint_secret(p_endpoint_id uuid, p_secret_ciphertext text, p_overlap_seconds integer) returns jsonb
language sql volatile security invoker set search_path = ''
as $$
  select jsonb_build_object('previous_valid_until', private.store_endpoint_secret(p_endpoint_id, p_secret_ciphertext, p_overlap_seconds))
$$;
comment on function public.rotate_endpoint_secret(uuid, text, integer) is
  'Gives an endpoint of the caller a new encrypted secret; earlier ones verify for p_overlap_seconds (0 to 604800) more.';
revoke execute on function public.rotate_endpoint_secret(uuid, text, integer) from public, anon;
grant execute on function public.rotate_endpoint_secret(uuid, text, integer) to authenticated;

create function public.update_webhook_endpoint(p_endpoint_id uuid, p_scheme text, p_changes text, p_secret_ciphertext text) returns jsonb
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_row public.webhook_endpoints;
begin
  select e.* into v_row from public.webhook_endpoints e where e.id = p_endpoint_id for update;
  if v_row.id is null then
    raise exception 'No such endpoint' using errcode = 'PT404', detail = 'WH007';
  end if;
  -- Settings and secret were checked against this scheme; under another one they would verify nothing.
  if v_row.scheme is distinct from p_scheme then
    raise exception 'The endpoint was changed meanwhile' using errcode = 'PT409', detail = 'WH017';
  end if;
  v_row := jsonb_populate_record(v_row, p_changes::jsonb);
  update public.webhook_endpoints e
  set name = v_row.name, slug = v_row.slug, description = v_row.description, is_active = v_row.is_active, scheme = v_row.scheme,
    scheme_settings = v_row.scheme_settings, allowed_object_types = v_row.allowed_object_types,
    default_entity_table = v_row.default_entity_table, field_maps = v_row.field_maps, processing_mode = v_row.processing_mode,
    confidence_threshold = v_row.confidence_threshold, rate_limit_per_minute = v_row.rate_limit_per_minute,
    dedupe_window_seconds = v_row.dedupe_window_seconds
  where e.id = p_endpoint_id
  returning e.* into v_row;
  if p_secret_ciphertext is not null then
    perform private.store_endpoint_secret(p_endpoint_id, p_secret_ciphertext, 0);
  end if;
  return to_jsonb(v_row);
end
$$;
comment on function public.update_webhook_endpoint(uuid, text, text, text) is
  'Changes an endpoint of the caller in one transaction. p_scheme: its scheme as the caller knows it; p_changes: JSON with the columns to set; p_secret_ciphertext: a new encrypted secret, in force at once instead of all earlier ones, or null.';
revoke execute on function public.update_webhook_endpoint(uuid, text, text, text) from public, anon;
grant execute on function public.update_webhook_endpoint(uuid, text, text, text) to authenticated;
