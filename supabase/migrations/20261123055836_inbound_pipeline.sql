-- Written by `make migration` from sql/. Never edited once it has shipped.

-- sql/00_foundation.sql
-- What every other file stands on: the private schema, admins, and the small functions shared by all tables.
-- Nothing in `private` is reachable through the Data API: PostgREST exposes `public` only.
--
-- Refusals that callers of the Data API see are raised with errcode 'PT' and the HTTP status, which makes PostgREST
-- answer with that status, and with the error's own number (shared/errors.py) as detail. Raised bare, a number of ours
-- reaches the caller as status 400, or from the local API server as 500 without the number.

create schema if not exists private;
comment on schema private is 'Secrets, raw bodies and helper functions. Never exposed through the Data API.';
revoke all on schema private from public;
grant usage on schema private to authenticated, service_role;

create table private.admins (
  user_id uuid primary key references auth.users (id) on delete cascade,
  created_at timestamptz not null default now()
);
comment on table private.admins is 'Users who see and manage everybody''s rows. Rows are added in the dashboard''s SQL editor only.';
alter table private.admins enable row level security;
revoke all on table private.admins from public, anon, authenticated, service_role;

-- Security definer: policies of every table ask it, and their callers may not read private.admins.
create function private.is_admin() returns boolean
language sql stable security definer set search_path = ''
as $$
  select exists (select from private.admins a where a.user_id = (select auth.uid()))
$$;
comment on function private.is_admin() is 'Whether the caller''s JWT belongs to an admin.';
revoke execute on function private.is_admin() from public, anon;
grant execute on function private.is_admin() to authenticated, service_role;

create function private.owns(p_user_id uuid) returns boolean
language sql stable security invoker set search_path = ''
as $$
  select coalesce(p_user_id = (select auth.uid()), false) or private.is_admin()
$$;
comment on function private.owns(uuid) is 'Whether the caller may manage a row of this user: their own, or anybody''s for an admin.';
revoke execute on function private.owns(uuid) from public, anon;
grant execute on function private.owns(uuid) to authenticated, service_role;

create function private.touch_updated_at() returns trigger
language plpgsql security invoker set search_path = ''
as $$
begin
  new.updated_at := now();
  return new;
end
$$;
comment on function private.touch_updated_at() is 'Keeps updated_at true.';
revoke execute on function private.touch_updated_at() from public;

create function private.wake(p_function text) returns void
language sql volatile security invoker set search_path = ''
as $$
  -- NOTIFY takes a lock at commit that the whole database shares, so this runs once per statement, never per row.
  select pg_catalog.pg_notify('switchhook', p_function)
$$;
comment on function private.wake(text) is
  'Tells whoever listens on the channel "switchhook" that a pipeline function has work. A lost call costs one sweep interval, never an event.';
revoke execute on function private.wake(text) from public, anon, authenticated;
grant execute on function private.wake(text) to service_role;

create function private.max_attempts() returns integer
language sql immutable security invoker set search_path = ''
as $$ select 10 $$;
comment on function private.max_attempts() is 'Claims after which an event that never finished is failed.';
revoke execute on function private.max_attempts() from public, anon, authenticated;
grant execute on function private.max_attempts() to service_role;

create function private.backoff(p_attempts integer) returns interval
language sql volatile security invoker set search_path = ''
as $$
  -- 2 s, 4 s, 8 s … up to 30 min, each ±20 % so that failures of one moment do not come back together.
  select least(1800, power(2, least(p_attempts, 11))) * (0.8 + random() * 0.4) * interval '1 second'
$$;
comment on function private.backoff(integer) is 'The wait before the next attempt, after p_attempts attempts.';
revoke execute on function private.backoff(integer) from public, anon, authenticated;
grant execute on function private.backoff(integer) to service_role;

create function private.may_pass(p_sqlstate text) returns boolean
language sql immutable security invoker set search_path = ''
as $$
  -- Rolled back for others' sake (40), out of resources (53), locked (55), stopped by an operator (57), a broken disk (58, XX).
  select left(p_sqlstate, 2) in ('40', '53', '55', '57', '58', 'XX')
$$;
comment on function private.may_pass(text) is 'Whether an error is of the moment: the same work may go well the next time.';
revoke execute on function private.may_pass(text) from public, anon, authenticated;
grant execute on function private.may_pass(text) to service_role;

create function private.as_uuids(p_ids text) returns uuid[]
language sql immutable security invoker set search_path = ''
as $$
  select array_agg(value::uuid) from json_array_elements_text(p_ids::json)
$$;
comment on function private.as_uuids(text) is 'A JSON array of ids as an array; null for an empty array or null.';
revoke execute on function private.as_uuids(text) from public, anon;
grant execute on function private.as_uuids(text) to authenticated, service_role;

-- sql/10_endpoints.sql
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

-- sql/20_entities.sql
-- What an event becomes: people, records of the shipped entity types, and what hangs on them.
-- `entities` indexes every record of every type; a typed row shares its id, so tags, roles and links work for all types.
-- Foreign keys to people and entities carry the owner: a row can not point into another tenant. So do keys that are made of
-- them: a conflict would tell of another tenant's row.

create table public.entities (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  entity_table text not null,
  created_at timestamptz not null default now(),
  constraint entities_user_id_id_key unique (user_id, id)
);
comment on table public.entities is 'One row for every record of every entity type, under the id of the typed row.';
comment on column public.entities.entity_table is 'Name of the entity type.';
alter table public.entities enable row level security;
create policy "owners and admins manage entities" on public.entities for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.entities from public, anon, authenticated, service_role;
grant select, insert, update, delete on table public.entities to authenticated, service_role;

create function private.register_entity() returns trigger
language plpgsql security invoker set search_path = ''
as $$
begin
  insert into public.entities (id, user_id, entity_table) values (new.id, new.user_id, tg_argv[0]) on conflict (id) do nothing;
  return new;
end
$$;
comment on function private.register_entity() is 'Gives a row of a typed table its row in public.entities. Argument: the entity type''s name.';
revoke execute on function private.register_entity() from public;

create function private.unregister_entity() returns trigger
language plpgsql security invoker set search_path = ''
as $$
begin
  delete from public.entities e where e.id = old.id;
  return null;
end
$$;
comment on function private.unregister_entity() is 'Takes a deleted typed row out of public.entities too.';
revoke execute on function private.unregister_entity() from public;

create table public.people (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid(),
  endpoint_id uuid,
  kind text not null default 'person' constraint kinds_are_known check (kind in ('person', 'automated')),
  email text,
  phone text,
  name text,
  first_name text,
  last_name text,
  company text,
  title text,
  external_id text,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint people_user_id_id_key unique (user_id, id),
  constraint people_entity_fkey foreign key (user_id, id) references public.entities (user_id, id) on delete cascade,
  constraint people_endpoint_fkey foreign key (user_id, endpoint_id)
    references public.webhook_endpoints (created_by, id) on delete set null (endpoint_id)
);
comment on table public.people is 'People, and automated senders, found or made from events.';
comment on column public.people.endpoint_id is 'The endpoint that external_id comes from; without one, the endpoint that first told of this person.';
create unique index people_email_idx on public.people (user_id, lower(email));
create index people_phone_idx on public.people (user_id, phone) where phone is not null;
create index people_external_id_idx on public.people (user_id, endpoint_id, external_id);

create table public.influencers (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid(),
  external_id text,
  name text,
  handle text,
  platform text,
  email text,
  followers integer,
  profile_url text,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint influencers_entity_fkey foreign key (user_id, id) references public.entities (user_id, id) on delete cascade
);
comment on table public.influencers is 'Creators and partners who promote the owner''s brand.';
create index influencers_user_id_idx on public.influencers (user_id, id);
create index influencers_handle_idx on public.influencers (user_id, handle, platform);

create table public.subscriptions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid(),
  external_id text,
  customer_external_id text,
  customer_email text,
  plan text,
  status text,
  amount numeric,
  currency text,
  current_period_end timestamptz,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint subscriptions_entity_fkey foreign key (user_id, id) references public.entities (user_id, id) on delete cascade
);
comment on table public.subscriptions is 'Recurring plans of customers.';
comment on column public.subscriptions.amount is 'In whole units of the currency, not in cents.';
create index subscriptions_user_id_idx on public.subscriptions (user_id, id);
create index subscriptions_external_id_idx on public.subscriptions (user_id, external_id);

create table public.orders (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid(),
  external_id text,
  order_number text,
  customer_email text,
  status text,
  total numeric,
  currency text,
  ordered_at timestamptz,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint orders_entity_fkey foreign key (user_id, id) references public.entities (user_id, id) on delete cascade
);
comment on table public.orders is 'Purchases.';
comment on column public.orders.total is 'In whole units of the currency, not in cents.';
create index orders_user_id_idx on public.orders (user_id, id);
create index orders_external_id_idx on public.orders (user_id, external_id);

create table public.invoices (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid(),
  external_id text,
  number text,
  customer_email text,
  status text,
  amount numeric,
  currency text,
  issued_at timestamptz,
  due_at timestamptz,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint invoices_entity_fkey foreign key (user_id, id) references public.entities (user_id, id) on delete cascade
);
comment on table public.invoices is 'Bills, sent or received.';
comment on column public.invoices.amount is 'In whole units of the currency, not in cents.';
create index invoices_user_id_idx on public.invoices (user_id, id);
create index invoices_external_id_idx on public.invoices (user_id, external_id);

create table private.ticket_counters (
  user_id uuid not null references auth.users (id) on delete cascade,
  year integer not null,
  last_number integer not null,
  primary key (user_id, year)
);
comment on table private.ticket_counters is 'The last ticket number given, per user and year.';
alter table private.ticket_counters enable row level security;
revoke all on table private.ticket_counters from public, anon, authenticated, service_role;

create table public.tickets (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid(),
  external_id text,
  ticket_number text not null,
  subject text,
  message text,
  status text not null default 'new',
  priority text not null default 'medium' constraint priorities_are_known check (priority in ('low', 'medium', 'high', 'urgent')),
  category text,
  customer_email text,
  customer_name text,
  url text,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint tickets_ticket_number_key unique (user_id, ticket_number),
  constraint tickets_entity_fkey foreign key (user_id, id) references public.entities (user_id, id) on delete cascade
);
comment on table public.tickets is 'Support requests. ticket_number (TKT-2026-001) is given by the database where the source has none, or one that is taken.';
create index tickets_user_id_idx on public.tickets (user_id, id);
create index tickets_external_id_idx on public.tickets (user_id, external_id);

-- Security definer: numbering writes a private counter for whoever inserts the ticket.
create function private.complete_ticket() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_year integer := extract(year from now());
  v_number integer;
begin
  new.status := coalesce(new.status, 'new');
  new.priority := coalesce(new.priority, 'medium');
  -- A number that a source gave may be one that was given here, and the other way round.
  while new.ticket_number is null
    or exists (select from public.tickets t where t.user_id = new.user_id and t.ticket_number = new.ticket_number)
  loop
    insert into private.ticket_counters as c (user_id, year, last_number) values (new.user_id, v_year, 1)
    on conflict (user_id, year) do update set last_number = c.last_number + 1
    returning last_number into v_number;
    new.ticket_number := format('TKT-%s-%s', v_year, lpad(v_number::text, greatest(3, length(v_number::text)), '0'));
  end loop;
  return new;
end
$$;
comment on function private.complete_ticket() is 'Fills in what a source may leave out: status, priority and the ticket number.';
revoke execute on function private.complete_ticket() from public;
create trigger complete_ticket before insert on public.tickets
  for each row execute function private.complete_ticket();

create trigger register_entity before insert on public.people for each row execute function private.register_entity('person');
create trigger register_entity before insert on public.influencers for each row execute function private.register_entity('influencer');
create trigger register_entity before insert on public.subscriptions for each row execute function private.register_entity('subscription');
create trigger register_entity before insert on public.orders for each row execute function private.register_entity('order');
create trigger register_entity before insert on public.invoices for each row execute function private.register_entity('invoice');
create trigger register_entity before insert on public.tickets for each row execute function private.register_entity('ticket');

create trigger unregister_entity after delete on public.people for each row execute function private.unregister_entity();
create trigger unregister_entity after delete on public.influencers for each row execute function private.unregister_entity();
create trigger unregister_entity after delete on public.subscriptions for each row execute function private.unregister_entity();
create trigger unregister_entity after delete on public.orders for each row execute function private.unregister_entity();
create trigger unregister_entity after delete on public.invoices for each row execute function private.unregister_entity();
create trigger unregister_entity after delete on public.tickets for each row execute function private.unregister_entity();

create trigger touch_updated_at before update on public.people for each row execute function private.touch_updated_at();
create trigger touch_updated_at before update on public.influencers for each row execute function private.touch_updated_at();
create trigger touch_updated_at before update on public.subscriptions for each row execute function private.touch_updated_at();
create trigger touch_updated_at before update on public.orders for each row execute function private.touch_updated_at();
create trigger touch_updated_at before update on public.invoices for each row execute function private.touch_updated_at();
create trigger touch_updated_at before update on public.tickets for each row execute function private.touch_updated_at();

alter table public.people enable row level security;
alter table public.influencers enable row level security;
alter table public.subscriptions enable row level security;
alter table public.orders enable row level security;
alter table public.invoices enable row level security;
alter table public.tickets enable row level security;

