-- Outgoing webhooks: who wants to hear of what, where, and how it is signed. What must stay secret is kept apart, as ciphertext.

create function private.are_event_patterns(p_events text[]) returns boolean
language sql immutable security invoker set search_path = ''
as $$
  select array_ndims(p_events) = 1 and cardinality(p_events) between 1 and 100
    and (select bool_and(coalesce(e = '*' or private.is_event_name(regexp_replace(e, '\.\*$', '')), false)) from unnest(p_events) e)
$$;
comment on function private.are_event_patterns(text[]) is 'Whether a subscription is well formed: 1 to 100 names of events, names with .* for all below, or * for all.';
revoke execute on function private.are_event_patterns(text[]) from public, anon;
grant execute on function private.are_event_patterns(text[]) to authenticated, service_role;

create function private.patterns_of(p_type text) returns text[]
language sql immutable security invoker set search_path = ''
as $$
  select array['*', p_type] || array(
    select array_to_string((string_to_array(p_type, '.'))[1:n], '.') || '.*'
    from generate_series(1, cardinality(string_to_array(p_type, '.')) - 1) n)
$$;
comment on function private.patterns_of(text) is 'Every pattern that an event of this type meets: ai.response.approved meets *, itself, ai.* and ai.response.*.';
revoke execute on function private.patterns_of(text) from public, anon, authenticated;
grant execute on function private.patterns_of(text) to service_role;

create table public.webhooks (
  id uuid primary key default gen_random_uuid(),
  name text not null constraint names_are_short check (length(name) between 1 and 200),
  url text not null constraint urls_are_web_addresses check (url ~ '^https?://[^[:space:]]+$' and length(url) <= 2048),
  description text constraint descriptions_are_bounded check (length(description) <= 2000),
  events text[] not null constraint events_are_patterns check (coalesce(private.are_event_patterns(events), false)),
  active boolean not null default true,
  kind text not null default 'http' constraint kinds_are_known check (kind in ('http', 'slack')),
  signature_profile text not null default 'standard' constraint profiles_are_known
    check (signature_profile in ('standard', 'chatbots', 'whatscrm', 'autoresponder', 'custom')),
  signature_settings jsonb not null default '{}' constraint signature_settings_are_a_small_shallow_object
    check (jsonb_typeof(signature_settings) = 'object' and not jsonb_path_exists(signature_settings, '$.**{4}') and pg_column_size(signature_settings) <= 8192),
  body_style text not null default 'compact' constraint body_styles_are_known check (body_style in ('compact', 'spaced')),
  slack_settings jsonb not null default '{}' constraint slack_settings_are_a_small_shallow_object
    check (jsonb_typeof(slack_settings) = 'object' and not jsonb_path_exists(slack_settings, '$.**{4}') and pg_column_size(slack_settings) <= 8192),
  header_names text[] not null default '{}',
  filter text not null default '' constraint filters_are_bounded check (length(filter) <= 2000),
  timeout_seconds integer not null default 15 constraint timeouts_are_bounded check (timeout_seconds between 1 and 30),
  rate_limit_per_minute integer constraint rate_limits_are_positive check (rate_limit_per_minute between 1 and 1000000),
  disabled_reason text,
  active_since timestamptz not null default now(),
  created_by uuid not null default auth.uid() references auth.users (id) on delete cascade,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint disabled_webhooks_are_inactive check (disabled_reason is null or not active)
);
comment on table public.webhooks is 'Registrations of receivers: which events go where.';
comment on column public.webhooks.url is 'Where deliveries are posted to. For kind slack, whose address is a secret, without its last part.';
comment on column public.webhooks.events is 'Names of events, names with .* for all below, or *.';
comment on column public.webhooks.kind is 'http: the event as JSON. slack: a message for a Slack incoming webhook.';
comment on column public.webhooks.signature_profile is 'Which headers a delivery has beside those of Standard Webhooks.';
comment on column public.webhooks.signature_settings is 'Header names and form of the signature, for the profile custom.';
comment on column public.webhooks.body_style is 'compact: as JavaScript''s JSON.stringify writes JSON. spaced: as Python''s json.dumps does.';
comment on column public.webhooks.slack_settings is 'Channel and link template, for kind slack.';
comment on column public.webhooks.header_names is 'Names of the headers that are added to each delivery; their values are secrets.';
comment on column public.webhooks.filter is 'CEL over event (id, type, timestamp, data); empty lets every event through.';
comment on column public.webhooks.disabled_reason is 'Why Switchhook switched the webhook off, in words; null where its owner did, or nobody.';
comment on column public.webhooks.active_since is 'When it was switched on last. Failures before do not count against it.';
create index webhooks_active_idx on public.webhooks (created_by) where active;
create index webhooks_created_by_idx on public.webhooks (created_by, created_at desc, id desc);