create policy "owners and admins manage people" on public.people for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins manage influencers" on public.influencers for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins manage subscriptions" on public.subscriptions for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins manage orders" on public.orders for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins manage invoices" on public.invoices for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins manage tickets" on public.tickets for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));

revoke all on table public.people, public.influencers, public.subscriptions, public.orders, public.invoices, public.tickets
  from public, anon, authenticated, service_role;
grant select, insert, update, delete
  on table public.people, public.influencers, public.subscriptions, public.orders, public.invoices, public.tickets
  to authenticated, service_role;

create table public.people_entities (
  user_id uuid not null default auth.uid(),
  person_id uuid not null,
  entity_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (user_id, person_id, entity_id),
  constraint people_entities_person_fkey foreign key (user_id, person_id) references public.people (user_id, id) on delete cascade,
  constraint people_entities_entity_fkey foreign key (user_id, entity_id) references public.entities (user_id, id) on delete cascade
);
comment on table public.people_entities is 'Which person a record belongs to.';
create index people_entities_entity_idx on public.people_entities (user_id, entity_id);

create table public.entity_tags (
  user_id uuid not null default auth.uid(),
  entity_id uuid not null,
  tag text not null constraint tags_are_short check (length(tag) between 1 and 100),
  created_at timestamptz not null default now(),
  primary key (user_id, entity_id, tag),
  constraint entity_tags_entity_fkey foreign key (user_id, entity_id) references public.entities (user_id, id) on delete cascade
);
comment on table public.entity_tags is 'Tags on any record, people among them.';

create table public.entity_roles (
  user_id uuid not null default auth.uid(),
  entity_id uuid not null,
  role text not null constraint roles_are_short check (length(role) between 1 and 100),
  created_at timestamptz not null default now(),
  primary key (user_id, entity_id, role),
  constraint entity_roles_entity_fkey foreign key (user_id, entity_id) references public.entities (user_id, id) on delete cascade
);
comment on table public.entity_roles is 'Roles of any record, such as customer or lead.';

alter table public.people_entities enable row level security;
alter table public.entity_tags enable row level security;
alter table public.entity_roles enable row level security;
create policy "owners and admins manage links" on public.people_entities for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins manage tags" on public.entity_tags for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins manage roles" on public.entity_roles for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.people_entities, public.entity_tags, public.entity_roles from public, anon, authenticated, service_role;
grant select, insert, update, delete on table public.people_entities, public.entity_tags, public.entity_roles
  to authenticated, service_role;

-- sql/30_entity_types.sql
-- The registry of what an event can become. Shipped types have no owner; a user adds one row per table of their own.

create table public.entity_types (
  id uuid primary key default gen_random_uuid(),
  user_id uuid default auth.uid() references auth.users (id) on delete cascade,
  name text not null constraint names_are_identifiers check (name ~ '^[a-z][a-z0-9_]{0,49}$'),
  description text not null constraint descriptions_are_bounded check (length(description) between 1 and 4000),
  target_table text not null,
  match_columns text[] not null default '{}',
  field_map jsonb not null default '{}' constraint field_maps_are_a_shallow_object
    check (jsonb_typeof(field_map) = 'object' and not jsonb_path_exists(field_map, '$.**{8}')),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint entity_types_user_id_name_key unique nulls not distinct (user_id, name)
);
comment on table public.entity_types is 'What an event can become. Types without a user_id are shipped; a user''s own type hides a shipped one of the same name.';
comment on column public.entity_types.description is 'Words that the classifier compares an event with.';
comment on column public.entity_types.target_table is 'Table in public with the columns id uuid and user_id uuid and row level security.';
comment on column public.entity_types.match_columns is 'Columns that together find a record again; with any of them null a new record is made.';
comment on column public.entity_types.field_map is 'JMESPath by column, over {event, payload, data}.';

create function private.check_entity_type() returns trigger
language plpgsql security invoker set search_path = ''
as $$
declare
  v_table oid;
  v_column text;
begin
  select c.oid into v_table
  from pg_catalog.pg_class c
  where c.relnamespace = 'public'::regnamespace and c.relname = new.target_table and c.relkind in ('r', 'p')
    and c.relrowsecurity;
  -- Switchhook's own bookkeeping would let a payload write rules, events or links; what users may write to by hand decides the rest.
  if v_table is null or new.target_table in ('webhook_endpoints', 'webhook_events', 'webhook_event_logs', 'entity_types', 'entities',
      'entity_automation_rules', 'entity_rule_actions', 'people_entities', 'entity_tags', 'entity_roles', 'notifications', 'audit_logs')
    or exists (select from unnest(array['authenticated', 'service_role']) r, unnest(array['select', 'insert', 'update']) p
      where not pg_catalog.has_table_privilege(r, v_table, p)) then
    raise exception 'target_table must be a table in public with row level security that authenticated and service_role may read and write'
      using errcode = 'PT400', detail = 'WH001';
  end if;
  if (select count(*) from pg_catalog.pg_attribute a
      where a.attrelid = v_table and a.attname in ('id', 'user_id') and a.atttypid = 'uuid'::regtype and not a.attisdropped) <> 2 then
    raise exception 'target_table must have the columns id uuid and user_id uuid' using errcode = 'PT400', detail = 'WH001';
  end if;
  for v_column in select jsonb_object_keys(new.field_map) union select unnest(new.match_columns) loop
    if not v_column = any (private.writable_columns(new.target_table)) then
      raise exception 'target_table has no column % to write to', quote_ident(v_column) using errcode = 'PT400', detail = 'WH001';
    end if;
  end loop;
  new.updated_at := now();
  return new;
end
$$;
comment on function private.check_entity_type() is 'Refuses an entity type that does not fit its target table.';
revoke execute on function private.check_entity_type() from public;

create function private.writable_columns(p_table text) returns text[]
language sql stable security invoker set search_path = ''
as $$
  select coalesce(array_agg(a.attname::text), '{}')
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_class c on c.oid = a.attrelid
  where c.relnamespace = 'public'::regnamespace and c.relname = p_table and a.attnum > 0 and not a.attisdropped
    and a.attgenerated = '' and a.attname not in ('id', 'user_id', 'endpoint_id', 'created_at', 'updated_at')
$$;
comment on function private.writable_columns(text) is 'Columns of a table in public that a payload may fill: all but ids of ours, the owner and our own times.';
revoke execute on function private.writable_columns(text) from public, anon;
grant execute on function private.writable_columns(text) to authenticated, service_role;

create trigger check_entity_type before insert or update on public.entity_types
  for each row execute function private.check_entity_type();

alter table public.entity_types enable row level security;
create policy "everyone signed in reads shipped types and their own" on public.entity_types for select to authenticated
  using (user_id is null or user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins add types" on public.entity_types for insert to authenticated
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins change types" on public.entity_types for update to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins delete types" on public.entity_types for delete to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.entity_types from public, anon, authenticated, service_role;
grant select, delete on table public.entity_types to authenticated;
grant insert (name, description, target_table, match_columns, field_map), update (name, description, target_table, match_columns, field_map)
  on table public.entity_types to authenticated;
grant select, insert, update, delete on table public.entity_types to service_role;

create function private.entity_type(p_user_id uuid, p_name text) returns public.entity_types
language sql stable security invoker set search_path = ''
as $$
  select t from public.entity_types t
  where t.name = p_name and (t.user_id = p_user_id or t.user_id is null)
  order by t.user_id nulls last
  limit 1
$$;
comment on function private.entity_type(uuid, text) is 'The entity type that a name means for a user: their own, else the shipped one; null where there is none.';
revoke execute on function private.entity_type(uuid, text) from public, anon;
grant execute on function private.entity_type(uuid, text) to authenticated, service_role;

create function private.entity_types_of(p_user_ids uuid[]) returns jsonb
language sql stable security invoker set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object('user_id', t.user_id, 'name', t.name, 'description', t.description,
    'target_table', t.target_table, 'match_columns', t.match_columns, 'field_map', t.field_map) order by t.name, t.id), '[]')
  from public.entity_types t
  where t.user_id is null or t.user_id = any (p_user_ids)
$$;
comment on function private.entity_types_of(uuid[]) is 'The shipped entity types and these users'' own, as workers receive them.';
revoke execute on function private.entity_types_of(uuid[]) from public, anon, authenticated;
grant execute on function private.entity_types_of(uuid[]) to service_role;

-- sql/40_events.sql
-- Accepted deliveries, their raw bodies, the log of what was done with them, and the lease that the worker functions share.
--
-- stage:   classify → (review →) prepare → rules → done
-- status:  pending (waits, also for a person in review) → processing (leased) → processed or failed

create type public.webhook_event_status as enum ('pending', 'processing', 'processed', 'failed');
create type public.webhook_event_stage as enum ('classify', 'review', 'prepare', 'rules', 'done');

create table public.webhook_events (
  id uuid primary key,
  endpoint_id uuid not null references public.webhook_endpoints (id) on delete cascade,
  user_id uuid not null,
  external_id text,
  event_type text not null,
  payload jsonb not null,
  headers jsonb not null default '{}',
  scheme text not null,
  dedupe_key text not null,
  status public.webhook_event_status not null default 'pending',
  stage public.webhook_event_stage not null default 'classify',
  entity_table text,
  is_person boolean,
  person_id uuid references public.people (id) on delete set null,
  entity_id uuid references public.entities (id) on delete set null,
  ai_confidence numeric(4, 3),
  classified_by text,
  error_message text,
  attempts integer not null default 0,
  run_after timestamptz not null default now(),
  lease_id uuid,
  leased_until timestamptz,
  processed_at timestamptz,
  created_at timestamptz not null default now(),
  constraint webhook_events_dedupe_key_endpoint_id_key unique (dedupe_key, endpoint_id),
  constraint webhook_events_user_id_id_key unique (user_id, id),
  constraint leased_rows_have_a_lease check ((status = 'processing') = (lease_id is not null) and (lease_id is null) = (leased_until is null)),
  constraint processed_rows_are_done check ((status = 'processed') = (stage = 'done') and (status = 'processed') = (processed_at is not null)),
  constraint failed_rows_say_why check (status <> 'failed' or error_message is not null),
  constraint rows_in_review_wait check (stage <> 'review' or status = 'pending'),
  constraint classified_rows_say_what check (stage in ('classify', 'review') or (entity_table is not null and is_person is not null))
);
comment on table public.webhook_events is 'One row per accepted delivery, and the queue that the pipeline works through.';
comment on column public.webhook_events.id is 'UUIDv7 made by ingest, so ids sort by time of arrival.';
comment on column public.webhook_events.user_id is 'Owner of the endpoint, kept here so that policies and queue claims need no join.';
comment on column public.webhook_events.external_id is 'The source''s id of the thing that the event is about.';
comment on column public.webhook_events.headers is 'Request headers without credentials.';
comment on column public.webhook_events.scheme is 'Verification scheme that the request passed; none means nobody verified it.';
comment on column public.webhook_events.dedupe_key is 'id:… (the delivery''s own id) or body:… (SHA-256 of the body).';
comment on column public.webhook_events.entity_table is 'Name of the entity type.';
comment on column public.webhook_events.classified_by is 'Which classifier or person decided entity_table and is_person.';
comment on column public.webhook_events.attempts is 'Claims in the present stage.';
comment on column public.webhook_events.run_after is 'Not claimed before this time.';

-- Holds unfinished work only, so a claim costs the same beside any number of finished rows. A leased row is due again when its lease ends.
create index webhook_events_due_idx on public.webhook_events (stage, user_id, (coalesce(leased_until, run_after)))
  where status in ('pending', 'processing') and stage in ('classify', 'prepare', 'rules');
create index webhook_events_review_idx on public.webhook_events (user_id, id) where stage = 'review';
create index webhook_events_endpoint_id_idx on public.webhook_events (endpoint_id, id);
create index webhook_events_person_id_idx on public.webhook_events (person_id) where person_id is not null;
create index webhook_events_entity_id_idx on public.webhook_events (entity_id) where entity_id is not null;

alter table public.webhook_events enable row level security;
create policy "owners and admins read events" on public.webhook_events for select to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins delete events" on public.webhook_events for delete to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.webhook_events from public, anon, authenticated, service_role;
grant select, delete on table public.webhook_events to authenticated;
grant select, insert, update, delete on table public.webhook_events to service_role;

create table private.webhook_bodies (
  webhook_event_id uuid primary key references public.webhook_events (id) on delete cascade,
  body bytea not null,
  content_type text
);
comment on table private.webhook_bodies is 'The body of each delivery as it came, byte for byte (after gzip).';
alter table private.webhook_bodies enable row level security;
revoke all on table private.webhook_bodies from public, anon, authenticated, service_role;
grant select, insert on table private.webhook_bodies to service_role;

create table public.webhook_event_logs (
  id uuid primary key default gen_random_uuid(),
  webhook_event_id uuid not null references public.webhook_events (id) on delete cascade,
  user_id uuid not null,
  rule_id uuid,
  action_id uuid,
  action_type text not null,
  action_config jsonb not null default '{}',
  success boolean not null,
  error_message text,
  result jsonb not null default '{}',
  duration_ms numeric,
  processed_at timestamptz not null default clock_timestamp(),
  constraint webhook_event_logs_action_key unique nulls not distinct (webhook_event_id, rule_id, action_id, action_type),
  constraint failures_say_why check (success or error_message is not null)
);
comment on table public.webhook_event_logs is 'What was done with an event: classification, people and records, decisions of users, each rule action. One row per event and action.';
comment on column public.webhook_event_logs.rule_id is 'The rule, for rule actions. No foreign key: the log outlives the rule.';
comment on column public.webhook_event_logs.action_config is 'What was asked for, with all templates filled in.';
comment on column public.webhook_event_logs.result is 'What came of it, such as the id of a row that was made.';
create index webhook_event_logs_user_id_idx on public.webhook_event_logs (user_id);
alter table public.webhook_event_logs enable row level security;
create policy "owners and admins read event logs" on public.webhook_event_logs for select to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.webhook_event_logs from public, anon, authenticated, service_role;
grant select on table public.webhook_event_logs to authenticated;
grant select, insert, update, delete on table public.webhook_event_logs to service_role;

create function private.log_step(p_event public.webhook_events, p_action_type text, p_config jsonb, p_result jsonb) returns void
language sql volatile security invoker set search_path = ''
as $$
  insert into public.webhook_event_logs (webhook_event_id, user_id, action_type, action_config, success, result)
  values (p_event.id, p_event.user_id, p_action_type, coalesce(p_config, '{}'), true, coalesce(p_result, '{}'))
  on conflict (webhook_event_id, rule_id, action_id, action_type) do update set
    action_config = excluded.action_config, result = excluded.result, success = true, error_message = null,
    processed_at = excluded.processed_at
$$;
comment on function private.log_step(public.webhook_events, text, jsonb, jsonb) is
  'Logs a step of the pipeline that succeeded. Doing the step again replaces its entry.';
revoke execute on function private.log_step(public.webhook_events, text, jsonb, jsonb) from public, anon, authenticated;
grant execute on function private.log_step(public.webhook_events, text, jsonb, jsonb) to service_role;

create function private.owners_with_due_work(p_stage public.webhook_event_stage, p_after uuid, p_limit integer) returns setof uuid
language sql stable security invoker set search_path = ''
as $$
  -- A loose index scan: one index look-up per owner, for the event that is due first, however many each has waiting.
  with recursive owners as (
    (select e.user_id, coalesce(e.leased_until, e.run_after) as due from public.webhook_events e
     where e.stage = p_stage and e.status in ('pending', 'processing') and e.stage in ('classify', 'prepare', 'rules') and e.user_id > p_after
     order by e.user_id, coalesce(e.leased_until, e.run_after) limit 1)
    union all
    select n.user_id, n.due from owners o, lateral (
      select e.user_id, coalesce(e.leased_until, e.run_after) as due from public.webhook_events e
      where e.stage = p_stage and e.status in ('pending', 'processing') and e.stage in ('classify', 'prepare', 'rules')
        and e.user_id > o.user_id
      order by e.user_id, coalesce(e.leased_until, e.run_after) limit 1) n
  )
  select user_id from owners where due <= now() limit p_limit
$$;
comment on function private.owners_with_due_work(public.webhook_event_stage, uuid, integer) is
  'Users with events that are due in a stage, by id, after p_after.';
revoke execute on function private.owners_with_due_work(public.webhook_event_stage, uuid, integer) from public, anon, authenticated;
grant execute on function private.owners_with_due_work(public.webhook_event_stage, uuid, integer) to service_role;

create function private.due_events(p_stage public.webhook_event_stage, p_limit integer) returns uuid[]
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_start uuid := gen_random_uuid();
  v_owners uuid[];
  v_ids uuid[];
begin
  -- Each owner gets an equal share of the batch; where there are more owners than are looked at, a random start makes it even over time.
  select array_agg(o.user_id) into v_owners from (
    select after as user_id from private.owners_with_due_work(p_stage, v_start, 64) as after
    union all
    select before from private.owners_with_due_work(p_stage, '00000000-0000-0000-0000-000000000000', 64) as before where before <= v_start
    limit 64) o;
  select array_agg(share.id) into v_ids
  from unnest(v_owners) as o (user_id)
  cross join lateral (
    select e.id from public.webhook_events e
    where e.stage = p_stage and e.status in ('pending', 'processing') and e.stage in ('classify', 'prepare', 'rules')
      and e.user_id = o.user_id and coalesce(e.leased_until, e.run_after) <= now()
    order by coalesce(e.leased_until, e.run_after)
    limit greatest(1, p_limit / cardinality(v_owners))
    for update skip locked) share;
  -- What quiet owners left free goes to those with more.
  if coalesce(cardinality(v_ids), 0) < p_limit then
    select coalesce(v_ids, '{}') || coalesce(array_agg(rest.id), '{}') into v_ids
    from unnest(v_owners) as o (user_id)
    cross join lateral (
      select e.id from public.webhook_events e
      where e.stage = p_stage and e.status in ('pending', 'processing') and e.stage in ('classify', 'prepare', 'rules')
        and e.user_id = o.user_id and coalesce(e.leased_until, e.run_after) <= now() and e.id <> all (coalesce(v_ids, '{}'))
      order by coalesce(e.leased_until, e.run_after)
      limit p_limit - coalesce(cardinality(v_ids), 0)
      for update skip locked) rest;
  end if;
  return v_ids[1:p_limit];
end
$$;
comment on function private.due_events(public.webhook_event_stage, integer) is
  'Locks and returns up to p_limit events that are due in a stage, shared evenly between owners.';
revoke execute on function private.due_events(public.webhook_event_stage, integer) from public, anon, authenticated;
grant execute on function private.due_events(public.webhook_event_stage, integer) to service_role;

create function private.lease_events(
  p_stage public.webhook_event_stage, p_limit integer, p_lease_seconds integer, p_event_ids text, p_lease_id uuid)
returns setof public.webhook_events
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_ids uuid[];
begin
  if p_limit is null or p_limit not between 1 and 1000 or p_lease_seconds is null or p_lease_seconds not between 1 and 3600 then
    raise exception 'The limit is 1 to 1000 events, the lease 1 to 3600 seconds' using errcode = 'PT400', detail = 'WH001';
  end if;
  if p_event_ids is null then
    v_ids := private.due_events(p_stage, p_limit);
  else
    select array_agg(named.id) into v_ids from (
      select e.id from public.webhook_events e
      where e.id = any (private.as_uuids(p_event_ids)) and e.stage = p_stage and e.status in ('pending', 'processing')
        and coalesce(e.leased_until, e.run_after) <= now()
      order by e.id limit p_limit
      for update skip locked) named;
  end if;
  -- An event that takes its worker down each time must not come round for ever.
  update public.webhook_events e
  set status = 'failed', lease_id = null, leased_until = null,
    error_message = format('The worker did not finish in %s attempts', e.attempts)
  where e.id = any (v_ids) and e.attempts >= private.max_attempts();
  if found then
    perform private.log_failure(e) from public.webhook_events e where e.id = any (v_ids) and e.status = 'failed';
  end if;
  -- What three workers left unfinished goes alone from then on, so that it takes no other event down with it.
  v_ids := coalesce((
    select array[e.id] from public.webhook_events e
    where e.id = any (v_ids) and e.status = 'processing' and e.attempts >= 3
    order by e.leased_until, e.id limit 1), v_ids);
  return query
    update public.webhook_events e
    set status = 'processing', lease_id = p_lease_id, leased_until = clock_timestamp() + make_interval(secs => p_lease_seconds),
      attempts = e.attempts + 1
    where e.id = any (v_ids) and e.status in ('pending', 'processing')
    returning e.*;
end
$$;
comment on function private.lease_events(public.webhook_event_stage, integer, integer, text, uuid) is
  'Leases due events of a stage to one worker: all that are due, or of those named in p_event_ids (a JSON array).';
revoke execute on function private.lease_events(public.webhook_event_stage, integer, integer, text, uuid) from public, anon, authenticated;
grant execute on function private.lease_events(public.webhook_event_stage, integer, integer, text, uuid) to service_role;

create function private.hold_events(p_lease_id uuid, p_event_ids uuid[]) returns uuid[]
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  -- Endpoints before events, as a deletion of an endpoint locks them; people made from an event refer to its endpoint.
  perform from public.webhook_endpoints p
  where p.id in (select e.endpoint_id from public.webhook_events e where e.id = any (p_event_ids))
  order by p.id
  for key share;
  -- Ordered, so that two workers finishing at once lock in the same order.
  return coalesce((
    select array_agg(held.id) from (
      select e.id from public.webhook_events e
      where e.id = any (p_event_ids) and e.lease_id = p_lease_id
      order by e.id
      for update) held), '{}');
end
$$;
comment on function private.hold_events(uuid, uuid[]) is
  'Locks the events that this lease still holds and returns their ids. A finish works on these and on no others.';
revoke execute on function private.hold_events(uuid, uuid[]) from public, anon, authenticated;
grant execute on function private.hold_events(uuid, uuid[]) to service_role;

create function private.fail_event(p_event_id uuid, p_error text, p_final boolean) returns void
language sql volatile security invoker set search_path = ''
as $$
  update public.webhook_events e
  set status = case when p_final or e.attempts >= private.max_attempts() then 'failed' else 'pending' end::public.webhook_event_status,
    run_after = now() + private.backoff(e.attempts), lease_id = null, leased_until = null,
    error_message = left(coalesce(p_error, 'Unknown error'), 2000)
  where e.id = p_event_id
$$;
comment on function private.fail_event(uuid, text, boolean) is
  'Puts an event back for a later attempt, or fails it: when the error is final or attempts are used up. It keeps its stage.';
revoke execute on function private.fail_event(uuid, text, boolean) from public, anon, authenticated;
grant execute on function private.fail_event(uuid, text, boolean) to service_role;

create function private.log_failure(p_event public.webhook_events) returns void
language sql volatile security invoker set search_path = ''
as $$
  insert into public.webhook_event_logs (webhook_event_id, user_id, action_type, success, error_message)
  values (p_event.id, p_event.user_id, p_event.stage, false, p_event.error_message)
  on conflict (webhook_event_id, rule_id, action_id, action_type) do update set
    success = false, error_message = excluded.error_message, processed_at = excluded.processed_at
$$;
comment on function private.log_failure(public.webhook_events) is 'Logs that an event failed in its stage, as a step named after the stage.';
revoke execute on function private.log_failure(public.webhook_events) from public, anon, authenticated;
grant execute on function private.log_failure(public.webhook_events) to service_role;

create function private.settle_failure(p_event public.webhook_events) returns void
language sql volatile security invoker set search_path = ''
as $$
  update public.webhook_event_logs l
  set success = true, error_message = null, processed_at = clock_timestamp()
  where l.webhook_event_id = p_event.id and l.action_id is null and l.action_type in (p_event.stage::text, 'condition') and not l.success
$$;
comment on function private.settle_failure(public.webhook_events) is 'Turns the log''s failure of a stage, or of a rule''s condition, into a success, once a later attempt went well.';
revoke execute on function private.settle_failure(public.webhook_events) from public, anon, authenticated;
grant execute on function private.settle_failure(public.webhook_events) to service_role;

create function private.fail_step(p_event_id uuid, p_error text, p_final boolean) returns void
language sql volatile security invoker set search_path = ''
as $$
  select private.fail_event(p_event_id, p_error, p_final);
  select private.log_failure(e) from public.webhook_events e where e.id = p_event_id;
$$;
comment on function private.fail_step(uuid, text, boolean) is 'private.fail_event, and the log says so. For what failed as a whole: a failed action has its own entry.';
revoke execute on function private.fail_step(uuid, text, boolean) from public, anon, authenticated;
grant execute on function private.fail_step(uuid, text, boolean) to service_role;

create function private.finished(p_asked uuid[], p_held uuid[]) returns jsonb
language sql immutable security invoker set search_path = ''
as $$
  select jsonb_build_object('finished', to_jsonb(p_held),
    'lost', coalesce((select jsonb_agg(id) from unnest(p_asked) id where id <> all (p_held)), '[]'))
$$;
comment on function private.finished(uuid[], uuid[]) is 'The answer of every finish: {finished[ids], lost[ids whose lease went to another worker]}.';
revoke execute on function private.finished(uuid[], uuid[]) from public, anon, authenticated;
grant execute on function private.finished(uuid[], uuid[]) to service_role;

-- sql/41_ingest.sql
-- Storing events: one call for a whole group of requests, with one answer per request.

create type private.incoming_event as (
  id uuid,
  endpoint_id uuid,
  external_id text,
  event_type text,
  headers jsonb,
  scheme text,
  dedupe_key text,
  payload json,
  body text,
  content_type text
);
comment on type private.incoming_event is 'A delivery as ingest hands it over; see public.ingest_events.';