-- Security definer: only the service may wake workers by itself.
create function private.settle_webhook() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  new.updated_at := now();
  if new.active and not old.active then
    new.disabled_reason := null;
    new.active_since := now();
    -- Its deliveries waited while it was off.
    perform private.wake('dispatch');
  end if;
  return new;
end
$$;
comment on function private.settle_webhook() is 'Keeps updated_at, and what goes with switching a webhook on.';
revoke execute on function private.settle_webhook() from public;
create trigger settle_webhook before update on public.webhooks
  for each row execute function private.settle_webhook();

alter table public.webhooks enable row level security;
create policy "owners and admins manage webhooks" on public.webhooks for all to authenticated
  using (created_by = (select auth.uid()) or (select private.is_admin()))
  with check (created_by = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.webhooks from public, anon, authenticated, service_role;
grant select, delete on table public.webhooks to authenticated;
grant insert (name, url, description, events, active, kind, signature_profile, signature_settings, body_style, slack_settings, filter,
    timeout_seconds, rate_limit_per_minute),
  update (name, url, description, events, active, kind, signature_profile, signature_settings, body_style, slack_settings, filter,
    timeout_seconds, rate_limit_per_minute)
  on table public.webhooks to authenticated;
grant select, insert, update, delete on table public.webhooks to service_role;

create table private.webhook_secrets (
  id uuid primary key default gen_random_uuid(),
  webhook_id uuid not null references public.webhooks (id) on delete cascade,
  purpose text not null constraint purposes_are_known check (purpose in ('signing', 'header', 'url')),
  name text not null default '' constraint only_headers_have_names check ((purpose = 'header') = (name <> '')),
  ciphertext text not null constraint ciphertexts_are_bounded check (length(ciphertext) between 1 and 10000),
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz constraint only_signing_secrets_expire check (expires_at is null or purpose = 'signing')
);
comment on table private.webhook_secrets is 'What a delivery needs and nobody may read, encrypted by the application (Fernet): keys that sign, values of headers, addresses that are secrets.';
comment on column private.webhook_secrets.expires_at is 'During a rotation the old key still signs until then.';
create index webhook_secrets_webhook_id_idx on private.webhook_secrets (webhook_id);
create unique index webhook_secrets_one_each_idx on private.webhook_secrets (webhook_id, purpose, lower(name)) where purpose <> 'signing';
alter table private.webhook_secrets enable row level security;
revoke all on table private.webhook_secrets from public, anon, authenticated, service_role;
grant select on table private.webhook_secrets to service_role;

create table private.webhook_states (
  webhook_id uuid primary key references public.webhooks (id) on delete cascade,
  consecutive_failures integer not null default 0,
  failing_since timestamptz,
  window_started_at timestamptz not null default '-infinity',
  window_used integer not null default 0,
  concurrency integer not null default 16 constraint concurrencies_are_bounded check (concurrency between 4 and 1000),
  constraint failing_webhooks_say_since_when check ((consecutive_failures > 0) = (failing_since is not null))
);
comment on column private.webhook_states.concurrency is 'How many deliveries may be under way at once: more for who answers quickly, few for who is slow or fails.';
comment on table private.webhook_states is 'How deliveries to a webhook have gone of late, and how many its current minute has had. Written by claims and finishes only.';
alter table private.webhook_states enable row level security;
revoke all on table private.webhook_states from public, anon, authenticated, service_role;
grant select, insert, update on table private.webhook_states to service_role;

-- Security definer: users may neither read nor write the states of their webhooks.
create function private.add_webhook_state() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  insert into private.webhook_states (webhook_id) values (new.id);
  return null;
end
$$;
comment on function private.add_webhook_state() is 'Gives a new webhook its state.';
revoke execute on function private.add_webhook_state() from public;
create trigger add_webhook_state after insert on public.webhooks
  for each row execute function private.add_webhook_state();

-- Security definer: users may put secrets in for a webhook of theirs, and never read one.
create function private.store_webhook_secrets(p_webhook_id uuid, p_secrets jsonb) returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
  perform from public.webhooks w where w.id = p_webhook_id and private.owns(w.created_by) for no key update;
  if not found then
    raise exception 'No such webhook' using errcode = 'PT404', detail = 'WH007';
  end if;
  if p_secrets ? 'url' then
    delete from private.webhook_secrets s where s.webhook_id = p_webhook_id and s.purpose = 'url';
    insert into private.webhook_secrets (webhook_id, purpose, ciphertext)
    select p_webhook_id, 'url', p_secrets ->> 'url' where p_secrets ->> 'url' is not null;
  end if;
  if p_secrets ? 'headers' then
    -- A name without a value keeps the one that is stored.
    delete from private.webhook_secrets s
    where s.webhook_id = p_webhook_id and s.purpose = 'header'
      and not exists (select from jsonb_each_text(p_secrets -> 'headers') h where lower(h.key) = lower(s.name) and h.value is null);
    insert into private.webhook_secrets (webhook_id, purpose, name, ciphertext)
    select p_webhook_id, 'header', h.key, h.value from jsonb_each_text(p_secrets -> 'headers') h where h.value is not null;
    update public.webhooks w
    set header_names = coalesce((
      select array_agg(s.name order by s.name) from private.webhook_secrets s where s.webhook_id = p_webhook_id and s.purpose = 'header'), '{}')
    where w.id = p_webhook_id;
  end if;
  if p_secrets ? 'signing' then
    perform private.rotate_webhook_secret(p_webhook_id, p_secrets ->> 'signing', 0);
  end if;
end
$$;
comment on function private.store_webhook_secrets(uuid, jsonb) is
  'Puts in what is secret about a webhook, as ciphertexts: {signing, url (null takes it away), headers {name: ciphertext, or null to keep what is stored}}. What is not named stays.';
revoke execute on function private.store_webhook_secrets(uuid, jsonb) from public, anon;
grant execute on function private.store_webhook_secrets(uuid, jsonb) to authenticated;

-- Security definer: users may put a secret in for a webhook of theirs, and never read one.
create function private.rotate_webhook_secret(p_webhook_id uuid, p_ciphertext text, p_overlap_seconds integer) returns timestamptz
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_expires_at timestamptz := now() + make_interval(secs => p_overlap_seconds);
begin
  if p_overlap_seconds is null or p_overlap_seconds not between 0 and 604800 then
    raise exception 'The overlap is 0 to 604800 seconds' using errcode = 'PT400', detail = 'WH001';
  end if;
  perform from public.webhooks w where w.id = p_webhook_id and private.owns(w.created_by) for no key update;
  if not found then
    raise exception 'No such webhook' using errcode = 'PT404', detail = 'WH007';
  end if;
  delete from private.webhook_secrets s where s.webhook_id = p_webhook_id and s.purpose = 'signing' and (s.expires_at <= now() or p_overlap_seconds = 0);
  update private.webhook_secrets s set expires_at = least(s.expires_at, v_expires_at) where s.webhook_id = p_webhook_id and s.purpose = 'signing';
  insert into private.webhook_secrets (webhook_id, purpose, ciphertext) values (p_webhook_id, 'signing', p_ciphertext);
  -- Each key signs each delivery, so there may not be any number of them.
  delete from private.webhook_secrets s
  where s.id in (
    select o.id from private.webhook_secrets o where o.webhook_id = p_webhook_id and o.purpose = 'signing'
    order by o.created_at desc offset 5);
  -- What workers know of the webhook is out of date.
  update public.webhooks w set updated_at = now() where w.id = p_webhook_id;
  return v_expires_at;
end
$$;
comment on function private.rotate_webhook_secret(uuid, text, integer) is
  'Makes p_ciphertext the key that signs a webhook''s deliveries. Earlier keys, four at most, sign beside it for p_overlap_seconds; returns until when.';
revoke execute on function private.rotate_webhook_secret(uuid, text, integer) from public, anon;
grant execute on function private.rotate_webhook_secret(uuid, text, integer) to authenticated;

create function public.create_webhook(p_webhook text, p_secrets text) returns jsonb
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_row public.webhooks;
begin
  insert into public.webhooks (name, url, description, events, active, kind, signature_profile, signature_settings, body_style,
    slack_settings, filter, timeout_seconds, rate_limit_per_minute)
  select r.name, r.url, r.description, r.events, coalesce(r.active, true), coalesce(r.kind, 'http'), coalesce(r.signature_profile, 'standard'),
    coalesce(r.signature_settings, '{}'), coalesce(r.body_style, 'compact'), coalesce(r.slack_settings, '{}'), coalesce(r.filter, ''),
    coalesce(r.timeout_seconds, 15), r.rate_limit_per_minute
  from jsonb_populate_record(null::public.webhooks, p_webhook::jsonb) r
  returning * into v_row;
  perform private.store_webhook_secrets(v_row.id, p_secrets::jsonb);
  select w.* into v_row from public.webhooks w where w.id = v_row.id;
  return to_jsonb(v_row);
end
$$;
comment on function public.create_webhook(text, text) is
  'Registers a webhook of the caller with its encrypted secrets, in one transaction. p_webhook: JSON with the table''s columns; p_secrets: see private.store_webhook_secrets.';
revoke execute on function public.create_webhook(text, text) from public, anon;
grant execute on function public.create_webhook(text, text) to authenticated;

create function public.update_webhook(p_webhook_id uuid, p_changes text, p_secrets text) returns jsonb
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_row public.webhooks;
begin
  select w.* into v_row from public.webhooks w where w.id = p_webhook_id for no key update;
  if v_row.id is null then
    raise exception 'No such webhook' using errcode = 'PT404', detail = 'WH007';
  end if;
  v_row := jsonb_populate_record(v_row, p_changes::jsonb);
  update public.webhooks w
  set name = v_row.name, url = v_row.url, description = v_row.description, events = v_row.events, active = v_row.active, kind = v_row.kind,
    signature_profile = v_row.signature_profile, signature_settings = v_row.signature_settings, body_style = v_row.body_style,
    slack_settings = v_row.slack_settings, filter = v_row.filter, timeout_seconds = v_row.timeout_seconds,
    rate_limit_per_minute = v_row.rate_limit_per_minute
  where w.id = p_webhook_id;
  perform private.store_webhook_secrets(p_webhook_id, p_secrets::jsonb);
  select w.* into v_row from public.webhooks w where w.id = p_webhook_id;
  return to_jsonb(v_row);
end
$$;
comment on function public.update_webhook(uuid, text, text) is
  'Changes a webhook of the caller in one transaction. p_changes: JSON with the columns to set; p_secrets: see private.store_webhook_secrets.';
revoke execute on function public.update_webhook(uuid, text, text) from public, anon;
grant execute on function public.update_webhook(uuid, text, text) to authenticated;

create function public.rotate_webhook_secret(p_webhook_id uuid, p_secret_ciphertext text, p_overlap_seconds integer) returns jsonb
language sql volatile security invoker set search_path = ''
as $$
  select jsonb_build_object('previous_valid_until', private.rotate_webhook_secret(p_webhook_id, p_secret_ciphertext, p_overlap_seconds))
$$;
comment on function public.rotate_webhook_secret(uuid, text, integer) is
  'Gives a webhook of the caller a new encrypted key; earlier ones sign beside it for p_overlap_seconds (0 to 604800) more.';
revoke execute on function public.rotate_webhook_secret(uuid, text, integer) from public, anon;
grant execute on function public.rotate_webhook_secret(uuid, text, integer) to authenticated;