create function private.seen_before(p_rows private.incoming_event[]) returns uuid[]
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_seen uuid[];
begin
  perform from unnest(p_rows) i
  join public.webhook_events e on e.dedupe_key = i.dedupe_key and e.endpoint_id is not distinct from i.endpoint_id;
  if not found then
    return '{}';
  end if;
  -- A body seen longer ago than the endpoint's window is a new delivery: the old row gives its key up.
  -- Locked in order, so that two groups with the same bodies do not deadlock.
  with expired as (
    select e.id
    from unnest(p_rows) i
    join public.webhook_endpoints p on p.id = i.endpoint_id
    join public.webhook_events e on e.dedupe_key = i.dedupe_key and e.endpoint_id is not distinct from i.endpoint_id
    where i.dedupe_key like 'body:%' and e.created_at < now() - make_interval(secs => p.dedupe_window_seconds)
    order by e.id
    for update of e
  )
  update public.webhook_events e
  set dedupe_key = e.dedupe_key || ':' || e.id
  from expired x
  where e.id = x.id;
  select coalesce(array_agg(i.id), '{}') into v_seen
  from unnest(p_rows) i
  join public.webhook_events e on e.dedupe_key = i.dedupe_key and e.endpoint_id is not distinct from i.endpoint_id;
  return v_seen;
end
$$;
comment on function private.seen_before(private.incoming_event[]) is 'Ids of those rows whose delivery is already stored.';
revoke execute on function private.seen_before(private.incoming_event[]) from public, anon, authenticated;
grant execute on function private.seen_before(private.incoming_event[]) to service_role;

create function private.store_events(p_events json) returns jsonb
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  -- Parsed once: every further look at the rows is a cheap walk over this array.
  v_rows private.incoming_event[] := array(select i from json_populate_recordset(null::private.incoming_event, p_events) i);
  v_seen uuid[];
  v_is_limited boolean;
  v_granted jsonb;
  v_inserted uuid[];
begin
  -- Groups of a limited endpoint go one after the other from here on: each knows what the one before it has stored,
  -- so a copy of it costs nothing.
  perform pg_catalog.pg_advisory_xact_lock(hashtextextended(l.id::text, 1))
  from (
    select p.id from public.webhook_endpoints p
    where p.id in (select i.endpoint_id from unnest(v_rows) i) and p.rate_limit_per_minute is not null
    order by p.id) l;
  v_is_limited := found;
  v_seen := private.seen_before(v_rows);
  if v_is_limited then
    select jsonb_object_agg(w.endpoint_id, jsonb_build_object('granted', t.granted, 'retry_after', t.retry_after)) into v_granted
    from (
      select i.endpoint_id, p.rate_limit_per_minute, count(distinct i.dedupe_key)::integer as wanted
      from unnest(v_rows) i
      join public.webhook_endpoints p on p.id = i.endpoint_id and p.is_active and p.rate_limit_per_minute is not null
      where i.id <> all (v_seen)
      group by i.endpoint_id, p.rate_limit_per_minute
      order by i.endpoint_id) w
    cross join lateral private.take_rate_limit(w.endpoint_id, w.rate_limit_per_minute, w.wanted) t;
  end if;

  with incoming as (
    select i.*, p.created_by, p.rate_limit_per_minute,
      row_number() over (partition by i.endpoint_id order by i.id) as turn
    from (
      select distinct on (i.endpoint_id, i.dedupe_key) i.*
      from unnest(v_rows) i
      where i.id <> all (v_seen)
      order by i.endpoint_id, i.dedupe_key, i.id) i
    join public.webhook_endpoints p on p.id = i.endpoint_id and p.is_active
  ), stored as (
    insert into public.webhook_events (id, endpoint_id, user_id, external_id, event_type, payload, headers, scheme, dedupe_key)
    select i.id, i.endpoint_id, i.created_by, i.external_id, i.event_type,
      coalesce(i.payload::jsonb, convert_from(decode(i.body, 'base64'), 'UTF8')::jsonb),
      coalesce(i.headers, '{}'), i.scheme, i.dedupe_key
    from incoming i
    where i.rate_limit_per_minute is null or i.turn <= (v_granted -> i.endpoint_id::text ->> 'granted')::integer
    -- The same order in every transaction: two groups with the same keys wait for each other instead of deadlocking.
    order by i.endpoint_id, i.dedupe_key
    on conflict (endpoint_id, dedupe_key) do nothing
    returning id
  ), bodies as (
    insert into private.webhook_bodies (webhook_event_id, body, content_type)
    select s.id, decode(i.body, 'base64'), i.content_type from stored s join incoming i using (id)
  )
  select coalesce(array_agg(id), '{}') into v_inserted from stored;

  if cardinality(v_inserted) > 0 then
    perform private.wake('classify');
  end if;
  return private.store_results(v_rows, v_inserted, v_granted);
end
$$;
comment on function private.store_events(json) is 'Stores a group of events, all or (on an error) none. See public.ingest_events.';
revoke execute on function private.store_events(json) from public, anon, authenticated;
grant execute on function private.store_events(json) to service_role;

create function private.store_results(p_rows private.incoming_event[], p_inserted uuid[], p_granted jsonb) returns jsonb
language sql stable security invoker set search_path = ''
as $$
  -- Runs after the insert, and so sees what other transactions committed while the insert waited for them.
  select coalesce(jsonb_agg(case
      when i.is_new then jsonb_build_object('id', i.id, 'state', 'accepted')
      when e.id is not null then jsonb_build_object('id', e.id, 'state', 'duplicate')
      when p.id is null then jsonb_build_object('id', i.id, 'state', 'unknown_endpoint')
      when not p.is_active then jsonb_build_object('id', i.id, 'state', 'endpoint_inactive')
      else jsonb_build_object('id', i.id, 'state', 'rate_limited',
        'retry_after', coalesce((p_granted -> i.endpoint_id::text ->> 'retry_after')::integer, 1))
    end order by i.position), '[]')
  from (select r.id, r.endpoint_id, r.dedupe_key, r.position, r.id = any (p_inserted) as is_new
        from unnest(p_rows) with ordinality as r (id, endpoint_id, external_id, event_type, headers, scheme, dedupe_key, payload, body, content_type, position)) i
  left join public.webhook_endpoints p on p.id = i.endpoint_id and not i.is_new
  left join public.webhook_events e on not i.is_new and e.dedupe_key = i.dedupe_key and e.endpoint_id is not distinct from i.endpoint_id
$$;
comment on function private.store_results(private.incoming_event[], uuid[], jsonb) is 'What became of each row, in order.';
revoke execute on function private.store_results(private.incoming_event[], uuid[], jsonb) from public, anon, authenticated;
grant execute on function private.store_results(private.incoming_event[], uuid[], jsonb) to service_role;

create function public.ingest_events(p_events text) returns jsonb
language plpgsql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_event json;
  v_results jsonb := '[]';
begin
  return private.store_events(p_events::json);
exception
  -- Some row of the group is bad (class 22 data, 23 integrity, 54 limits): each is tried alone, so only that one is refused.
  when data_exception or integrity_constraint_violation or program_limit_exceeded then
    for v_event in select value from json_array_elements(p_events::json) loop
      begin
        v_results := v_results || private.store_events(json_build_array(v_event));
      exception
        when data_exception or integrity_constraint_violation or program_limit_exceeded then
          v_results := v_results || jsonb_build_array(jsonb_build_object('id', v_event ->> 'id', 'state', 'rejected', 'sqlstate', sqlstate));
      end;
    end loop;
    return v_results;
end
$$;
comment on function public.ingest_events(text) is
  'Stores verified deliveries. p_events: JSON array of {id, endpoint_id, external_id, event_type, headers, scheme, dedupe_key, body (base64), content_type, payload (only where it is not simply the body)}. Answers in the same order {id, state: accepted | duplicate | rate_limited | endpoint_inactive | unknown_endpoint | rejected, retry_after?, sqlstate?}.';
revoke execute on function public.ingest_events(text) from public, anon, authenticated;
grant execute on function public.ingest_events(text) to service_role;

-- sql/42_classify.sql
-- The classify stage: which entity type an event is, and whether a person stands behind it.

create function public.claim_classify(p_limit integer, p_lease_seconds integer, p_event_ids text default null) returns jsonb
language plpgsql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_lease_id uuid := gen_random_uuid();
  v_events jsonb;
  v_user_ids uuid[];
begin
  select jsonb_agg(jsonb_build_object('id', e.id, 'user_id', e.user_id, 'event_type', e.event_type, 'external_id', e.external_id,
      'payload', e.payload, 'attempts', e.attempts,
      'endpoint', jsonb_build_object('id', p.id, 'slug', p.slug, 'name', p.name, 'scheme', p.scheme,
        'allowed_object_types', p.allowed_object_types, 'default_entity_table', p.default_entity_table)) order by e.id),
    array_agg(distinct e.user_id)
  into v_events, v_user_ids
  from private.lease_events('classify', p_limit, p_lease_seconds, p_event_ids, v_lease_id) e
  join public.webhook_endpoints p on p.id = e.endpoint_id;
  return jsonb_build_object('lease_id', v_lease_id, 'events', coalesce(v_events, '[]'),
    'entity_types', case when v_events is null then '[]' else private.entity_types_of(v_user_ids) end);
end
$$;
comment on function public.claim_classify(integer, integer, text) is
  'Leases up to p_limit events that wait for classification: {lease_id, events[], entity_types[]}. p_event_ids: a JSON array, to claim only those.';
revoke execute on function public.claim_classify(integer, integer, text) from public, anon, authenticated;
grant execute on function public.claim_classify(integer, integer, text) to service_role;

create function public.finish_classify(p_lease_id uuid, p_results text) returns jsonb
language plpgsql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_asked uuid[];
  v_held uuid[];
  v_to_prepare integer;
begin
  select coalesce(array_agg(r.id), '{}') into v_asked from json_to_recordset(p_results::json) as r (id uuid);
  v_held := private.hold_events(p_lease_id, v_asked);

  perform private.fail_step(r.id, r.error, coalesce(r.final, false))
  from json_to_recordset(p_results::json) as r (id uuid, error text, final boolean)
  where r.error is not null and r.id = any (v_held);

  with results as (
    select r.*, t.name as known_type
    from json_to_recordset(p_results::json) as r (id uuid, entity_table text, is_person boolean, confidence numeric, classified_by text, error text)
    join public.webhook_events e on e.id = r.id
    left join lateral private.entity_type(e.user_id, r.entity_table) t on true
    where r.error is null and r.id = any (v_held)
  ), classified as (
    update public.webhook_events e
    set entity_table = r.known_type, is_person = coalesce(r.is_person, false), ai_confidence = r.confidence,
      classified_by = r.classified_by,
      stage = case when p.processing_mode = 'automatic' and r.known_type is not null and r.confidence >= p.confidence_threshold
        then 'prepare' else 'review' end::public.webhook_event_stage,
      status = 'pending', lease_id = null, leased_until = null, attempts = 0, run_after = now(), error_message = null
    from results r, public.webhook_endpoints p
    where e.id = r.id and p.id = e.endpoint_id
    returning e.*
  ), logged as (
    insert into public.webhook_event_logs (webhook_event_id, user_id, action_type, success, result)
    select c.id, c.user_id, 'classify', true, jsonb_build_object('entity_table', c.entity_table, 'is_person', c.is_person,
      'confidence', c.ai_confidence, 'classified_by', c.classified_by, 'next_stage', c.stage)
    from classified c
    on conflict (webhook_event_id, rule_id, action_id, action_type) do update set
      result = excluded.result, success = true, error_message = null, processed_at = excluded.processed_at
  )
  select count(*) filter (where c.stage = 'prepare') into v_to_prepare from classified c;

  if v_to_prepare > 0 then
    perform private.wake('prepare_for_rules');
  end if;
  return private.finished(v_asked, v_held);
end
$$;
comment on function public.finish_classify(uuid, text) is
  'Takes [{id, entity_table, is_person, confidence, classified_by} or {id, error, final?}]. In automatic mode an event at or above its endpoint''s threshold goes on to prepare, every other one to review.';
revoke execute on function public.finish_classify(uuid, text) from public, anon, authenticated;
grant execute on function public.finish_classify(uuid, text) to service_role;

-- sql/43_prepare.sql
-- The prepare stage: finds or makes the person and the record that an event is about, and links them.

create function public.claim_prepare(p_limit integer, p_lease_seconds integer, p_event_ids text default null) returns jsonb
language plpgsql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_lease_id uuid := gen_random_uuid();
  v_events jsonb;
  v_user_ids uuid[];
begin
  select jsonb_agg(jsonb_build_object('id', e.id, 'user_id', e.user_id, 'event_type', e.event_type, 'external_id', e.external_id,
      'payload', e.payload, 'entity_table', e.entity_table, 'is_person', e.is_person,
      'endpoint', jsonb_build_object('id', p.id, 'slug', p.slug, 'name', p.name, 'scheme', p.scheme,
        'field_maps', p.field_maps)) order by e.id),
    array_agg(distinct e.user_id)
  into v_events, v_user_ids
  from private.lease_events('prepare', p_limit, p_lease_seconds, p_event_ids, v_lease_id) e
  join public.webhook_endpoints p on p.id = e.endpoint_id;
  return jsonb_build_object('lease_id', v_lease_id, 'events', coalesce(v_events, '[]'),
    'entity_types', case when v_events is null then '[]' else private.entity_types_of(v_user_ids) end);
end
$$;
comment on function public.claim_prepare(integer, integer, text) is
  'Leases up to p_limit classified events: {lease_id, events[], entity_types[]}. p_event_ids: a JSON array, to claim only those.';
revoke execute on function public.claim_prepare(integer, integer, text) from public, anon, authenticated;
grant execute on function public.claim_prepare(integer, integer, text) to service_role;

create function private.find_person(p_event public.webhook_events, p_person jsonb) returns uuid
language sql stable security invoker set search_path = ''
as $$
  select coalesce(
    p_event.person_id,
    (select p.id from public.people p where p.user_id = p_event.user_id and lower(p.email) = lower(p_person ->> 'email')),
    (select p.id from public.people p where p.user_id = p_event.user_id and p.phone = p_person ->> 'phone' order by p.id limit 1),
    (select p.id from public.people p
     where p.endpoint_id = p_event.endpoint_id and p.user_id = p_event.user_id and p.external_id = p_person ->> 'external_id'
     order by p.id limit 1))
$$;
comment on function private.find_person(public.webhook_events, jsonb) is
  'The person an event speaks of: by email, then phone, then the source''s own id; null where nobody matches.';
revoke execute on function private.find_person(public.webhook_events, jsonb) from public, anon, authenticated;
grant execute on function private.find_person(public.webhook_events, jsonb) to service_role;

create function private.upsert_person(p_event public.webhook_events, p_person jsonb, p_kind text) returns uuid
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_new public.people := jsonb_populate_record(null::public.people, p_person);
  v_id uuid := private.find_person(p_event, p_person);
  -- An event about the person tells news of them; one about an order only fills in what was not known.
  v_is_about boolean := (private.entity_type(p_event.user_id, p_event.entity_table)).target_table = 'people';
begin
  if v_id is not null then
    update public.people p set
      email = case when exists (select from public.people o
          where o.user_id = p.user_id and lower(o.email) = lower(v_new.email) and o.id <> p.id)
        then p.email else coalesce(p.email, v_new.email) end,
      phone = coalesce(p.phone, v_new.phone),
      -- The id and the source that it is from go together.
      endpoint_id = case when p.external_id is null and v_new.external_id is not null then p_event.endpoint_id else p.endpoint_id end,
      external_id = coalesce(p.external_id, v_new.external_id),
      name = case when v_is_about then coalesce(v_new.name, p.name) else coalesce(p.name, v_new.name) end,
      first_name = case when v_is_about then coalesce(v_new.first_name, p.first_name) else coalesce(p.first_name, v_new.first_name) end,
      last_name = case when v_is_about then coalesce(v_new.last_name, p.last_name) else coalesce(p.last_name, v_new.last_name) end,
      company = case when v_is_about then coalesce(v_new.company, p.company) else coalesce(p.company, v_new.company) end,
      title = case when v_is_about then coalesce(v_new.title, p.title) else coalesce(p.title, v_new.title) end
    where p.id = v_id;
    perform private.log_step(p_event, 'update_person', p_person, jsonb_build_object('person_id', v_id));
    return v_id;
  end if;
  if coalesce(v_new.email, v_new.phone, v_new.external_id, v_new.name) is null then
    return null;
  end if;
  insert into public.people (user_id, endpoint_id, kind, email, phone, name, first_name, last_name, company, title, external_id)
  values (p_event.user_id, p_event.endpoint_id, p_kind, v_new.email, v_new.phone, v_new.name, v_new.first_name, v_new.last_name,
    v_new.company, v_new.title, v_new.external_id)
  returning id into v_id;
  perform private.log_step(p_event, 'create_person', p_person, jsonb_build_object('person_id', v_id));
  return v_id;
end
$$;
comment on function private.upsert_person(public.webhook_events, jsonb, text) is
  'Finds or makes the person of an event; null where the event names nobody.';
revoke execute on function private.upsert_person(public.webhook_events, jsonb, text) from public, anon, authenticated;
grant execute on function private.upsert_person(public.webhook_events, jsonb, text) to service_role;

create function private.find_record(p_event public.webhook_events, p_type public.entity_types, p_fields jsonb) returns uuid
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_id uuid;
begin
  -- The record of an earlier try of this event, unless it was deleted or the event was classified anew as something else.
  if exists (select from public.entities e where e.id = p_event.entity_id and e.entity_table = p_type.name) then
    execute format('select t.id from public.%I t where t.id = $1 and t.user_id = $2', p_type.target_table)
    into v_id using p_event.entity_id, p_event.user_id;
  end if;
  if v_id is not null or cardinality(p_type.match_columns) = 0
    or exists (select from unnest(p_type.match_columns) c where p_fields ->> c is null) then
    return v_id;
  end if;
  execute format('select t.id from public.%I t, jsonb_populate_record(null::public.%I, $2) r where t.user_id = $1 and %s order by t.id limit 1',
    p_type.target_table, p_type.target_table,
    (select string_agg(format('t.%I = r.%I', c, c), ' and ') from unnest(p_type.match_columns) c))
  into v_id using p_event.user_id, p_fields;
  return v_id;
end
$$;
comment on function private.find_record(public.webhook_events, public.entity_types, jsonb) is
  'The record that an event is about, by the entity type''s match columns; null where there is none yet.';
revoke execute on function private.find_record(public.webhook_events, public.entity_types, jsonb) from public, anon, authenticated;
grant execute on function private.find_record(public.webhook_events, public.entity_types, jsonb) to service_role;

create function private.write_record(p_user_id uuid, p_type public.entity_types, p_id uuid, p_fields jsonb, p_is_new boolean) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_columns text[];
begin
  select array_agg(c order by c) into v_columns
  from unnest(private.writable_columns(p_type.target_table)) c
  where p_fields ->> c is not null;
  if p_is_new then
    insert into public.entities (id, user_id, entity_table) values (p_id, p_user_id, p_type.name);
    execute format('insert into public.%I (id, user_id%s) select $1, $2%s from jsonb_populate_record(null::public.%I, $3) r',
      p_type.target_table,
      (select string_agg(format(', %I', c), '') from unnest(v_columns) c),
      (select string_agg(format(', r.%I', c), '') from unnest(v_columns) c),
      p_type.target_table)
    using p_id, p_user_id, p_fields;
  elsif v_columns is not null then
    execute format('update public.%I t set %s from jsonb_populate_record(null::public.%I, $3) r where t.id = $1 and t.user_id = $2',
      p_type.target_table,
      (select string_agg(format('%I = r.%I', c, c), ', ') from unnest(v_columns) c),
      p_type.target_table)
    using p_id, p_user_id, p_fields;
  end if;
end
$$;
comment on function private.write_record(uuid, public.entity_types, uuid, jsonb, boolean) is
  'Inserts or updates one record in an entity type''s table. Only columns that private.writable_columns names are touched.';
revoke execute on function private.write_record(uuid, public.entity_types, uuid, jsonb, boolean) from public, anon, authenticated;
grant execute on function private.write_record(uuid, public.entity_types, uuid, jsonb, boolean) to service_role;

create function private.upsert_record(p_event public.webhook_events, p_type public.entity_types, p_fields jsonb) returns uuid
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_found uuid := private.find_record(p_event, p_type, p_fields);
  v_id uuid := coalesce(v_found, gen_random_uuid());
begin
  perform private.write_record(p_event.user_id, p_type, v_id, p_fields, v_found is null);
  perform private.log_step(p_event, case when v_found is null then 'create_entity' else 'update_entity' end, p_fields,
    jsonb_build_object('entity_id', v_id, 'entity_table', p_type.name));
  return v_id;
end
$$;
comment on function private.upsert_record(public.webhook_events, public.entity_types, jsonb) is 'Finds and updates, or makes, the record of an event.';
revoke execute on function private.upsert_record(public.webhook_events, public.entity_types, jsonb) from public, anon, authenticated;
grant execute on function private.upsert_record(public.webhook_events, public.entity_types, jsonb) to service_role;

create function private.link_person(p_event public.webhook_events, p_person_id uuid, p_entity_id uuid) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
begin
  if p_person_id is null or p_person_id = p_entity_id then
    return;
  end if;
  insert into public.people_entities (user_id, person_id, entity_id) values (p_event.user_id, p_person_id, p_entity_id)
  on conflict do nothing;
  perform private.log_step(p_event, 'link_person', null, jsonb_build_object('person_id', p_person_id, 'entity_id', p_entity_id));
end
$$;
comment on function private.link_person(public.webhook_events, uuid, uuid) is 'Links a person to a record, once.';
revoke execute on function private.link_person(public.webhook_events, uuid, uuid) from public, anon, authenticated;
grant execute on function private.link_person(public.webhook_events, uuid, uuid) to service_role;

create function private.prepare_event(p_event public.webhook_events, p_person jsonb, p_fields jsonb) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_type public.entity_types := private.entity_type(p_event.user_id, p_event.entity_table);
  v_person_id uuid;
  v_entity_id uuid;
begin
  if v_type.id is null then
    raise exception 'There is no entity type %', p_event.entity_table using errcode = 'WH007';
  end if;
  if v_type.target_table = 'people' then
    v_person_id := private.upsert_person(p_event, coalesce(p_person, p_fields), case when p_event.is_person then 'person' else 'automated' end);
    if v_person_id is null then
      raise exception 'Nothing in the payload says who this is (no email, phone, id or name)' using errcode = 'WH001';
    end if;
    v_entity_id := v_person_id;
  else
    if p_event.is_person and p_person is not null then
      v_person_id := private.upsert_person(p_event, p_person, 'person');
    end if;
    v_entity_id := private.upsert_record(p_event, v_type, p_fields);
  end if;
  perform private.link_person(p_event, v_person_id, v_entity_id);
  perform private.settle_failure(p_event);
  update public.webhook_events e
  set stage = 'rules', status = 'pending', person_id = v_person_id, entity_id = v_entity_id, lease_id = null, leased_until = null,
    attempts = 0, run_after = now(), error_message = null
  where e.id = p_event.id;
end
$$;
comment on function private.prepare_event(public.webhook_events, jsonb, jsonb) is 'Prepares one held event and moves it to the rules stage.';
revoke execute on function private.prepare_event(public.webhook_events, jsonb, jsonb) from public, anon, authenticated;
grant execute on function private.prepare_event(public.webhook_events, jsonb, jsonb) to service_role;

create function public.finish_prepare(p_lease_id uuid, p_results text) returns jsonb
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_asked uuid[];
  v_held uuid[];
  v_event public.webhook_events;
  v_result record;
  v_prepared integer := 0;
begin
  select coalesce(array_agg(r.id), '{}') into v_asked from json_to_recordset(p_results::json) as r (id uuid);
  v_held := private.hold_events(p_lease_id, v_asked);
  -- One owner's people are looked up and made by one transaction at a time, so that two workers never make the same person. In order: no deadlock.
  perform pg_catalog.pg_advisory_xact_lock(hashtextextended(o.user_id::text, 0))
  from (select distinct e.user_id from public.webhook_events e where e.id = any (v_held) order by e.user_id) o;

  for v_result in
    select r.* from json_to_recordset(p_results::json) as r (id uuid, person jsonb, fields jsonb, error text, final boolean)
    where r.id = any (v_held) order by r.id
  loop
    if v_result.error is not null then
      perform private.fail_step(v_result.id, v_result.error, coalesce(v_result.final, false));
      continue;
    end if;
    begin
      select e.* into v_event from public.webhook_events e where e.id = v_result.id;
      perform private.prepare_event(v_event, v_result.person, coalesce(v_result.fields, '{}'));
      v_prepared := v_prepared + 1;
    exception
      -- The payload does not fit the table, the table is gone or its trigger objects, or one of our own refusals.
      when others then
        if private.may_pass(sqlstate) then
          raise;
        end if;
        perform private.fail_step(v_result.id, sqlerrm, true);
    end;
  end loop;

  if v_prepared > 0 then
    perform private.wake('process_rules');
  end if;
  return private.finished(v_asked, v_held);
end
$$;
comment on function public.finish_prepare(uuid, text) is
  'Takes [{id, person|null, fields} or {id, error, final?}]: finds or makes person and record, links them, moves the event to the rules stage. A bad event fails alone.';
revoke execute on function public.finish_prepare(uuid, text) from public, anon, authenticated;
grant execute on function public.finish_prepare(uuid, text) to service_role;

-- sql/44_rules.sql
-- Automation rules, and the tables that only their actions write to.

create table public.entity_automation_rules (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  entity_table text not null,
  name text not null constraint names_are_short check (length(name) between 1 and 200),
  description text,
  condition text not null default '' constraint conditions_are_bounded check (length(condition) <= 2000),
  priority integer not null default 100,
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint entity_automation_rules_user_id_id_key unique (user_id, id)
);
comment on table public.entity_automation_rules is 'What to do with every event of an entity type. Rules with a lower priority number run first, of two with the same the older.';
comment on column public.entity_automation_rules.condition is 'CEL over event, person, entity and endpoint; empty means always.';
create index entity_automation_rules_active_idx on public.entity_automation_rules (user_id, entity_table) where is_active;

create trigger touch_updated_at before update on public.entity_automation_rules
  for each row execute function private.touch_updated_at();
alter table public.entity_automation_rules enable row level security;
create policy "owners and admins manage rules" on public.entity_automation_rules for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));

create table public.entity_rule_actions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid(),
  rule_id uuid not null,
  position integer not null,
  action_type text not null constraint action_types_are_names check (action_type ~ '^[a-z_]{1,50}$'),
  action_config jsonb not null default '{}' constraint action_configs_are_a_small_shallow_object
    check (jsonb_typeof(action_config) = 'object' and not jsonb_path_exists(action_config, '$.**{8}') and pg_column_size(action_config) <= 65536),
  constraint entity_rule_actions_rule_id_position_key unique (rule_id, position) deferrable initially deferred,
  constraint entity_rule_actions_rule_fkey foreign key (user_id, rule_id)
    references public.entity_automation_rules (user_id, id) on delete cascade
);
comment on table public.entity_rule_actions is 'The actions of a rule, in order of position.';
create index entity_rule_actions_rule_idx on public.entity_rule_actions (user_id, rule_id);
alter table public.entity_rule_actions enable row level security;
create policy "owners and admins manage rule actions" on public.entity_rule_actions for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));

revoke all on table public.entity_automation_rules, public.entity_rule_actions from public, anon, authenticated, service_role;
grant select, insert, update, delete on table public.entity_automation_rules, public.entity_rule_actions to authenticated, service_role;

create function public.save_rule(p_rule_id uuid, p_rule text) returns jsonb
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_new jsonb := p_rule::jsonb;
  v_rule public.entity_automation_rules;
begin
  if p_rule_id is null then
    insert into public.entity_automation_rules (entity_table, name, description, condition, priority, is_active)
    select r.entity_table, r.name, r.description, coalesce(r.condition, ''), coalesce(r.priority, 100), coalesce(r.is_active, true)
    from jsonb_populate_record(null::public.entity_automation_rules, v_new) r
    returning * into v_rule;
  else
    update public.entity_automation_rules t
    set entity_table = r.entity_table, name = r.name, description = r.description, condition = coalesce(r.condition, ''),
      priority = coalesce(r.priority, 100), is_active = coalesce(r.is_active, true)
    from jsonb_populate_record(null::public.entity_automation_rules, v_new) r
    where t.id = p_rule_id
    returning t.* into v_rule;
    if v_rule.id is null then
      raise exception 'No such rule' using errcode = 'PT404', detail = 'WH007';
    end if;
  end if;
  -- An action keeps its id, by which it is known what has already been done for an event.
  delete from public.entity_rule_actions a
  where a.rule_id = v_rule.id
    and a.id not in (select i.id from jsonb_to_recordset(v_new -> 'actions') as i (id uuid) where i.id is not null);
  update public.entity_rule_actions a
  set position = i.position, action_type = i.value ->> 'action_type', action_config = coalesce(i.value -> 'action_config', '{}')
  from jsonb_array_elements(v_new -> 'actions') with ordinality as i (value, position)
  where a.rule_id = v_rule.id and a.id = (i.value ->> 'id')::uuid;
  insert into public.entity_rule_actions (user_id, rule_id, position, action_type, action_config)
  select v_rule.user_id, v_rule.id, i.position, i.value ->> 'action_type', coalesce(i.value -> 'action_config', '{}')
  from jsonb_array_elements(v_new -> 'actions') with ordinality as i (value, position)
  where not exists (select from public.entity_rule_actions a where a.rule_id = v_rule.id and a.id = (i.value ->> 'id')::uuid);
  return to_jsonb(v_rule) || jsonb_build_object('actions', coalesce((
    select jsonb_agg(jsonb_build_object('id', a.id, 'action_type', a.action_type, 'action_config', a.action_config) order by a.position)
    from public.entity_rule_actions a where a.rule_id = v_rule.id), '[]'));
end
$$;
comment on function public.save_rule(uuid, text) is
  'Makes (p_rule_id null) or replaces a rule of the caller with its actions, at once. p_rule: JSON {entity_table, name, description, condition, priority, is_active, actions[{id?, action_type, action_config}]}.';
revoke execute on function public.save_rule(uuid, text) from public, anon;
grant execute on function public.save_rule(uuid, text) to authenticated;

create table public.notifications (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  webhook_event_id uuid references public.webhook_events (id) on delete set null,
  title text not null,
  body text,
  read_at timestamptz,
  created_at timestamptz not null default now()
);
comment on table public.notifications is 'Messages to users of the console.';
create index notifications_user_id_idx on public.notifications (user_id, created_at desc);
create index notifications_webhook_event_id_idx on public.notifications (webhook_event_id);
alter table public.notifications enable row level security;
create policy "owners and admins manage notifications" on public.notifications for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));

create table public.chat_messages (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  webhook_event_id uuid,
  entity_id uuid,
  person_id uuid,
  conversation_id text,
  external_id text,
  direction text not null default 'inbound' constraint directions_are_known check (direction in ('inbound', 'outbound')),
  sender text,
  content text not null,
  created_at timestamptz not null default now(),
  constraint chat_messages_webhook_event_fkey foreign key (user_id, webhook_event_id)
    references public.webhook_events (user_id, id) on delete set null (webhook_event_id),
  constraint chat_messages_entity_fkey foreign key (user_id, entity_id)
    references public.entities (user_id, id) on delete set null (entity_id),
  constraint chat_messages_person_fkey foreign key (user_id, person_id)
    references public.people (user_id, id) on delete set null (person_id)
);
comment on table public.chat_messages is 'Messages of conversations, as sources told of them.';
create index chat_messages_conversation_idx on public.chat_messages (user_id, conversation_id, created_at);
create index chat_messages_entity_idx on public.chat_messages (user_id, entity_id);
create index chat_messages_person_idx on public.chat_messages (user_id, person_id);
create index chat_messages_webhook_event_idx on public.chat_messages (user_id, webhook_event_id);
alter table public.chat_messages enable row level security;
create policy "owners and admins manage chat messages" on public.chat_messages for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));

revoke all on table public.notifications, public.chat_messages from public, anon, authenticated, service_role;
grant select, delete, update (read_at) on table public.notifications to authenticated;
grant select, insert, update, delete on table public.chat_messages to authenticated;
grant select, insert, update, delete on table public.notifications, public.chat_messages to service_role;

-- sql/45_process_rules.sql
-- The rules stage: actions that the rules of an owner decided on are applied, logged and finished in one transaction.

create function public.claim_rules(p_limit integer, p_lease_seconds integer, p_event_ids text default null) returns jsonb
language plpgsql volatile security invoker set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  v_lease_id uuid := gen_random_uuid();
  v_leased public.webhook_events[];
  v_events jsonb;
  v_user_ids uuid[];
begin
  select array_agg(e) into v_leased from private.lease_events('rules', p_limit, p_lease_seconds, p_event_ids, v_lease_id) e;
  if v_leased is null then
    return jsonb_build_object('lease_id', v_lease_id, 'events', '[]'::jsonb, 'rules', '[]'::jsonb, 'invoice_field_maps', '[]'::jsonb);
  end if;
  select jsonb_agg(jsonb_build_object('id', e.id, 'user_id', e.user_id, 'event_type', e.event_type, 'external_id', e.external_id,
      'payload', e.payload, 'entity_table', e.entity_table, 'is_person', e.is_person, 'confidence', e.ai_confidence,
      'created_at', e.created_at,
      'endpoint', jsonb_build_object('id', p.id, 'slug', p.slug, 'name', p.name, 'scheme', p.scheme),
      'person', (select private.readable(to_jsonb(h) - 'user_id') from public.people h where h.id = e.person_id and h.user_id = e.user_id),
      'entity', private.record(e.user_id, e.entity_table, e.entity_id),
      'done_actions', coalesce((select jsonb_agg(l.action_id) from public.webhook_event_logs l
        where l.webhook_event_id = e.id and l.action_id is not null and l.success), '[]')) order by e.id),
    array_agg(distinct e.user_id)
  into v_events, v_user_ids
  from unnest(v_leased) e
  join public.webhook_endpoints p on p.id = e.endpoint_id;
  return jsonb_build_object('lease_id', v_lease_id, 'events', v_events,
    'rules', coalesce((
      select jsonb_agg(jsonb_build_object('id', r.id, 'user_id', r.user_id, 'entity_table', r.entity_table, 'name', r.name,
        'condition', r.condition, 'priority', r.priority,
        'actions', coalesce((select jsonb_agg(jsonb_build_object('id', a.id, 'position', a.position, 'action_type', a.action_type,
          'action_config', a.action_config) order by a.position)
          from public.entity_rule_actions a where a.rule_id = r.id), '[]')) order by r.priority, r.created_at, r.id)
      from public.entity_automation_rules r
      where r.user_id = any (v_user_ids) and r.is_active
        and r.entity_table in (select e.entity_table from unnest(v_leased) e)), '[]'),
    'invoice_field_maps', (
      select coalesce(jsonb_agg(jsonb_build_object('user_id', t.user_id, 'field_map', t.field_map)), '[]')
      from public.entity_types t where t.name = 'invoice' and (t.user_id is null or t.user_id = any (v_user_ids))));
end
$$;
comment on function public.claim_rules(integer, integer, text) is
  'Leases up to p_limit prepared events with their person and record: {lease_id, events[], rules[], invoice_field_maps[]}. p_event_ids: a JSON array, to claim only those.';
revoke execute on function public.claim_rules(integer, integer, text) from public, anon, authenticated;
grant execute on function public.claim_rules(integer, integer, text) to service_role;

create function private.readable(p_record jsonb) returns jsonb
language sql immutable security invoker set search_path = ''
as $$
  -- JSON parsers of workers stop at some depth, and a batch holds many owners' rows: one of them must not spoil it for the others.
  select case
    when pg_column_size(p_record) > 1048576 then jsonb_build_object('id', p_record -> 'id')
    when jsonb_path_exists(p_record, '$.**{64}') then (
      select jsonb_object_agg(key, value) from jsonb_each(p_record) where jsonb_typeof(value) not in ('object', 'array'))
    else p_record
  end
$$;
comment on function private.readable(jsonb) is
  'A row as JSON that any worker can read: without its nested values if they are deeper than 64 levels, its id alone if it is over 1 MiB.';
revoke execute on function private.readable(jsonb) from public, anon, authenticated;
grant execute on function private.readable(jsonb) to service_role;

create function private.record(p_user_id uuid, p_entity_table text, p_id uuid) returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_table text := (private.entity_type(p_user_id, p_entity_table)).target_table;
  v_record jsonb;
begin
  if p_id is null or v_table is null then
    return null;
  end if;
  execute format('select to_jsonb(t) - ''user_id'' from public.%I t where t.id = $1 and t.user_id = $2', v_table)
  into v_record using p_id, p_user_id;
  return private.readable(v_record);
exception
  -- One owner's table that was dropped or closed must not keep everybody's events from being claimed.
  when syntax_error_or_access_rule_violation then
    return null;
end
$$;
comment on function private.record(uuid, text, uuid) is 'A record of an entity type as JSON; null where there is none.';
revoke execute on function private.record(uuid, text, uuid) from public, anon, authenticated;
grant execute on function private.record(uuid, text, uuid) to service_role;

create function private.action_target(p_event public.webhook_events, p_config jsonb) returns uuid
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_id uuid := case when p_config ->> 'target' = 'person' then p_event.person_id else p_event.entity_id end;
begin
  if v_id is null then
    raise exception 'The event has no % to act on', coalesce(p_config ->> 'target', 'entity') using errcode = 'WH001';
  end if;
  return v_id;
end
$$;
comment on function private.action_target(public.webhook_events, jsonb) is 'The person or the record that an action names as its target.';
revoke execute on function private.action_target(public.webhook_events, jsonb) from public, anon, authenticated;
grant execute on function private.action_target(public.webhook_events, jsonb) to service_role;

create function private.make_record(p_event public.webhook_events, p_type_name text, p_fields jsonb) returns uuid
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_type public.entity_types := private.entity_type(null, p_type_name);
  v_probe public.webhook_events := p_event;
  v_found uuid;
  v_id uuid;
begin
  v_probe.entity_id := null;
  v_found := private.find_record(v_probe, v_type, p_fields);
  v_id := coalesce(v_found, gen_random_uuid());
  perform private.write_record(p_event.user_id, v_type, v_id, p_fields, v_found is null);
  if p_event.person_id is not null then
    insert into public.people_entities (user_id, person_id, entity_id) values (p_event.user_id, p_event.person_id, v_id)
    on conflict do nothing;
  end if;
  return v_id;
end
$$;
comment on function private.make_record(public.webhook_events, text, jsonb) is
  'A second record that an action makes of an event (or finds again by the type''s match columns), linked to the event''s person.';
revoke execute on function private.make_record(public.webhook_events, text, jsonb) from public, anon, authenticated;
grant execute on function private.make_record(public.webhook_events, text, jsonb) to service_role;

create function private.set_field(p_event public.webhook_events, p_field text, p_value jsonb) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_type public.entity_types := private.entity_type(p_event.user_id, p_event.entity_table);
begin
  if not p_field = any (private.writable_columns(v_type.target_table)) then
    raise exception 'There is no field % that a rule may set', quote_ident(p_field) using errcode = 'WH001';
  end if;
  execute format('update public.%I t set %I = r.%I from jsonb_populate_record(null::public.%I, $3) r where t.id = $1 and t.user_id = $2',
    v_type.target_table, p_field, p_field, v_type.target_table)
  using private.action_target(p_event, '{}'), p_event.user_id, jsonb_build_object(p_field, p_value);
end
$$;
comment on function private.set_field(public.webhook_events, text, jsonb) is 'Sets one field of the event''s record.';
revoke execute on function private.set_field(public.webhook_events, text, jsonb) from public, anon, authenticated;
grant execute on function private.set_field(public.webhook_events, text, jsonb) to service_role;

create function private.apply_action(p_event public.webhook_events, p_action_type text, p_config jsonb) returns jsonb
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_id uuid;
begin
  case p_action_type
    when 'tag' then
      v_id := private.action_target(p_event, p_config);
      insert into public.entity_tags (user_id, entity_id, tag)
      select p_event.user_id, v_id, t from jsonb_array_elements_text(p_config -> 'tags') t on conflict do nothing;
      return jsonb_build_object('entity_id', v_id);
    when 'assign_role' then
      v_id := private.action_target(p_event, p_config);
      insert into public.entity_roles (user_id, entity_id, role) values (p_event.user_id, v_id, p_config ->> 'role') on conflict do nothing;
      return jsonb_build_object('entity_id', v_id);
    when 'extract_invoice' then
      return jsonb_build_object('invoice_id', private.make_record(p_event, 'invoice', p_config -> 'fields'));
    when 'create_ticket' then
      return jsonb_build_object('ticket_id', private.make_record(p_event, 'ticket', p_config));
    when 'store_message' then
      insert into public.chat_messages (user_id, webhook_event_id, entity_id, person_id, conversation_id, external_id, direction, sender, content)
      values (p_event.user_id, p_event.id, p_event.entity_id, p_event.person_id, p_config ->> 'conversation_id', p_config ->> 'external_id',
        coalesce(p_config ->> 'direction', 'inbound'), p_config ->> 'sender', p_config ->> 'content')
      returning id into v_id;
      return jsonb_build_object('chat_message_id', v_id);
    when 'set_field' then
      perform private.set_field(p_event, p_config ->> 'field', p_config -> 'value');
      return '{}';
    when 'send_notification' then
      insert into public.notifications (user_id, webhook_event_id, title, body)
      values (p_event.user_id, p_event.id, p_config ->> 'title', p_config ->> 'body')
      returning id into v_id;
      return jsonb_build_object('notification_id', v_id);
    else
      raise exception 'There is no action %', quote_ident(p_action_type) using errcode = 'WH001';
  end case;
end
$$;
comment on function private.apply_action(public.webhook_events, text, jsonb) is
  'Does one rendered action for an event and returns what came of it. The caller sees to it that this happens once.';
revoke execute on function private.apply_action(public.webhook_events, text, jsonb) from public, anon, authenticated;
grant execute on function private.apply_action(public.webhook_events, text, jsonb) to service_role;

create function private.run_action(p_event public.webhook_events, p_action jsonb) returns text
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_error text := p_action ->> 'error';
  v_result jsonb := '{}';
begin
  if exists (select from public.webhook_event_logs l
      where l.webhook_event_id = p_event.id and l.rule_id = (p_action ->> 'rule_id')::uuid
        and l.action_id = (p_action ->> 'action_id')::uuid and l.success) then
    return null;
  end if;
  if v_error is null then
    begin
      v_result := private.apply_action(p_event, p_action ->> 'action_type', coalesce(p_action -> 'action_config', '{}'));
    exception
      when others then
        if private.may_pass(sqlstate) then
          raise;
        end if;
        v_error := left(sqlerrm, 2000);
    end;
  end if;
  insert into public.webhook_event_logs as l (webhook_event_id, user_id, rule_id, action_id, action_type, action_config, success,
    error_message, result, duration_ms)
  values (p_event.id, p_event.user_id, (p_action ->> 'rule_id')::uuid, (p_action ->> 'action_id')::uuid, p_action ->> 'action_type',
    coalesce(p_action -> 'action_config', '{}'), v_error is null, v_error, v_result, (p_action ->> 'duration_ms')::numeric)
  on conflict (webhook_event_id, rule_id, action_id, action_type) do update set
    action_config = excluded.action_config, success = excluded.success, error_message = excluded.error_message,
    result = excluded.result, duration_ms = excluded.duration_ms, processed_at = excluded.processed_at;
  return v_error;
end
$$;
comment on function private.run_action(public.webhook_events, jsonb) is
  'Applies and logs one action unless it has already succeeded for this event; returns its error, or null.';
revoke execute on function private.run_action(public.webhook_events, jsonb) from public, anon, authenticated;
grant execute on function private.run_action(public.webhook_events, jsonb) to service_role;

create function public.finish_rules(p_lease_id uuid, p_results text) returns jsonb
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_asked uuid[];
  v_held uuid[];
  v_event public.webhook_events;
  v_result record;
  v_error text;
  v_errors text[];
  v_action jsonb;
begin
  select coalesce(array_agg(r.id), '{}') into v_asked from json_to_recordset(p_results::json) as r (id uuid);
  v_held := private.hold_events(p_lease_id, v_asked);
  -- Actions make records too: the same lock as in finish_prepare.
  perform pg_catalog.pg_advisory_xact_lock(hashtextextended(o.user_id::text, 0))
  from (select distinct e.user_id from public.webhook_events e where e.id = any (v_held) order by e.user_id) o;

  for v_result in
    select r.* from json_to_recordset(p_results::json) as r (id uuid, actions jsonb, error text, final boolean)
    where r.id = any (v_held) order by r.id
  loop
    if v_result.error is not null then
      perform private.fail_step(v_result.id, v_result.error, coalesce(v_result.final, false));
      continue;
    end if;
    select e.* into v_event from public.webhook_events e where e.id = v_result.id;
    v_errors := '{}';
    for v_action in select value from jsonb_array_elements(coalesce(v_result.actions, '[]')) loop
      v_error := private.run_action(v_event, v_action);
      if v_error is not null then
        v_errors := v_errors || format('%s: %s', v_action ->> 'action_type', v_error);
      end if;
    end loop;
    if cardinality(v_errors) > 0 then
      perform private.fail_event(v_result.id, array_to_string(v_errors, '; '), true);
    else
      perform private.settle_failure(v_event);
      update public.webhook_events e
      set stage = 'done', status = 'processed', processed_at = clock_timestamp(), lease_id = null, leased_until = null, error_message = null
      where e.id = v_result.id;
    end if;
  end loop;
  return private.finished(v_asked, v_held);
end
$$;
comment on function public.finish_rules(uuid, text) is
  'Takes [{id, actions[{rule_id, action_id, action_type, action_config, error?, duration_ms}]} or {id, error, final?}]: applies and logs each action once. An event with a failed action is failed and can be reprocessed.';
revoke execute on function public.finish_rules(uuid, text) from public, anon, authenticated;
grant execute on function public.finish_rules(uuid, text) to service_role;

-- sql/50_review.sql
-- What users decide about their events: override, approve, reprocess. Each decision is audited.
-- The public functions are what the Data API shows. The private ones are security definers because users may
-- not update events directly; each checks the owner of every row it touches.

create table public.audit_logs (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null,
  actor_id uuid,
  action text not null,
  target_id uuid,
  details jsonb not null default '{}',
  created_at timestamptz not null default now()
);
comment on table public.audit_logs is 'Who decided what. Written by functions only.';
comment on column public.audit_logs.user_id is 'Owner of the thing that was decided about.';
comment on column public.audit_logs.actor_id is 'Who decided: the owner or an admin.';
create index audit_logs_user_id_idx on public.audit_logs (user_id, created_at desc);
alter table public.audit_logs enable row level security;
create policy "owners and admins read audit logs" on public.audit_logs for select to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.audit_logs from public, anon, authenticated, service_role;
grant select on table public.audit_logs to authenticated, service_role;

-- Security definer: see the head of this file.
create function private.override_event(p_event_id uuid, p_entity_table text, p_is_person boolean) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_event public.webhook_events;
begin
  select e.* into v_event from public.webhook_events e where e.id = p_event_id and private.owns(e.user_id) for update;
  if v_event.id is null then
    raise exception 'No such event' using errcode = 'PT404', detail = 'WH007';
  end if;
  if not (v_event.stage = 'review' or v_event.status = 'failed') then
    raise exception 'Only an event that waits for review or has failed can be changed' using errcode = 'PT409', detail = 'WH017';
  end if;
  if p_entity_table is not null and private.entity_type(v_event.user_id, p_entity_table) is null then
    raise exception 'There is no such entity type' using errcode = 'PT400', detail = 'WH001';
  end if;
  update public.webhook_events e
  set entity_table = coalesce(p_entity_table, e.entity_table), is_person = coalesce(p_is_person, e.is_person),
    classified_by = 'user:' || (select auth.uid())
  where e.id = p_event_id
  returning e.* into v_event;
  perform private.log_step(v_event, 'override', jsonb_build_object('entity_table', p_entity_table, 'is_person', p_is_person), null);
  insert into public.audit_logs (user_id, actor_id, action, target_id, details)
  values (v_event.user_id, (select auth.uid()), 'event.override', v_event.id,
    jsonb_build_object('entity_table', p_entity_table, 'is_person', p_is_person));
  return jsonb_build_object('id', v_event.id, 'entity_table', v_event.entity_table, 'is_person', v_event.is_person);
end
$$;
comment on function private.override_event(uuid, text, boolean) is 'See public.override_event.';
revoke execute on function private.override_event(uuid, text, boolean) from public, anon;
grant execute on function private.override_event(uuid, text, boolean) to authenticated;

create function public.override_event(p_event_id uuid, p_entity_table text, p_is_person boolean) returns jsonb
language sql volatile security invoker set search_path = ''
as $$
  select private.override_event(p_event_id, p_entity_table, p_is_person)
$$;
comment on function public.override_event(uuid, text, boolean) is
  'Corrects the entity type and whether a person is behind an event that waits for review or has failed. Null leaves a value as it is.';
revoke execute on function public.override_event(uuid, text, boolean) from public, anon;
grant execute on function public.override_event(uuid, text, boolean) to authenticated;

-- Security definer: see the head of this file.
create function private.approve_events(p_event_ids text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_ids uuid[] := private.as_uuids(p_event_ids);
  v_approved uuid[];
begin
  with approvable as (
    select e.id from public.webhook_events e
    where e.id = any (v_ids) and e.stage = 'review' and e.entity_table is not null and private.owns(e.user_id)
    order by e.id
    for update
  ), approved as (
    update public.webhook_events e
    set stage = 'prepare', is_person = coalesce(e.is_person, false), attempts = 0, run_after = now()
    from approvable a
    where e.id = a.id
    returning e.*
  ), logged as (
    select private.log_step(a, 'approve', null, jsonb_build_object('by', (select auth.uid()))) from approved a
  ), audited as (
    insert into public.audit_logs (user_id, actor_id, action, target_id)
    select a.user_id, (select auth.uid()), 'event.approve', a.id from approved a
  )
  select coalesce(array_agg(a.id), '{}') into v_approved from approved a, lateral (select count(*) from logged) l;
  if cardinality(v_approved) > 0 then
    perform private.wake('prepare_for_rules');
  end if;
  return jsonb_build_object('approved', to_jsonb(v_approved), 'skipped', coalesce((
    select jsonb_agg(jsonb_build_object('id', i.id, 'reason', case
      when e.id is null then 'not_found'
      when e.stage <> 'review' then 'not_in_review'
      else 'no_entity_type' end))
    from unnest(v_ids) as i (id)
    left join public.webhook_events e on e.id = i.id and private.owns(e.user_id)
    where i.id <> all (v_approved)), '[]'));
end
$$;
comment on function private.approve_events(text) is 'See public.approve_events.';
revoke execute on function private.approve_events(text) from public, anon;
grant execute on function private.approve_events(text) to authenticated;

create function public.approve_events(p_event_ids text) returns jsonb
language sql volatile security invoker set search_path = ''
as $$
  select private.approve_events(p_event_ids)
$$;
comment on function public.approve_events(text) is
  'Sends events that wait for review on to be prepared. p_event_ids: a JSON array. Answers {approved[ids], skipped[{id, reason: not_found | not_in_review | no_entity_type}]}.';
revoke execute on function public.approve_events(text) from public, anon;
grant execute on function public.approve_events(text) to authenticated;

-- Security definer: see the head of this file.
create function private.reprocess_events(p_event_ids text, p_stage public.webhook_event_stage) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_ids uuid[] := private.as_uuids(p_event_ids);
  v_queued uuid[];
begin
  if p_stage not in ('classify', 'prepare', 'rules') then
    raise exception 'An event can be reprocessed from classify, prepare or rules' using errcode = 'PT400', detail = 'WH001';
  end if;
  with finished as (
    select e.id, coalesce(p_stage, case when e.status = 'failed' then e.stage else 'prepare' end) as stage
    from public.webhook_events e
    where e.id = any (v_ids) and e.status in ('failed', 'processed') and private.owns(e.user_id)
      -- What was never classified can only begin there.
      and (e.entity_table is not null or coalesce(p_stage, e.stage) = 'classify')
    order by e.id
    for update
  ), queued as (
    update public.webhook_events e
    set stage = f.stage, status = 'pending', attempts = 0, run_after = now(), processed_at = null, error_message = null,
      is_person = coalesce(e.is_person, case when f.stage <> 'classify' then false end)
    from finished f
    where e.id = f.id
    returning e.id, e.user_id, e.stage
  ), audited as (
    insert into public.audit_logs (user_id, actor_id, action, target_id, details)
    select q.user_id, (select auth.uid()), 'event.reprocess', q.id, jsonb_build_object('stage', q.stage) from queued q
  )
  select coalesce(array_agg(q.id), '{}') into v_queued from queued q;
  perform private.wake(f) from unnest(array['classify', 'prepare_for_rules', 'process_rules']) f where cardinality(v_queued) > 0;
  return jsonb_build_object('queued', to_jsonb(v_queued), 'skipped', coalesce((
    select jsonb_agg(jsonb_build_object('id', i.id, 'reason', case
      when e.id is null then 'not_found'
      when e.status in ('pending', 'processing') then 'not_finished'
      else 'not_classified' end))
    from unnest(v_ids) as i (id)
    left join public.webhook_events e on e.id = i.id and private.owns(e.user_id)
    where i.id <> all (v_queued)), '[]'));
end
$$;
comment on function private.reprocess_events(text, public.webhook_event_stage) is 'See public.reprocess_events.';
revoke execute on function private.reprocess_events(text, public.webhook_event_stage) from public, anon;
grant execute on function private.reprocess_events(text, public.webhook_event_stage) to authenticated;

create function public.reprocess_events(p_event_ids text, p_stage text default null) returns jsonb
language sql volatile security invoker set search_path = ''
as $$
  select private.reprocess_events(p_event_ids, p_stage::public.webhook_event_stage)
$$;
comment on function public.reprocess_events(text, text) is
  'Puts failed or processed events back into the queue: at p_stage (classify, prepare, rules), else where they failed, else at prepare. Actions that have succeeded are not done again. Answers {queued[ids], skipped[{id, reason: not_found | not_finished | not_classified}]}.';
revoke execute on function public.reprocess_events(text, text) from public, anon;
grant execute on function public.reprocess_events(text, text) to authenticated;

-- sql/90_reference_data.sql
-- The entity types that ship with Switchhook. The classifier compares an event with the description's words; the field map
-- (JMESPath, see shared/field_maps.py) takes the columns out of any vendor's payload. Running this again brings both up to date.
--
-- The person's field map finds the person behind an event of any type: event.entity_table tells them apart.

insert into public.entity_types (id, user_id, name, description, target_table, match_columns, field_map)
select r.id, null, r.name, r.description, r.target_table,
  array(select jsonb_array_elements_text(r.match_columns)), r.field_map
from jsonb_to_recordset($entity_types$
[
  {
    "id": "5e1f0000-0000-4000-8000-000000000001",
    "name": "person",
    "description": "A person: a contact, customer, user, lead, member, subscriber, employee, candidate, attendee or profile, with first name, last name, email address, phone number, company, job title, avatar, locale.",
    "target_table": "people",
    "match_columns": ["email"],
    "field_map": {
      "email": "data.email || data.customer_email || data.contact_email || data.customer.email || data.user.email || data.contact.email || data.customer_details.email || data.requester.email || data.sender.email || data.from.email || data.buyer.email || data.member.email || data.author.email || data.billing_details.email || data.ticket.customer_email || data.account.email || data.billing_email || data.receipt_email || data.pusher.email",
      "phone": "data.phone || data.phone_number || data.mobile || data.customer_phone || data.customer.phone || data.customer_details.phone || data.user.phone || data.contact.phone || data.buyer.phone || data.requester.phone || data.billing_details.phone || data.billing_address.phone || data.shipping_address.phone || data.default_address.phone",
      "name": "data.customer_name || data.contact_name || data.ticket.customer_name || data.customer.name || join_name(data.customer.first_name, data.customer.last_name) || data.customer_details.name || data.user.name || join_name(data.user.first_name, data.user.last_name) || data.contact.name || data.requester.name || data.buyer.name || data.member.name || data.from.name || data.sender.name || data.billing_details.name || data.billing_address.name || data.full_name || data.display_name || join_name(data.first_name, data.last_name) || ((event.entity_table == 'person' || data.email || data.handle) && !(data.order_number) && data.name) || data.issue.user.login || data.pull_request.user.login || data.sender.login",
      "first_name": "data.first_name || data.firstName || data.given_name || data.customer.first_name || data.user.first_name || data.contact.first_name || data.billing_address.first_name",
      "last_name": "data.last_name || data.lastName || data.family_name || data.customer.last_name || data.user.last_name || data.contact.last_name || data.billing_address.last_name",
      "company": "text(data.company) || data.company.name || data.company_name || data.organization.name || data.customer.company || data.user.company || data.contact.company || data.default_address.company || data.billing_address.company || data.account.name",
      "title": "data.job_title || data.jobTitle || data.customer.job_title || data.user.job_title || data.contact.job_title || (event.entity_table == 'person' && data.title) || `null`",
      "external_id": "(event.entity_table == 'person' && (event.external_id || text(data.id))) || text(data.customer) || text(data.customer.id) || text(data.customer_id) || text(data.user.id) || text(data.contact.id) || text(data.contact_id) || text(data.contactId) || text(data.buyer.id) || text(data.requester.id) || text(data.requester_id) || text(data.issue.user.id) || text(data.pull_request.user.id) || text(data.sender.id) || text(data.from.id) || text(data.user_id) || text(data.userId) || text(payload.event.user) || text(data.user) || text(data.participants[0])"
    }
  },
  {
    "id": "5e1f0000-0000-4000-8000-000000000002",
    "name": "influencer",
    "description": "An influencer: a creator, ambassador, affiliate, partner or blogger on social media such as Instagram, TikTok or YouTube, with handle, platform, followers, audience, engagement, niche, reach.",
    "target_table": "influencers",
    "match_columns": ["handle", "platform"],
    "field_map": {
      "external_id": "event.external_id || text(data.id)",
      "name": "data.name || data.full_name || data.display_name || join_name(data.first_name, data.last_name)",
      "handle": "lower(data.handle || data.username || data.user_name || data.login)",
      "platform": "lower(data.platform || data.network || data.channel)",
      "email": "lower(data.email || data.contact_email || data.contact.email)",
      "followers": "floor(number(data.followers || data.follower_count || data.followers_count || data.audience.size))",
      "profile_url": "data.profile_url || data.profileUrl || data.url || data.link",
      "metadata": "json(data.metadata)"
    }
  },
  {
    "id": "5e1f0000-0000-4000-8000-000000000003",
    "name": "subscription",
    "description": "A subscription: a recurring plan, membership, license, trial or renewal, with billing interval, seats, current period start and end, cancel at period end, next billing date.",
    "target_table": "subscriptions",
    "match_columns": ["external_id"],
    "field_map": {
      "external_id": "event.external_id || text(data.id) || text(data.subscription_id)",
      "customer_external_id": "text(data.customer) || text(data.customer.id) || text(data.customer_id) || text(data.customerId) || text(data.user.id) || text(data.user_id) || text(data.account.id)",
      "customer_email": "lower(data.customer_email || data.customer.email || data.user.email || data.account.email || data.email || data.billing_email)",
      "plan": "data.plan.nickname || data.plan.name || data.items.data[0].price.nickname || data.items.data[0].price.lookup_key || text(data.items.data[0].price.id) || text(data.plan) || data.plan_name || data.product.name || text(data.product) || text(data.plan.id)",
      "status": "text(data.status) || text(data.state)",
      "amount": "(payload.object == 'event' && from_minor_units(multiply(data.items.data[0].price.unit_amount, data.items.data[0].quantity || `1`), data.currency)) || multiply(data.plan.price, data.seats || data.quantity || `1`) || number(data.amount) || number(data.price) || number(data.total) || number(data.amount.value)",
      "currency": "upper(data.currency || data.plan.currency || data.items.data[0].price.currency || data.currency_code || data.amount.currency)",
      "current_period_end": "timestamp(data.current_period_end || data.items.data[0].current_period_end || data.currentPeriodEnd || data.renews_at || data.next_billing_at || data.ends_at || data.expires_at)",
      "metadata": "json(data.metadata)"
    }
  },
  {
    "id": "5e1f0000-0000-4000-8000-000000000004",
    "name": "order",
    "description": "An order: a purchase or sale in a shop, checkout, cart, booking, shipment, delivery, fulfillment, return or refund, with basket, line items, products, sku, quantity, shipping address, tracking, discount codes, order number.",
    "target_table": "orders",
    "match_columns": ["external_id"],
    "field_map": {
      "external_id": "event.external_id || text(data.id) || text(data.order_id)",
      "order_number": "text(data.order_number || data.orderNumber || data.metadata.order_number || data.number || data.reference || data.name)",
      "customer_email": "lower(data.customer_email || data.customer.email || data.customer_details.email || data.buyer.email || data.billing_details.email || data.email || data.contact_email || data.receipt_email || data.user.email)",
      "status": "text(data.status) || data.financial_status || data.payment_status || text(data.state)",
      "total": "(payload.object == 'event' && from_minor_units(data.amount_total || data.amount, data.currency)) || number(data.total) || number(data.total_price) || number(data.current_total_price) || number(data.total_amount) || number(data.amount) || number(data.amount.value) || number(data.total.amount) || number(data.price)",
      "currency": "upper(data.currency || data.currency_code || data.amount.currency || data.total.currency)",
      "ordered_at": "timestamp(data.ordered_at || data.orderedAt || data.processed_at || data.placed_at || data.created_at || data.createdAt || data.created || data.completed_at || payload.timestamp)",
      "metadata": "json(data.metadata)"
    }
  },
  {
    "id": "5e1f0000-0000-4000-8000-000000000005",
    "name": "invoice",
    "description": "An invoice: a bill, payment, charge, receipt, estimate or credit note, with invoice number, amount due, due date, overdue balance, tax, billing reason, invoice pdf.",
    "target_table": "invoices",
    "match_columns": ["external_id"],
    "field_map": {
      "external_id": "event.external_id || text(data.id) || text(data.invoice_id)",
      "number": "text(data.invoice_number || data.invoiceNumber || (data.line_items && data.order_number) || data.number || data.order_number || data.receipt_number)",
      "customer_email": "lower(data.customer_email || data.customer.email || data.customer_details.email || data.billing_details.email || data.billing_email || data.email || data.receipt_email || data.user.email || data.account.email)",
      "status": "text(data.status) || data.payment_status || data.financial_status || text(data.state)",
      "amount": "(payload.object == 'event' && from_minor_units(data.total || data.amount_total || data.amount_due || data.amount, data.currency)) || number(data.total) || number(data.amount_due) || number(data.amount) || number(data.total_price) || number(data.total_amount) || number(data.amount_total) || number(data.amount.value) || number(data.total.amount)",
      "currency": "upper(data.currency || data.currency_code || data.amount.currency || data.total.currency)",
      "issued_at": "timestamp(data.issued_at || data.issuedAt || data.effective_at || data.issue_date || data.invoice_date || data.date || data.ordered_at || data.processed_at || data.created_at || data.createdAt || data.created)",
      "due_at": "timestamp(data.due_at || data.dueAt || data.due_date || data.dueDate)",
      "metadata": "json(data.metadata)"
    }
  },
  {
    "id": "5e1f0000-0000-4000-8000-000000000006",
    "name": "ticket",
    "description": "A support ticket: an issue, case, incident, bug report, question, complaint, inquiry, feedback, help request, message, comment or conversation, with subject, text, reply, thread, channel, priority, category, assignee, labels.",
    "target_table": "tickets",
    "match_columns": ["external_id"],
    "field_map": {
      "external_id": "text(data.conversationId) || text(data.conversation_id) || (payload.event.thread_ts && join(':', [payload.event.channel, payload.event.thread_ts])) || text(data.issue.id) || text(data.pull_request.id) || text(data.ticket.id) || event.external_id || text(data.id)",
      "ticket_number": "text(data.ticket.ticket_number) || text(data.ticket_number) || (data.issue.number && join('#', [data.repository.full_name, text(data.issue.number)])) || (data.pull_request.number && join('#', [data.repository.full_name, text(data.pull_request.number)]))",
      "subject": "data.ticket.subject || data.subject || data.issue.title || data.pull_request.title || data.conversation.title || data.title",
      "message": "text(data.ticket.message) || text(data.message) || data.comment.body || data.issue.body || data.pull_request.body || data.content.text || text(data.content) || data.text || payload.event.text || data.message.text || data.description || text(data.body)",
      "status": "data.ticket.status || data.issue.state || data.pull_request.state || text(data.status) || text(data.state)",
      "priority": "one_of(data.ticket.priority || data.priority, ['low', 'medium', 'high', 'urgent']) || (one_of(data.ticket.priority || data.priority, ['normal']) && 'medium') || (one_of(data.ticket.priority || data.priority, ['critical']) && 'urgent')",
      "category": "text(data.ticket.category) || text(data.category) || data.issue.labels[0].name",
      "customer_email": "lower(data.ticket.customer_email || data.customer_email || data.requester.email || data.customer.email || data.user.email || data.contact.email || data.sender.email || data.from.email || data.email)",
      "customer_name": "data.ticket.customer_name || data.customer_name || data.requester.name || data.customer.name || data.user.name || data.contact.name || data.sender.name || data.from.name || data.issue.user.login || data.pull_request.user.login",
      "url": "data.issue.html_url || data.pull_request.html_url || data.ticket.url || data.html_url || data.permalink || data.url",
      "metadata": "json(data.metadata)"
    }
  }
]
$entity_types$::jsonb)
  as r (id uuid, name text, description text, target_table text, match_columns jsonb, field_map jsonb)
on conflict (user_id, name) do update set
  description = excluded.description, target_table = excluded.target_table, match_columns = excluded.match_columns,
  field_map = excluded.field_map;
