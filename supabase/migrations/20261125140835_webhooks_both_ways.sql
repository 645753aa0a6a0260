-- Written by `make migration` from sql/. Never edited once it has shipped.

set local check_function_bodies = off;

DROP INDEX "public"."people_email_idx";

DROP INDEX "public"."people_external_id_idx";

DROP INDEX "public"."people_phone_idx";

ALTER TABLE "public"."people" DROP CONSTRAINT "people_endpoint_fkey";

DROP FUNCTION "private"."apply_action"(public.webhook_events, text, jsonb);

DROP FUNCTION "private"."entity_type"(uuid, text);

DROP FUNCTION "private"."find_person"(public.webhook_events, jsonb);

DROP FUNCTION "private"."find_record"(public.webhook_events, public.entity_types, jsonb);

DROP FUNCTION "private"."link_person"(public.webhook_events, uuid, uuid);

DROP FUNCTION "private"."log_step"(public.webhook_events, text, jsonb, jsonb);

DROP FUNCTION "private"."prepare_event"(public.webhook_events, jsonb, jsonb);

DROP FUNCTION "private"."readable"(jsonb);

DROP FUNCTION "private"."record"(uuid, text, uuid);

DROP FUNCTION "private"."run_action"(public.webhook_events, jsonb);

DROP FUNCTION "private"."settle_failure"(public.webhook_events);

DROP FUNCTION "private"."upsert_person"(public.webhook_events, jsonb, text);

DROP FUNCTION "private"."upsert_record"(public.webhook_events, public.entity_types, jsonb);

DROP FUNCTION "private"."wake"(text);

DROP FUNCTION "private"."write_record"(uuid, public.entity_types, uuid, jsonb, boolean);

CREATE TABLE "private"."webhook_secrets" ("id" uuid NOT NULL DEFAULT gen_random_uuid(), "webhook_id" uuid NOT NULL, "purpose" text NOT NULL, "name" text NOT NULL DEFAULT ''::text, "ciphertext" text NOT NULL, "created_at" timestamp with time zone NOT NULL DEFAULT clock_timestamp(), "expires_at" timestamp with time zone, CONSTRAINT "ciphertexts_are_bounded" CHECK (((length(ciphertext) >= 1) AND (length(ciphertext) <= 10000))), CONSTRAINT "only_headers_have_names" CHECK (((purpose = 'header'::text) = (name <> ''::text))), CONSTRAINT "only_signing_secrets_expire" CHECK (((expires_at IS NULL) OR (purpose = 'signing'::text))), CONSTRAINT "purposes_are_known" CHECK ((purpose = ANY (ARRAY['signing'::text, 'header'::text, 'url'::text]))), CONSTRAINT "webhook_secrets_pkey" PRIMARY KEY (id));

ALTER TABLE "private"."webhook_secrets" ENABLE ROW LEVEL SECURITY;

ALTER TABLE "private"."webhook_secrets" OWNER TO "postgres";

CREATE TABLE "private"."webhook_states" ("webhook_id" uuid NOT NULL, "consecutive_failures" integer NOT NULL DEFAULT 0, "failing_since" timestamp with time zone, "window_started_at" timestamp with time zone NOT NULL DEFAULT '-infinity'::timestamp with time zone, "window_used" integer NOT NULL DEFAULT 0, "concurrency" integer NOT NULL DEFAULT 16, CONSTRAINT "concurrencies_are_bounded" CHECK (((concurrency >= 4) AND (concurrency <= 1000))), CONSTRAINT "failing_webhooks_say_since_when" CHECK (((consecutive_failures > 0) = (failing_since IS NOT NULL))), CONSTRAINT "webhook_states_pkey" PRIMARY KEY (webhook_id));

ALTER TABLE "private"."webhook_states" ENABLE ROW LEVEL SECURITY;

ALTER TABLE "private"."webhook_states" OWNER TO "postgres";

CREATE TABLE "public"."classification_overrides" ("id" uuid NOT NULL DEFAULT gen_random_uuid(), "user_id" uuid NOT NULL, "endpoint_id" uuid NOT NULL, "event_type" text NOT NULL, "entity_table" text, "is_person" boolean, "decided_by" uuid NOT NULL, "created_at" timestamp with time zone NOT NULL DEFAULT now(), "updated_at" timestamp with time zone NOT NULL DEFAULT now(), CONSTRAINT "classification_overrides_endpoint_id_event_type_key" UNIQUE (endpoint_id, event_type), CONSTRAINT "classification_overrides_pkey" PRIMARY KEY (id), CONSTRAINT "overrides_are_of_a_named_type" CHECK ((event_type <> 'unknown'::text)), CONSTRAINT "overrides_say_something" CHECK (((entity_table IS NOT NULL) OR (is_person IS NOT NULL))));

ALTER TABLE "public"."classification_overrides" ENABLE ROW LEVEL SECURITY;

ALTER TABLE "public"."classification_overrides" OWNER TO "postgres";

CREATE TABLE "public"."endpoint_reconciliations" ("id" uuid NOT NULL DEFAULT gen_random_uuid(), "endpoint_id" uuid NOT NULL, "user_id" uuid NOT NULL, "state" jsonb NOT NULL, "updated_at" timestamp with time zone NOT NULL, CONSTRAINT "endpoint_reconciliations_endpoint_id_key" UNIQUE (endpoint_id), CONSTRAINT "endpoint_reconciliations_pkey" PRIMARY KEY (id), CONSTRAINT "states_are_small_objects" CHECK (((jsonb_typeof(state) = 'object'::text) AND (length((state)::text) <= 4096))));

ALTER TABLE "public"."endpoint_reconciliations" ENABLE ROW LEVEL SECURITY;

ALTER TABLE "public"."endpoint_reconciliations" OWNER TO "postgres";

CREATE TABLE "public"."event_replay_differences" ("replay_id" uuid NOT NULL, "webhook_event_id" uuid NOT NULL, "user_id" uuid NOT NULL, "before" jsonb NOT NULL, "after" jsonb NOT NULL, CONSTRAINT "event_replay_differences_pkey" PRIMARY KEY (replay_id, webhook_event_id));

ALTER TABLE "public"."event_replay_differences" ENABLE ROW LEVEL SECURITY;

ALTER TABLE "public"."event_replay_differences" OWNER TO "postgres";

CREATE TABLE "public"."event_replays" ("user_id" uuid NOT NULL, "stage" public.webhook_event_stage NOT NULL, "is_dry_run" boolean NOT NULL, "endpoint_id" uuid, "entity_table" text, "since" timestamp with time zone, "until" timestamp with time zone, "total" integer NOT NULL DEFAULT 0, "examined" integer NOT NULL DEFAULT 0, "different" integer NOT NULL DEFAULT 0, "failing" integer NOT NULL DEFAULT 0, "requeued" integer NOT NULL DEFAULT 0, "after_id" uuid NOT NULL, "batch_id" uuid, "last_id" uuid NOT NULL, "status" text NOT NULL DEFAULT 'pending'::text, "error_message" text, "attempts" integer NOT NULL DEFAULT 0, "run_after" timestamp with time zone NOT NULL DEFAULT now(), "lease_id" uuid, "leased_until" timestamp with time zone, "created_at" timestamp with time zone NOT NULL DEFAULT now(), "finished_at" timestamp with time zone, CONSTRAINT "failed_replays_say_why" CHECK (((status <> 'failed'::text) OR (error_message IS NOT NULL))), CONSTRAINT "finished_replays_say_when" CHECK (((status = ANY (ARRAY['done'::text, 'failed'::text])) = (finished_at IS NOT NULL))), CONSTRAINT "leased_replays_have_a_lease" CHECK ((((lease_id IS NULL) = (leased_until IS NULL)) AND ((lease_id IS NULL) = (batch_id IS NULL)))), CONSTRAINT "stages_can_be_replayed" CHECK ((stage = ANY (ARRAY['classify'::public.webhook_event_stage, 'prepare'::public.webhook_event_stage, 'rules'::public.webhook_event_stage]))), CONSTRAINT "statuses_are_known" CHECK ((status = ANY (ARRAY['pending'::text, 'running'::text, 'done'::text, 'failed'::text]))));

ALTER TABLE "public"."event_replays" ENABLE ROW LEVEL SECURITY;

ALTER TABLE "public"."event_replays" OWNER TO "postgres";

CREATE TABLE "public"."event_types" ("id" uuid NOT NULL DEFAULT gen_random_uuid(), "name" text NOT NULL, "description" text NOT NULL DEFAULT ''::text, "schema" json, "example" json, "created_at" timestamp with time zone NOT NULL DEFAULT now(), "updated_at" timestamp with time zone NOT NULL DEFAULT now(), CONSTRAINT "descriptions_are_bounded" CHECK ((length(description) <= 2000)), CONSTRAINT "event_types_pkey" PRIMARY KEY (id), "user_id" uuid DEFAULT auth.uid(), CONSTRAINT "event_types_user_id_name_key" UNIQUE NULLS NOT DISTINCT (user_id, name));

ALTER TABLE "public"."event_types" ENABLE ROW LEVEL SECURITY;

ALTER TABLE "public"."event_types" OWNER TO "postgres";

CREATE TABLE "public"."published_events" ("user_id" uuid NOT NULL, "type" text NOT NULL, "data" json NOT NULL, "idempotency_key" text, "is_test" boolean NOT NULL DEFAULT false, "created_at" timestamp with time zone NOT NULL DEFAULT clock_timestamp(), "webhook_event_id" uuid, CONSTRAINT "idempotency_keys_are_short" CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 255))), CONSTRAINT "published_events_user_id_idempotency_key_key" UNIQUE (user_id, idempotency_key));

ALTER TABLE "public"."published_events" ENABLE ROW LEVEL SECURITY;

ALTER TABLE "public"."published_events" OWNER TO "postgres";

CREATE TABLE "public"."webhook_deliveries" ("published_event_id" uuid NOT NULL, "webhook_id" uuid NOT NULL, "user_id" uuid NOT NULL, "attempts" integer NOT NULL DEFAULT 0, "attempts_before" integer NOT NULL DEFAULT 0, "run_after" timestamp with time zone NOT NULL DEFAULT now(), "lease_id" uuid, "leased_until" timestamp with time zone, "response_status" integer, "error_message" text, "finished_at" timestamp with time zone, "created_at" timestamp with time zone NOT NULL DEFAULT now(), "is_test" boolean NOT NULL DEFAULT false, "counted_in" timestamp with time zone, CONSTRAINT "attempts_only_grow" CHECK ((attempts >= attempts_before)), CONSTRAINT "webhook_deliveries_published_event_id_webhook_id_key" UNIQUE (published_event_id, webhook_id));

ALTER TABLE "public"."webhook_deliveries" ENABLE ROW LEVEL SECURITY;

ALTER TABLE "public"."webhook_deliveries" OWNER TO "postgres";

CREATE TABLE "public"."webhook_logs" ("delivery_id" uuid NOT NULL, "webhook_id" uuid NOT NULL, "user_id" uuid NOT NULL, "published_event_id" uuid NOT NULL, "event_type" text NOT NULL, "is_test" boolean NOT NULL, "attempt" integer NOT NULL, "outcome" text NOT NULL, "error_code" text, "error_message" text, "request_url" text, "request_headers" jsonb NOT NULL DEFAULT '{}'::jsonb, "request_body_sha256" text, "response_status" integer, "response_headers" jsonb NOT NULL DEFAULT '{}'::jsonb, "response_body" text, "latency_ms" numeric, "attempted_at" timestamp with time zone NOT NULL DEFAULT now(), CONSTRAINT "failures_say_why" CHECK (((outcome = 'delivered'::text) OR (error_message IS NOT NULL))), CONSTRAINT "outcomes_are_known" CHECK ((outcome = ANY (ARRAY['delivered'::text, 'failed'::text, 'unknown'::text]))), CONSTRAINT "webhook_logs_delivery_id_attempt_key" UNIQUE (delivery_id, attempt));

ALTER TABLE "public"."webhook_logs" ENABLE ROW LEVEL SECURITY;

ALTER TABLE "public"."webhook_logs" OWNER TO "postgres";

CREATE TABLE "public"."webhook_refusals" ("id" uuid NOT NULL, "endpoint_id" uuid NOT NULL, "user_id" uuid NOT NULL, "status" integer NOT NULL, "code" text NOT NULL, "reason" text NOT NULL, "method" text NOT NULL, "headers" jsonb NOT NULL, "body_bytes" integer, "body_start" text, "created_at" timestamp with time zone NOT NULL, CONSTRAINT "body_starts_are_bounded" CHECK ((length(body_start) <= 22000)), CONSTRAINT "codes_are_names" CHECK ((code ~ '^[a-z_]{1,50}$'::text)), CONSTRAINT "headers_are_a_bounded_object" CHECK (((jsonb_typeof(headers) = 'object'::text) AND (length((headers)::text) <= 32768))), CONSTRAINT "methods_are_short" CHECK ((length(method) <= 20)), CONSTRAINT "reasons_are_bounded" CHECK ((length(reason) <= 500)), CONSTRAINT "refusals_are_the_senders_fault" CHECK (((status >= 400) AND (status <= 499))), CONSTRAINT "webhook_refusals_pkey" PRIMARY KEY (id));

ALTER TABLE "public"."webhook_refusals" ENABLE ROW LEVEL SECURITY;

ALTER TABLE "public"."webhook_refusals" OWNER TO "postgres";

CREATE TABLE "public"."webhooks" ("id" uuid NOT NULL DEFAULT gen_random_uuid(), "name" text NOT NULL, "url" text NOT NULL, "description" text, "events" text[] NOT NULL, "active" boolean NOT NULL DEFAULT true, "kind" text NOT NULL DEFAULT 'http'::text, "signature_profile" text NOT NULL DEFAULT 'standard'::text, "signature_settings" jsonb NOT NULL DEFAULT '{}'::jsonb, "body_style" text NOT NULL DEFAULT 'compact'::text, "slack_settings" jsonb NOT NULL DEFAULT '{}'::jsonb, "header_names" text[] NOT NULL DEFAULT '{}'::text[], "filter" text NOT NULL DEFAULT ''::text, "timeout_seconds" integer NOT NULL DEFAULT 15, "rate_limit_per_minute" integer, "disabled_reason" text, "active_since" timestamp with time zone NOT NULL DEFAULT now(), "created_at" timestamp with time zone NOT NULL DEFAULT now(), "updated_at" timestamp with time zone NOT NULL DEFAULT now(), CONSTRAINT "body_styles_are_known" CHECK ((body_style = ANY (ARRAY['compact'::text, 'spaced'::text]))), CONSTRAINT "descriptions_are_bounded" CHECK ((length(description) <= 2000)), CONSTRAINT "disabled_webhooks_are_inactive" CHECK (((disabled_reason IS NULL) OR (NOT active))), CONSTRAINT "filters_are_bounded" CHECK ((length(filter) <= 2000)), CONSTRAINT "kinds_are_known" CHECK ((kind = ANY (ARRAY['http'::text, 'slack'::text]))), CONSTRAINT "names_are_short" CHECK (((length(name) >= 1) AND (length(name) <= 200))), CONSTRAINT "profiles_are_known" CHECK ((signature_profile = ANY (ARRAY['standard'::text, 'chatbots'::text, 'whatscrm'::text, 'autoresponder'::text, 'custom'::text]))), CONSTRAINT "rate_limits_are_positive" CHECK (((rate_limit_per_minute >= 1) AND (rate_limit_per_minute <= 1000000))), CONSTRAINT "signature_settings_are_a_small_shallow_object" CHECK (((jsonb_typeof(signature_settings) = 'object'::text) AND (NOT jsonb_path_exists(signature_settings, '$.**{4}'::jsonpath)) AND (pg_column_size(signature_settings) <= 8192))), CONSTRAINT "slack_settings_are_a_small_shallow_object" CHECK (((jsonb_typeof(slack_settings) = 'object'::text) AND (NOT jsonb_path_exists(slack_settings, '$.**{4}'::jsonpath)) AND (pg_column_size(slack_settings) <= 8192))), CONSTRAINT "timeouts_are_bounded" CHECK (((timeout_seconds >= 1) AND (timeout_seconds <= 30))), CONSTRAINT "urls_are_web_addresses" CHECK (((url ~ '^https?://[^[:space:]]+$'::text) AND (length(url) <= 2048))), CONSTRAINT "webhooks_pkey" PRIMARY KEY (id), "created_by" uuid NOT NULL DEFAULT auth.uid());

ALTER TABLE "public"."webhooks" ENABLE ROW LEVEL SECURITY;

ALTER TABLE "public"."webhooks" OWNER TO "postgres";

CREATE TYPE "private"."delivery_result" AS ("id" uuid, "lease_id" uuid, "attempt" integer, "state" text, "delay_seconds" double precision, "disable_reason" text, "log_id" uuid, "error_code" text, "error_message" text, "request_url" text, "request_headers" jsonb, "request_body_sha256" text, "response_status" integer, "response_headers" jsonb, "response_body" text, "latency_ms" numeric, "attempted_at" timestamp with time zone);

ALTER TYPE "private"."delivery_result" OWNER TO "postgres";

CREATE TYPE "private"."outgoing_event" AS ("user_id" uuid, "type" text, "data" json, "idempotency_key" text);

ALTER TYPE "private"."outgoing_event" OWNER TO "postgres";

CREATE TYPE "private"."preparation" AS ("event_id" uuid, "user_id" uuid, "endpoint_id" uuid, "entity_table" text, "is_person" boolean, "person" jsonb, "fields" jsonb, "person_id" uuid, "entity_id" uuid, "is_person_itself" boolean);

ALTER TYPE "private"."preparation" OWNER TO "postgres";

CREATE TYPE "private"."prepare_result" AS ("id" uuid, "person" jsonb, "fields" jsonb, "error" text, "final" boolean);

ALTER TYPE "private"."prepare_result" OWNER TO "postgres";

CREATE TYPE "private"."record_draft" AS ("place" integer, "event_id" uuid, "user_id" uuid, "id" uuid, "fields" jsonb, "is_new" boolean, "found_by" text[]);

ALTER TYPE "private"."record_draft" OWNER TO "postgres";

CREATE TYPE "private"."step" AS ("webhook_event_id" uuid, "user_id" uuid, "action_type" text, "config" jsonb, "result" jsonb);

ALTER TYPE "private"."step" OWNER TO "postgres";

CREATE TYPE "public"."webhook_delivery_status" AS ENUM ('pending', 'delivering', 'delivered', 'failed', 'filtered');

ALTER TABLE "public"."webhook_deliveries" ADD COLUMN "status" public.webhook_delivery_status NOT NULL DEFAULT 'pending'::public.webhook_delivery_status;

ALTER TYPE "public"."webhook_delivery_status" OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.add_deliveries(p_event_ids uuid[])
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO ''
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  v_added integer;
begin
  insert into public.webhook_deliveries (published_event_id, webhook_id, user_id)
  select e.id, w.id, w.created_by
  from public.published_events e
  cross join lateral (
    -- A webhook that is being deleted is passed over: waited for, it would take the publisher's transaction down with it. What
    -- never waits needs no order, and asked for one, PostgreSQL may read everybody's webhooks in it.
    select h.id, h.created_by from public.webhooks h
    where h.created_by = e.user_id and h.active and h.events && private.patterns_of(e.type)
    for key share skip locked) w
  where e.id = any (p_event_ids)
  order by e.id, w.id
  on conflict (published_event_id, webhook_id) do nothing;
  get diagnostics v_added = row_count;
  if v_added > 0 then
    perform private.wake('dispatch');
  end if;
  return v_added;
end
$function$;

ALTER FUNCTION "private"."add_deliveries"(uuid[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.add_webhook_state()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  insert into private.webhook_states (webhook_id) values (new.id);
  return null;
end
$function$;

ALTER FUNCTION "private"."add_webhook_state"() OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.apply_action(p_event public.webhook_events, p_action_id uuid, p_action_type text, p_config jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_id uuid;
  v_key text;
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
    when 'call_webhook' then
      -- The key outlives the log, so that an event whose log was lost is not told twice either.
      v_key := format('rule:%s:%s', p_event.id, p_action_id);
      v_id := (private.publish(array[row(p_event.user_id, p_config ->> 'event', p_config -> 'data', v_key)::private.outgoing_event]))[1];
      return jsonb_build_object('published_event_id', coalesce(v_id, (
        select e.id from public.published_events e where e.user_id = p_event.user_id and e.idempotency_key = v_key)));
    else
      raise exception 'There is no action %', quote_ident(p_action_type) using errcode = 'WH001';
  end case;
end
$function$;

ALTER FUNCTION "private"."apply_action"(public.webhook_events, uuid, text, jsonb) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.approve_events(p_event_ids text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
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
    select private.log_steps(array_agg(row(a.id, a.user_id, 'approve', null, jsonb_build_object('by', (select auth.uid())))::private.step)) from approved a
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
$function$;

CREATE OR REPLACE FUNCTION private.are_event_patterns(p_events text[])
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select array_ndims(p_events) = 1 and cardinality(p_events) between 1 and 100
    and (select bool_and(coalesce(e = '*' or private.is_event_name(regexp_replace(e, '\.\*$', '')), false)) from unnest(p_events) e)
$function$;

ALTER FUNCTION "private"."are_event_patterns"(text[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.body_facts(p_event_id uuid)
 RETURNS jsonb
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select jsonb_build_object('size', length(b.body), 'sha256', encode(sha256(b.body), 'hex'), 'content_type', b.content_type)
  from public.webhook_events e
  join private.webhook_bodies b on b.webhook_event_id = e.id
  where e.id = p_event_id and private.owns(e.user_id)
$function$;

ALTER FUNCTION "private"."body_facts"(uuid) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.call_function(p_function text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_called text := 'switchhook.called_' || p_function;
  v_url text;
  v_secret text;
begin
  -- One call is enough for a transaction, as one notification is, however many statements wake the function.
  if not private.functions_are_known() or current_setting(v_called, true) = 'true' then
    return false;
  end if;
  select coalesce(
      rtrim(max(s.decrypted_secret) filter (where s.name = format('switchhook_%s_url', p_function)), '/'),
      rtrim(max(s.decrypted_secret) filter (where s.name = 'switchhook_functions_url'), '/')
        || '/functions/v1/' || replace(p_function, '_', '-')),
    max(s.decrypted_secret) filter (where s.name = 'switchhook_functions_secret')
  into v_url, v_secret
  from vault.decrypted_secrets s
  where s.name in (format('switchhook_%s_url', p_function), 'switchhook_functions_url', 'switchhook_functions_secret');
  if v_url is null or v_secret is null then
    return false;
  end if;
  -- This writes one row; pg_net posts after the commit. It hangs up after 5 seconds and gets on with other calls, which
  -- does not end what the function is doing.
  perform net.http_post(
    url := v_url, body := '{}'::jsonb, timeout_milliseconds := 5000,
    headers := jsonb_build_object('Content-Type', 'application/json', 'Authorization', 'Bearer ' || v_secret));
  perform set_config(v_called, 'true', true);
  return true;
exception when others then
  -- A call that is not made costs one sweep's interval; an error here would cost the caller its transaction.
  return false;
end
$function$;

ALTER FUNCTION "private"."call_function"(text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.claimed_deliveries(p_lease_id uuid, p_leased public.webhook_deliveries[])
 RETURNS json
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."claimed_deliveries"(uuid, public.webhook_deliveries[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.classified_anew(p_event public.webhook_events, p_result jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_type text := (private.entity_type(p_event.user_id, p_result ->> 'entity_table')).name;
  v_is_person boolean := coalesce((p_result ->> 'is_person')::boolean, false);
  v_next text;
begin
  select case when p.processing_mode = 'automatic' and v_type is not null and (p_result ->> 'confidence')::numeric >= p.confidence_threshold
    then 'prepare' else 'review' end
  into v_next from public.webhook_endpoints p where p.id = p_event.endpoint_id;
  if p_event.status <> 'failed' and not (p_event.stage = 'review' and v_next = 'prepare')
    and p_event.entity_table is not distinct from v_type and p_event.is_person is not distinct from v_is_person then
    return null;
  end if;
  return jsonb_build_object(
    'before', jsonb_build_object('entity_table', p_event.entity_table, 'is_person', p_event.is_person, 'confidence', p_event.ai_confidence,
      'classified_by', p_event.classified_by, 'status', p_event.status, 'stage', p_event.stage),
    'after', jsonb_build_object('entity_table', v_type, 'is_person', v_is_person, 'confidence', p_result -> 'confidence',
      'classified_by', p_result -> 'classified_by', 'stage', v_next));
end
$function$;

ALTER FUNCTION "private"."classified_anew"(public.webhook_events, jsonb) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.comparable(p_row json)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
begin
  return p_row::jsonb - 'updated_at';
exception
  when data_exception or statement_too_complex or program_limit_exceeded then
    return jsonb_build_object('md5', md5(p_row::text));
end
$function$;

ALTER FUNCTION "private"."comparable"(json) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.delete_old(p_days integer, p_limit integer DEFAULT 1000)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_before timestamptz := now() - make_interval(days => p_days);
begin
  if p_days is null or p_days < 0 or p_limit is null or p_limit not between 1 and 10000 then
    raise exception 'Days are 0 (keep all) or more, the limit is 1 to 10000' using errcode = 'PT400', detail = 'WH001';
  end if;
  if p_days = 0 then
    return jsonb_build_object('events', 0, 'published_events', 0);
  end if;
  return jsonb_build_object(
    'events', private.delete_old_events(v_before, p_limit),
    'published_events', private.delete_old_published_events(v_before, p_limit));
end
$function$;

ALTER FUNCTION "private"."delete_old"(integer, integer) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.delete_old_events(p_before timestamp with time zone, p_limit integer)
 RETURNS integer
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  -- What is locked is left for the next time: nothing here waits. Bodies and logs go with their events.
  with old as (
    select e.id from public.webhook_events e
    where e.id < private.first_id_at(p_before) and e.status in ('processed', 'failed') and coalesce(e.processed_at, e.run_after) < p_before
    order by e.id limit p_limit
    for update skip locked
  ), gone as (
    delete from public.webhook_events e using old where e.id = old.id returning e.id
  )
  select count(*)::integer from gone
$function$;

ALTER FUNCTION "private"."delete_old_events"(timestamp with time zone, integer) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.delete_old_published_events(p_before timestamp with time zone, p_limit integer)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_ids uuid[];
  v_deleted integer;
begin
  -- Locked first, so that no delivery is added meanwhile; then what has an unfinished, a recent or a locked one is left alone.
  select array_agg(old.id) into v_ids from (
    select p.id from public.published_events p
    where p.id < private.first_id_at(p_before) and not exists (
      select from public.webhook_deliveries d
      where d.published_event_id = p.id and (d.finished_at is null or d.finished_at >= p_before))
    order by p.id limit p_limit
    for update of p skip locked) old;
  delete from public.webhook_deliveries d
  where d.id in (
    select o.id from public.webhook_deliveries o
    where o.published_event_id = any (v_ids) and o.finished_at < p_before
    order by o.id
    for update skip locked);
  delete from public.published_events p
  where p.id = any (v_ids) and not exists (select from public.webhook_deliveries d where d.published_event_id = p.id);
  get diagnostics v_deleted = row_count;
  return v_deleted;
end
$function$;

ALTER FUNCTION "private"."delete_old_published_events"(timestamp with time zone, integer) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.disable_webhook(p_webhook_id uuid, p_reason text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."disable_webhook"(uuid, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.due_deliveries(p_webhook public.webhooks, p_state private.webhook_states, p_limit integer, p_per_webhook integer, p_picked uuid[])
 RETURNS uuid[]
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."due_deliveries"(public.webhooks, private.webhook_states, integer, integer, uuid[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.entity_type(p_user_id uuid, p_name text)
 RETURNS public.entity_types
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_type public.entity_types;
begin
  select t.* into v_type from public.entity_types t
  where t.name = p_name and (t.user_id = p_user_id or t.user_id is null)
  order by t.user_id nulls last
  limit 1;
  return v_type;
end
$function$;

ALTER FUNCTION "private"."entity_type"(uuid, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.fetched_events(p_endpoint public.webhook_endpoints, p_events text)
 RETURNS json
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."fetched_events"(public.webhook_endpoints, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.find_person(p_new public.people, p_earlier_id uuid, OUT person_id uuid, OUT found_by text)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  -- Compared as rows, which is equality that one index alone can answer, and the least id without "order by". As long as there are
  -- few people, PostgreSQL sees no difference to reading all of the user's, and keeps to what it chose when there are many.
  if p_earlier_id is not null then
    select p.id, 'earlier_try' into person_id, found_by from public.people p where p.id = p_earlier_id;
  end if;
  if person_id is null and p_new.email is not null then
    select p.id, 'email' into person_id, found_by from public.people p
    where (lower(p.email), p.user_id) between (lower(p_new.email), p_new.user_id) and (lower(p_new.email), p_new.user_id);
  end if;
  if person_id is null and p_new.phone is not null then
    select p.id, 'phone' into person_id, found_by from public.people p
    where p.id = (
      select min(n.id::text)::uuid from public.people n
      where (n.phone, n.user_id) between (p_new.phone, p_new.user_id) and (p_new.phone, p_new.user_id) and n.phone is not null);
  end if;
  if person_id is null and p_new.external_id is not null then
    select p.id, 'external_id' into person_id, found_by from public.people p
    where p.id = (
      select min(n.id::text)::uuid from public.people n
      where (n.endpoint_id, n.user_id, n.external_id) between (p_new.endpoint_id, p_new.user_id, p_new.external_id)
        and (p_new.endpoint_id, p_new.user_id, p_new.external_id));
  end if;
end
$function$;

ALTER FUNCTION "private"."find_person"(public.people, uuid) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.find_records(p_type public.entity_types, p_drafts private.record_draft[])
 RETURNS private.record_draft[]
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  -- $1: the drafts, $2: the entity type's name, $3: its match columns.
  v_query constant text := $query$
    with known as materialized (
      select d.place, d.event_id, d.user_id, d.fields, d.id as tried_id,%1$s
        coalesce(
          -- The record of an earlier try, unless it was deleted or the event was classified anew as something else.
          (select t.id from public.%2$I t where t.id = d.id and t.user_id = d.user_id
            and exists (select from public.entities e where e.id = d.id and e.entity_table = $2)),
          %3$s) as id
      from unnest($1) d, jsonb_populate_record(null::public.%2$I, d.fields) r
    ), ordered as (
      -- Of those that mean the same record, one at a time: the second finds what the first has made.
      select k.*, row_number() over (partition by k.id, case when k.id is null then k.user_id end, %4$s order by k.place) as turn
      from known k
    )
    select array_agg(row(o.place, o.event_id, o.user_id, coalesce(o.id, gen_random_uuid()), o.fields, o.id is null,
      case when o.id = o.tried_id then array['earlier_try'] when o.id is not null then $3 end)::private.record_draft order by o.place)
    from ordered o where o.turn = 1
  $query$;
  v_keys text := '';
  v_match text := 'null';
  v_turns text := 'case when k.id is null then k.place end';
  v_found private.record_draft[];
begin
  if cardinality(p_type.match_columns) > 0 then
    select string_agg(format(' r.%I as key_%s,', m.name, m.place), ''),
      -- The least id without "order by", which would make an index of all ids look good.
      format('(select min(t.id::text)::uuid from public.%I t where t.user_id = d.user_id and %s)', p_type.target_table,
        string_agg(format('t.%I = r.%I', m.name, m.name), ' and ')),
      string_agg(format('case when k.id is null then k.key_%s end', m.place), ', ')
        || format(', case when k.id is null and (%s) then k.place end', string_agg(format('k.key_%s is null', m.place), ' or '))
    into v_keys, v_match, v_turns
    from unnest(p_type.match_columns) with ordinality as m (name, place);
  end if;
  execute format(v_query, v_keys, p_type.target_table, v_match, v_turns) into v_found using p_drafts, p_type.name, p_type.match_columns;
  return v_found;
end
$function$;

ALTER FUNCTION "private"."find_records"(public.entity_types, private.record_draft[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.finish_preparations(p_events private.preparation[], p_steps private.step[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  perform private.publish_because_of(null);
  insert into public.people_entities (user_id, person_id, entity_id)
  select e.user_id, e.person_id, e.entity_id from unnest(p_events) e
  where e.person_id <> e.entity_id
  on conflict do nothing;
  perform private.log_steps(p_steps || array(
    select row(e.event_id, e.user_id, 'link_person', null, jsonb_build_object('person_id', e.person_id, 'entity_id', e.entity_id))::private.step
    from unnest(p_events) e where e.person_id <> e.entity_id));
  perform private.settle_failures('prepare', array(select e.event_id from unnest(p_events) e));
  update public.webhook_events e
  set stage = 'rules', status = 'pending', person_id = p.person_id, entity_id = p.entity_id, lease_id = null, leased_until = null,
    attempts = 0, run_after = now(), error_message = null
  from unnest(p_events) p
  where e.id = p.event_id;
end
$function$;

ALTER FUNCTION "private"."finish_preparations"(private.preparation[], private.step[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.first_id_at(p_time timestamp with time zone)
 RETURNS uuid
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select (lpad(to_hex(greatest(0, (extract(epoch from p_time) * 1000)::bigint)), 12, '0') || '00000000000000000000')::uuid
$function$;

ALTER FUNCTION "private"."first_id_at"(timestamp with time zone) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.functions_are_known()
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  return to_regclass('net.http_request_queue') is not null and to_regclass('vault.decrypted_secrets') is not null;
end
$function$;

ALTER FUNCTION "private"."functions_are_known"() OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.give_back_tokens(p_ids uuid[])
 RETURNS void
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  update private.webhook_states s
  set window_used = greatest(0, s.window_used - o.number)
  from (select d.webhook_id, count(*)::integer as number from public.webhook_deliveries d where d.id = any (p_ids) group by d.webhook_id) o
  where s.webhook_id = o.webhook_id
$function$;

ALTER FUNCTION "private"."give_back_tokens"(uuid[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.has_foreign_triggers(p_table text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select exists (
    select from pg_catalog.pg_trigger t
    join pg_catalog.pg_class c on c.oid = t.tgrelid
    join pg_catalog.pg_proc f on f.oid = t.tgfoid
    where c.relnamespace = 'public'::regnamespace and c.relname = p_table and not t.tgisinternal
      and (f.pronamespace <> 'private'::regnamespace or f.proname = 'publish_rows'))
$function$;

ALTER FUNCTION "private"."has_foreign_triggers"(text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.is_deliverable(p_data json)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
begin
  -- As jsonb: what json lets through and parsers further on refuse (NUL, half a surrogate pair) is found here. A number that
  -- is too large for them has very many digits, or an exponent of three.
  return json_typeof(p_data) = 'object' and octet_length(p_data::text) <= 1048576 and not jsonb_path_exists(p_data::jsonb, '$.**{64}')
    and (p_data::text !~ '[0-9]{255}|[eE][+]?[0-9]{3}' or not jsonb_path_exists(p_data::jsonb, '$.** ? (@ > 1e308 || @ < -1e308)'));
exception
  when data_exception or statement_too_complex or program_limit_exceeded then
    return false;
end
$function$;

ALTER FUNCTION "private"."is_deliverable"(json) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.is_event_name(p_name text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select length(p_name) <= 128 and p_name ~ '^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$'
$function$;

ALTER FUNCTION "private"."is_event_name"(text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.lease_deliveries(p_ids uuid[], p_lease_id uuid, p_lease_seconds integer, p_is_counted boolean)
 RETURNS SETOF public.webhook_deliveries
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  update public.webhook_deliveries d
  set status = 'delivering', lease_id = p_lease_id, leased_until = clock_timestamp() + make_interval(secs => p_lease_seconds),
    attempts = d.attempts + 1,
    counted_in = case when p_is_counted then (
      select nullif(s.window_started_at, '-infinity') from private.webhook_states s where s.webhook_id = d.webhook_id) end
  where d.id = any (p_ids) and d.finished_at is null
  returning d.*
$function$;

ALTER FUNCTION "private"."lease_deliveries"(uuid[], uuid, integer, boolean) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.lease_events(p_stage public.webhook_event_stage, p_limit integer, p_lease_seconds integer, p_event_ids text, p_lease_id uuid)
 RETURNS SETOF public.webhook_events
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  -- Read before the table is, which may not ask for it when it is empty: what is no id is refused.
  v_named uuid[] := private.as_uuids(p_event_ids);
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
      where e.id = any (v_named) and e.stage = p_stage and e.status in ('pending', 'processing')
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
$function$;

CREATE OR REPLACE FUNCTION private.lease_replay(p_stage public.webhook_event_stage, p_limit integer, p_lease_seconds integer)
 RETURNS public.event_replays
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  update public.event_replays r
  set status = 'running', lease_id = gen_random_uuid(), leased_until = clock_timestamp() + make_interval(secs => p_lease_seconds),
    batch_id = r.after_id, attempts = r.attempts + 1
  where r.id = (
    select d.id from public.event_replays d
    where d.stage = p_stage and d.finished_at is null and coalesce(d.leased_until, d.run_after) <= now()
      -- A real replay puts no more into its owner's queue than a worker takes at once, so that what comes in meanwhile need not wait.
      and (d.is_dry_run or p_limit > (
        select count(*) from (
          select from public.webhook_events e
          where e.stage = p_stage and e.status in ('pending', 'processing') and e.stage in ('classify', 'prepare', 'rules')
            and e.user_id = d.user_id
          limit p_limit) waiting))
    order by coalesce(d.leased_until, d.run_after)
    limit 1
    for update skip locked)
  returning r.*
$function$;

ALTER FUNCTION "private"."lease_replay"(public.webhook_event_stage, integer, integer) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.lend_endpoint_secret(p_endpoint_id uuid, p_ciphertext text)
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_expires_at timestamptz := now() + interval '2 minutes';
begin
  perform from public.webhook_endpoints e where e.id = p_endpoint_id and private.owns(e.created_by) for update;
  if not found then
    raise exception 'No such endpoint' using errcode = 'PT404', detail = 'WH007';
  end if;
  delete from private.endpoint_secrets s where s.endpoint_id = p_endpoint_id and s.expires_at <= now();
  if (select count(*) from private.endpoint_secrets s where s.endpoint_id = p_endpoint_id) >= 20 then
    raise exception 'There were many tests just now; wait two minutes' using errcode = 'PT429', detail = 'WH014';
  end if;
  -- Older than all, since the newest secret is the one that the source has.
  insert into private.endpoint_secrets (endpoint_id, ciphertext, created_at, expires_at)
  values (p_endpoint_id, p_ciphertext, '-infinity', v_expires_at);
  return v_expires_at;
end
$function$;

ALTER FUNCTION "private"."lend_endpoint_secret"(uuid, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.log_actions(p_logs public.webhook_event_logs[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into public.webhook_event_logs
  select l.* from unnest(p_logs) l
  on conflict (webhook_event_id, rule_id, action_id, action_type) do update set
    action_config = excluded.action_config, success = excluded.success, error_message = excluded.error_message,
    result = excluded.result, duration_ms = excluded.duration_ms, processed_at = excluded.processed_at;
end
$function$;

ALTER FUNCTION "private"."log_actions"(public.webhook_event_logs[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.log_attempts(p_results private.delivery_result[])
 RETURNS void
 LANGUAGE sql
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."log_attempts"(private.delivery_result[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.log_steps(p_steps private.step[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into public.webhook_event_logs (webhook_event_id, user_id, action_type, action_config, success, result)
  select s.webhook_event_id, s.user_id, s.action_type, coalesce(s.config, '{}'), true, coalesce(s.result, '{}') from unnest(p_steps) s
  on conflict (webhook_event_id, rule_id, action_id, action_type) do update set
    action_config = excluded.action_config, result = excluded.result, success = true, error_message = null,
    processed_at = excluded.processed_at;
end
$function$;

ALTER FUNCTION "private"."log_steps"(private.step[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.make_record(p_event public.webhook_events, p_type_name text, p_fields jsonb)
 RETURNS uuid
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_draft private.record_draft := row(1, p_event.id, p_event.user_id, null, p_fields, null, null);
  v_id uuid := (private.upsert_records(private.entity_type(null, p_type_name), array[v_draft]))[1].id;
begin
  if p_event.person_id is not null then
    insert into public.people_entities (user_id, person_id, entity_id) values (p_event.user_id, p_event.person_id, v_id)
    on conflict do nothing;
  end if;
  return v_id;
end
$function$;

CREATE OR REPLACE FUNCTION private.max_delivery_attempts()
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$ select 11 $function$;

ALTER FUNCTION "private"."max_delivery_attempts"() OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.merge_person(p_old public.people, p_new public.people, p_is_news boolean)
 RETURNS public.people
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_merged public.people := p_old;
begin
  if p_old.email is null and p_new.email is not null and not exists (
      select from public.people o
      where (lower(o.email), o.user_id) between (lower(p_new.email), p_old.user_id) and (lower(p_new.email), p_old.user_id)) then
    v_merged.email := p_new.email;
  end if;
  v_merged.phone := coalesce(p_old.phone, p_new.phone);
  -- The id and the source that it is from go together.
  if p_old.external_id is null and p_new.external_id is not null then
    v_merged.endpoint_id := p_new.endpoint_id;
    v_merged.external_id := p_new.external_id;
  end if;
  if p_is_news then
    v_merged.name := coalesce(p_new.name, p_old.name);
    v_merged.first_name := coalesce(p_new.first_name, p_old.first_name);
    v_merged.last_name := coalesce(p_new.last_name, p_old.last_name);
    v_merged.company := coalesce(p_new.company, p_old.company);
    v_merged.title := coalesce(p_new.title, p_old.title);
  else
    v_merged.name := coalesce(p_old.name, p_new.name);
    v_merged.first_name := coalesce(p_old.first_name, p_new.first_name);
    v_merged.last_name := coalesce(p_old.last_name, p_new.last_name);
    v_merged.company := coalesce(p_old.company, p_new.company);
    v_merged.title := coalesce(p_old.title, p_new.title);
  end if;
  return v_merged;
end
$function$;

ALTER FUNCTION "private"."merge_person"(public.people, public.people, boolean) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.next_concurrency(p_concurrency integer, p_successes integer, p_failures integer, p_slowest_ms numeric)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  -- As TCP begins: one more for each that is answered within a second, so twice as many after as many as may be under way. Who fails
  -- or takes five seconds gets half as many.
  select case
    when p_failures > 0 or p_slowest_ms >= 5000 then greatest(4, p_concurrency / 2)
    when p_slowest_ms < 1000 then least(1000, p_concurrency + p_successes)
    else p_concurrency end
$function$;

ALTER FUNCTION "private"."next_concurrency"(integer, integer, integer, numeric) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.next_delivery_at()
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  -- What is due and was not claimed is held back by a cap or a lock, and nobody knows for how long: it is named last.
  select coalesce(min(n.at) filter (where n.at > now()), min(n.at)) from (
    select greatest(d.due, case when w.rate_limit_per_minute <= s.window_used then s.window_started_at + interval '1 minute' end) as at
    from private.webhooks_with_deliveries('00000000-0000-0000-0000-000000000000', 4096, false) d
    join public.webhooks w on w.id = d.webhook_id and w.active
    join private.webhook_states s on s.webhook_id = w.id) n
$function$;

ALTER FUNCTION "private"."next_delivery_at"() OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.note_outcomes(p_results private.delivery_result[], p_held uuid[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."note_outcomes"(private.delivery_result[], uuid[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.note_silence(p_ids uuid[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."note_silence"(uuid[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.override_event(p_event_id uuid, p_entity_table text, p_is_person boolean)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
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
  -- Events that name no type may be anything: what is right for one says nothing about the next.
  if v_event.event_type <> 'unknown' and (p_entity_table is not null or p_is_person is not null) then
    insert into public.classification_overrides as o (user_id, endpoint_id, event_type, entity_table, is_person, decided_by)
    values (v_event.user_id, v_event.endpoint_id, v_event.event_type, p_entity_table, p_is_person, (select auth.uid()))
    on conflict (endpoint_id, event_type) do update set
      entity_table = coalesce(excluded.entity_table, o.entity_table), is_person = coalesce(excluded.is_person, o.is_person),
      decided_by = excluded.decided_by;
  end if;
  perform private.log_steps(array[row(v_event.id, v_event.user_id, 'override',
    jsonb_build_object('entity_table', p_entity_table, 'is_person', p_is_person), null)::private.step]);
  insert into public.audit_logs (user_id, actor_id, action, target_id, details)
  values (v_event.user_id, (select auth.uid()), 'event.override', v_event.id,
    jsonb_build_object('entity_table', p_entity_table, 'is_person', p_is_person));
  return jsonb_build_object('id', v_event.id, 'entity_table', v_event.entity_table, 'is_person', v_event.is_person);
end
$function$;

CREATE OR REPLACE FUNCTION private.parse_data(p_data text)
 RETURNS json
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
begin
  if private.is_deliverable(p_data::json) then
    return p_data;
  end if;
  raise invalid_text_representation;
exception
  when data_exception or statement_too_complex then
    raise exception 'The data is a JSON object of at most 1 MiB and 64 levels, with numbers within ±1e308, without NUL or half a surrogate pair'
      using errcode = 'PT400', detail = 'WH001';
end
$function$;

ALTER FUNCTION "private"."parse_data"(text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.patterns_of(p_type text)
 RETURNS text[]
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select array['*', p_type] || array(
    select array_to_string((string_to_array(p_type, '.'))[1:n], '.') || '.*'
    from generate_series(1, cardinality(string_to_array(p_type, '.')) - 1) n)
$function$;

ALTER FUNCTION "private"."patterns_of"(text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.pick_deliveries(p_limit integer, p_per_webhook integer)
 RETURNS uuid[]
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."pick_deliveries"(integer, integer) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.prepare_events(p_results private.prepare_result[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_event private.preparation;
  v_events private.preparation[] := '{}';
  v_record private.record_draft;
  v_found_by text;
  v_target text;
  v_steps private.step[] := '{}';
begin
  -- People one by one: the next event may speak of the one that was just made.
  for v_event in
    select e.id, e.user_id, e.endpoint_id, e.entity_table, coalesce(e.is_person, false), r.person, coalesce(r.fields, '{}'), e.person_id, e.entity_id
    from unnest(p_results) r join public.webhook_events e on e.id = r.id
    order by e.id
  loop
    v_target := (private.entity_type(v_event.user_id, v_event.entity_table)).target_table;
    if v_target is null then
      raise exception 'There is no entity type %', v_event.entity_table using errcode = 'WH007';
    end if;
    v_event.is_person_itself := v_target = 'people';
    if v_event.is_person_itself then
      v_event.person := coalesce(v_event.person, v_event.fields);
    end if;
    if v_event.is_person_itself or (v_event.is_person and v_event.person is not null) then
      select p.person_id, p.found_by into v_event.person_id, v_found_by from private.prepare_person(v_event) p;
      if v_event.person_id is not null then
        v_steps := array_append(v_steps, row(v_event.event_id, v_event.user_id,
          case when v_found_by is null then 'create_person' else 'update_person' end, v_event.person,
          jsonb_build_object('person_id', v_event.person_id) || case when v_found_by is null then '{}'
            else jsonb_build_object('found_by', array[v_found_by]) end)::private.step);
      end if;
    else
      v_event.person_id := null;
    end if;
    if v_event.is_person_itself then
      v_event.entity_id := v_event.person_id;
    end if;
    v_events := array_append(v_events, v_event);
  end loop;

  foreach v_record in array private.prepare_records(v_events) loop
    v_events[v_record.place].entity_id := v_record.id;
    v_event := v_events[v_record.place];
    v_steps := array_append(v_steps, row(v_event.event_id, v_event.user_id,
      case when v_record.is_new then 'create_entity' else 'update_entity' end, v_event.fields,
      jsonb_build_object('entity_id', v_record.id, 'entity_table', v_event.entity_table) || case when v_record.is_new then '{}'
        else jsonb_build_object('found_by', v_record.found_by) end)::private.step);
  end loop;
  perform private.finish_preparations(v_events, v_steps);
end
$function$;

ALTER FUNCTION "private"."prepare_events"(private.prepare_result[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.prepare_person(p_event private.preparation, OUT person_id uuid, OUT found_by text)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_new public.people := jsonb_populate_record(null::public.people, p_event.person);
begin
  v_new.user_id := p_event.user_id;
  v_new.endpoint_id := p_event.endpoint_id;
  v_new.kind := case when p_event.is_person then 'person' else 'automated' end;
  perform private.publish_because_of(p_event.event_id);
  -- An event about the person tells news of them; one about an order only fills in what was not known.
  select u.person_id, u.found_by into person_id, found_by
  from private.upsert_person(v_new, p_event.person_id, p_event.is_person_itself) u;
  if person_id is null and p_event.is_person_itself then
    raise exception 'Nothing in the payload says who this is (no email, phone, id or name)' using errcode = 'WH001';
  end if;
end
$function$;

ALTER FUNCTION "private"."prepare_person"(private.preparation) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.prepare_records(p_events private.preparation[])
 RETURNS private.record_draft[]
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_group record;
  v_type public.entity_types;
  v_done private.record_draft[] := '{}';
begin
  -- Of a type, not of a name: the same name may mean another table to another user.
  for v_group in
    select t.type_id, array_agg(row(e.place, e.event_id, e.user_id, e.entity_id, e.fields, null, null)::private.record_draft order by e.place) as drafts
    from unnest(p_events) with ordinality as e (event_id, user_id, endpoint_id, entity_table, is_person, person, fields, person_id, entity_id,
      is_person_itself, place)
    cross join lateral (select (private.entity_type(e.user_id, e.entity_table)).id as type_id) t
    where not e.is_person_itself
    group by t.type_id
    order by min(e.place)
  loop
    select t.* into v_type from public.entity_types t where t.id = v_group.type_id;
    v_done := v_done || private.upsert_records(v_type, v_group.drafts);
  end loop;
  return v_done;
end
$function$;

ALTER FUNCTION "private"."prepare_records"(private.preparation[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.prepared_anew(p_event public.webhook_events, p_result jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_is_about_people boolean := (private.entity_type(p_event.user_id, p_event.entity_table)).target_table = 'people';
  v_fields jsonb := coalesce(nullif(p_result -> 'fields', 'null'), '{}');
  v_person jsonb := nullif(p_result -> 'person', 'null');
  v_before jsonb;
  v_after jsonb;
begin
  v_person := case when v_is_about_people then coalesce(v_person, v_fields) when p_event.is_person then v_person end;
  -- As finish_prepare would: nobody is made of nothing.
  if coalesce(v_person ->> 'email', v_person ->> 'phone', v_person ->> 'external_id', v_person ->> 'name') is null then
    v_person := null;
  end if;
  v_after := jsonb_strip_nulls(jsonb_build_object('person', v_person, 'fields', case when v_is_about_people then null else v_fields end));
  select coalesce(jsonb_object_agg(l.name, l.action_config), '{}') into v_before from (
    select distinct on (n.name) n.name, g.action_config
    from public.webhook_event_logs g, lateral (select case when g.action_type like '%_person' then 'person' else 'fields' end as name) n
    where g.webhook_event_id = p_event.id and g.action_type in ('create_person', 'update_person', 'create_entity', 'update_entity') and g.success
    order by n.name, g.processed_at desc) l;
  v_before := jsonb_strip_nulls(v_before);
  if p_event.status <> 'failed' and p_event.entity_id is not null and not exists (
      select from jsonb_each(v_after) a where a.value is distinct from v_before -> a.key) then
    return null;
  end if;
  return jsonb_build_object('before', v_before || jsonb_build_object('status', p_event.status), 'after', v_after);
end
$function$;

ALTER FUNCTION "private"."prepared_anew"(public.webhook_events, jsonb) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.publish(p_events private.outgoing_event[])
 RETURNS uuid[]
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_cause uuid := nullif(current_setting('switchhook.webhook_event_id', true), '')::uuid;
  v_ids uuid[];
begin
  with stored as (
    insert into public.published_events (user_id, type, data, idempotency_key, webhook_event_id)
    select e.user_id, e.type, e.data, e.idempotency_key, case when v_cause is not null then (
      select w.id from public.webhook_events w where w.user_id = e.user_id and w.id = v_cause) end
    from unnest(p_events) e
    on conflict (user_id, idempotency_key) do nothing
    returning id
  )
  select coalesce(array_agg(s.id), '{}') into v_ids from stored s;
  if cardinality(v_ids) > 0 then
    perform private.add_deliveries(v_ids);
  end if;
  return v_ids;
end
$function$;

ALTER FUNCTION "private"."publish"(private.outgoing_event[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.publish_because_of(p_event_id uuid)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  perform pg_catalog.set_config('switchhook.webhook_event_id', coalesce(p_event_id::text, ''), true);
end
$function$;

ALTER FUNCTION "private"."publish_because_of"(uuid) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.publish_event(p_type text, p_data text, p_user_id uuid, p_idempotency_key text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  v_data json := private.parse_data(p_data);
  v_id uuid;
  v_is_new boolean;
begin
  -- The Data API always sets a role; who has none is connected to the database itself.
  if current_setting('role') not in ('none', 'postgres', 'service_role') and not private.owns(p_user_id) then
    raise exception 'Events are published for oneself' using errcode = 'PT403', detail = 'WH006';
  end if;
  if p_user_id is null or not coalesce(private.is_event_name(p_type), false) then
    raise exception 'The type is words of letters, digits, _ and - with dots between them, 128 characters at most' using errcode = 'PT400', detail = 'WH001';
  end if;
  if length(p_idempotency_key) not between 1 and 255 then
    raise exception 'An idempotency key has 1 to 255 characters' using errcode = 'PT400', detail = 'WH001';
  end if;
  v_id := (private.publish(array[row(p_user_id, p_type, v_data, p_idempotency_key)::private.outgoing_event]))[1];
  v_is_new := v_id is not null;
  if not v_is_new then
    select e.id into v_id from public.published_events e where e.user_id = p_user_id and e.idempotency_key = p_idempotency_key;
  end if;
  return jsonb_build_object('id', v_id, 'state', case when v_is_new then 'published' else 'duplicate' end,
    'deliveries', (select count(*) from public.webhook_deliveries d where d.published_event_id = v_id));
end
$function$;

ALTER FUNCTION "private"."publish_event"(text, text, uuid, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.publish_rows()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_name text := tg_argv[0];
  v_changes jsonb := tg_argv[1]::jsonb;
  v_events private.outgoing_event[];
begin
  -- Rows of users who are not there (any more) are left out: a change must not fail because it cannot be told.
  if tg_op = 'INSERT' then
    select array_agg(row(n.user_id, v_name || '.created', private.row_as_data(v_name, row_to_json(n), to_jsonb(n.id)), null)::private.outgoing_event)
    into v_events from new_rows n join auth.users u on u.id = n.user_id;
  elsif tg_op = 'DELETE' then
    select array_agg(row(o.user_id, v_name || '.deleted', private.row_as_data(v_name, row_to_json(o), to_jsonb(o.id)), null)::private.outgoing_event)
    into v_events from old_rows o join auth.users u on u.id = o.user_id;
  else
    select array_agg(row(c.user_id, v_name || '.' || e.word, private.row_as_data(v_name, c.row, to_jsonb(c.id)), null)::private.outgoing_event)
    into v_events
    from (
      select n.id, n.user_id, row_to_json(n) as row, private.comparable(row_to_json(n)) as after, private.comparable(row_to_json(o)) as before
      from new_rows n
      join old_rows o using (id)
      join auth.users u on u.id = n.user_id) c
    cross join lateral (
      select 'updated' as word
      union all
      select n.value ->> (c.after ->> n.key) from jsonb_each(v_changes) n
      where c.after -> n.key is distinct from c.before -> n.key and n.value ? (c.after ->> n.key)) e
    where c.after <> c.before;
  end if;
  if v_events is not null then
    perform private.publish(v_events);
  end if;
  return null;
end
$function$;

ALTER FUNCTION "private"."publish_rows"() OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.queue_depth(p_user_id uuid)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object(
    'review', (select count(*) from (
      select from public.webhook_events e
      where e.stage = 'review' and (p_user_id is null or e.user_id = p_user_id) limit 10000) c),
    'events', (select count(*) from (
      select from public.webhook_events e
      where e.status in ('pending', 'processing') and e.stage in ('classify', 'prepare', 'rules')
        and (p_user_id is null or e.user_id = p_user_id) limit 10000) c),
    'deliveries', (select count(*) from (
      select from public.webhook_deliveries d
      where d.status in ('pending', 'delivering') and (p_user_id is null or d.user_id = p_user_id) limit 10000) c))
$function$;

ALTER FUNCTION "private"."queue_depth"(uuid) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.readable(p_record jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
begin
  -- JSON parsers of workers stop at some depth, and a batch holds many owners' rows: one of them must not spoil it for the others.
  return case
    when pg_column_size(p_record) > 1048576 then jsonb_build_object('id', p_record -> 'id')
    when jsonb_path_exists(p_record, '$.**{64}') then (
      select jsonb_object_agg(key, value) from jsonb_each(p_record) where jsonb_typeof(value) not in ('object', 'array'))
    else p_record
  end;
end
$function$;

ALTER FUNCTION "private"."readable"(jsonb) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.reconcile_endpoint(p_endpoint_id uuid, p_events text, p_state text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."reconcile_endpoint"(uuid, text, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.record_alone(p_result json)
 RETURNS uuid[]
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."record_alone"(json) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.record_attempts(p_results json)
 RETURNS uuid[]
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."record_attempts"(json) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.records(p_event_ids uuid[])
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_group record;
  v_some jsonb;
  v_records jsonb := '{}';
begin
  for v_group in
    select t.target_table, array_agg(e.id) as event_ids
    from public.webhook_events e
    cross join lateral (select (private.entity_type(e.user_id, e.entity_table)).target_table) t
    where e.id = any (p_event_ids) and t.target_table is not null
    group by t.target_table
  loop
    begin
      execute format('select jsonb_object_agg(e.id, private.readable((
          select to_jsonb(t) - ''user_id'' from public.%I t where t.id = e.entity_id and t.user_id = e.user_id)))
        from public.webhook_events e where e.id = any ($1)', v_group.target_table)
      into v_some using v_group.event_ids;
      v_records := v_records || coalesce(v_some, '{}');
    exception
      -- One owner's table that was dropped or closed must not keep everybody's events from being claimed.
      when syntax_error_or_access_rule_violation then
        null;
    end;
  end loop;
  return v_records;
end
$function$;

ALTER FUNCTION "private"."records"(uuid[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.recover_webhook(p_webhook_id uuid, p_since timestamp with time zone, p_until timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_owner uuid;
  v_queued uuid[];
begin
  select w.created_by into v_owner from public.webhooks w where w.id = p_webhook_id and private.owns(w.created_by);
  if v_owner is null then
    raise exception 'No such webhook' using errcode = 'PT404', detail = 'WH007';
  end if;
  if p_since is null then
    raise exception 'Say since when' using errcode = 'PT400', detail = 'WH001';
  end if;
  v_queued := private.requeue(array(
    select d.id from public.webhook_deliveries d
    where d.webhook_id = p_webhook_id and d.status = 'failed' and d.created_at >= p_since and d.created_at < coalesce(p_until, 'infinity')
      and not d.is_test));
  insert into public.audit_logs (user_id, actor_id, action, target_id, details)
  values (v_owner, (select auth.uid()), 'webhook.recover', p_webhook_id,
    jsonb_build_object('since', p_since, 'until', p_until, 'queued', cardinality(v_queued)));
  return jsonb_build_object('queued', cardinality(v_queued));
end
$function$;

ALTER FUNCTION "private"."recover_webhook"(uuid, timestamp with time zone, timestamp with time zone) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.replay_batch(p_stage public.webhook_event_stage, p_event_ids uuid[])
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_events jsonb;
begin
  if p_stage = 'rules' then
    return private.rules_batch(p_event_ids);
  end if;
  -- All that claim_classify and claim_prepare tell of an event.
  select jsonb_agg(jsonb_build_object('id', e.id, 'user_id', e.user_id, 'event_type', e.event_type, 'external_id', e.external_id,
      'payload', e.payload, 'attempts', e.attempts, 'entity_table', e.entity_table, 'is_person', e.is_person,
      'override', case when o.id is not null then
        jsonb_build_object('id', o.id, 'entity_table', o.entity_table, 'is_person', o.is_person) end,
      'endpoint', jsonb_build_object('id', p.id, 'slug', p.slug, 'name', p.name, 'scheme', p.scheme, 'field_maps', p.field_maps,
        'allowed_object_types', p.allowed_object_types, 'default_entity_table', p.default_entity_table,
        'confidence_threshold', p.confidence_threshold)) order by e.id)
  into v_events
  from public.webhook_events e
  join public.webhook_endpoints p on p.id = e.endpoint_id
  left join public.classification_overrides o on o.endpoint_id = e.endpoint_id and o.event_type = e.event_type
  where e.id = any (p_event_ids);
  return jsonb_build_object('events', coalesce(v_events, '[]'), 'entity_types', private.entity_types_of(array(
    select distinct e.user_id from public.webhook_events e where e.id = any (p_event_ids))));
end
$function$;

ALTER FUNCTION "private"."replay_batch"(public.webhook_event_stage, uuid[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.replay_candidates(p_replay public.event_replays, p_limit integer)
 RETURNS TABLE(id uuid, fits boolean)
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  -- Every event in order of id, whether it fits or not, so that a filter that few events pass costs no more than one that all do.
  select e.id,
    (p_replay.endpoint_id is null or e.endpoint_id = p_replay.endpoint_id)
    and (p_replay.entity_table is null or e.entity_table is not distinct from p_replay.entity_table)
    and e.created_at >= coalesce(p_replay.since, '-infinity') and e.created_at < coalesce(p_replay.until, 'infinity')
    and case p_replay.stage
      -- What a person decided stands.
      when 'classify' then (e.status in ('processed', 'failed') or e.stage = 'review') and coalesce(e.classified_by, '') not like 'user:%'
      when 'prepare' then e.status = 'processed' or (e.status = 'failed' and e.stage in ('prepare', 'rules'))
      else e.status = 'processed' or (e.status = 'failed' and e.stage = 'rules') end
  from public.webhook_events e
  where e.user_id = p_replay.user_id and e.id > p_replay.after_id and e.id <= p_replay.last_id
  order by e.id
  limit p_limit
$function$;

ALTER FUNCTION "private"."replay_candidates"(public.event_replays, integer) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.replay_difference(p_stage public.webhook_event_stage, p_event public.webhook_events, p_result jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_difference jsonb;
begin
  if p_result ? 'error' then
    return case when p_event.status <> 'failed' then jsonb_build_object(
      'before', jsonb_build_object('status', p_event.status), 'after', jsonb_build_object('error', left(p_result ->> 'error', 2000))) end;
  end if;
  v_difference := case p_stage
    when 'classify' then private.classified_anew(p_event, p_result)
    when 'prepare' then private.prepared_anew(p_event, p_result)
    else private.ruled_anew(p_event, p_result) end;
  -- A list of differences is for people to read.
  if length(v_difference::text) > 65536 then
    return jsonb_build_object('before', jsonb_build_object('status', p_event.status), 'after', jsonb_build_object('too_large', true));
  end if;
  return v_difference;
end
$function$;

ALTER FUNCTION "private"."replay_difference"(public.webhook_event_stage, public.webhook_events, jsonb) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.replay_event(p_event_id uuid)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_event public.published_events;
  v_queued uuid[];
  v_added integer;
begin
  select e.* into v_event from public.published_events e where e.id = p_event_id and private.owns(e.user_id);
  if v_event.id is null then
    raise exception 'No such event' using errcode = 'PT404', detail = 'WH007';
  end if;
  v_queued := private.requeue(array(
    select d.id from public.webhook_deliveries d where d.published_event_id = p_event_id));
  v_added := case when v_event.is_test then 0 else private.add_deliveries(array[p_event_id]) end;
  insert into public.audit_logs (user_id, actor_id, action, target_id, details)
  values (v_event.user_id, (select auth.uid()), 'event.replay', p_event_id,
    jsonb_build_object('queued', cardinality(v_queued), 'added', v_added));
  return jsonb_build_object('id', p_event_id, 'queued', cardinality(v_queued) + v_added);
end
$function$;

ALTER FUNCTION "private"."replay_event"(uuid) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.replay_function(p_stage public.webhook_event_stage)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select case p_stage when 'classify' then 'classify' when 'prepare' then 'prepare_for_rules' else 'process_rules' end
$function$;

ALTER FUNCTION "private"."replay_function"(public.webhook_event_stage) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.requeue(p_delivery_ids uuid[])
 RETURNS uuid[]
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_queued uuid[];
begin
  with finished as (
    select d.id from public.webhook_deliveries d
    where d.id = any (p_delivery_ids) and d.status in ('delivered', 'failed', 'filtered')
    order by d.id
    for no key update
  ), queued as (
    update public.webhook_deliveries d
    set status = 'pending', run_after = now(), attempts_before = d.attempts, finished_at = null
    from finished f
    where d.id = f.id
    returning d.id
  )
  select coalesce(array_agg(q.id), '{}') into v_queued from queued q;
  if cardinality(v_queued) > 0 then
    perform private.wake('dispatch');
  end if;
  return v_queued;
end
$function$;

ALTER FUNCTION "private"."requeue"(uuid[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.requeue_events(p_replay public.event_replays, p_event_ids uuid[])
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_requeued integer;
begin
  with finished as (
    select e.id from public.webhook_events e
    where e.id = any (p_event_ids) and e.user_id = p_replay.user_id and (e.status in ('processed', 'failed') or e.stage = 'review')
    order by e.id
    for update
  )
  update public.webhook_events e
  set stage = p_replay.stage, status = 'pending', attempts = 0, run_after = now(), processed_at = null, error_message = null
  from finished f
  where e.id = f.id;
  get diagnostics v_requeued = row_count;
  if v_requeued > 0 then
    perform private.wake(private.replay_function(p_replay.stage));
  end if;
  return v_requeued;
end
$function$;

ALTER FUNCTION "private"."requeue_events"(public.event_replays, uuid[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.retry_delivery(p_delivery_id uuid)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_delivery public.webhook_deliveries;
begin
  select d.* into v_delivery from public.webhook_deliveries d where d.id = p_delivery_id and private.owns(d.user_id);
  if v_delivery.id is null then
    raise exception 'No such delivery' using errcode = 'PT404', detail = 'WH007';
  end if;
  -- One that waits for its next attempt gets it now.
  update public.webhook_deliveries d set run_after = now() where d.id = p_delivery_id and d.status = 'pending' and d.run_after > clock_timestamp();
  if found then
    perform private.wake('dispatch');
  elsif cardinality(private.requeue(array[p_delivery_id])) = 0 then
    raise exception 'This delivery is still under way' using errcode = 'PT409', detail = 'WH017';
  end if;
  insert into public.audit_logs (user_id, actor_id, action, target_id)
  values (v_delivery.user_id, (select auth.uid()), 'delivery.retry', p_delivery_id);
  return jsonb_build_object('id', p_delivery_id, 'status', 'pending');
end
$function$;

ALTER FUNCTION "private"."retry_delivery"(uuid) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.rotate_webhook_secret(p_webhook_id uuid, p_ciphertext text, p_overlap_seconds integer)
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."rotate_webhook_secret"(uuid, text, integer) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.row_as_data(p_name text, p_row json, p_id jsonb)
 RETURNS json
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_data json;
begin
  -- json_object_agg keeps the order of the columns.
  select json_build_object(p_name, json_object_agg(c.key, c.value)) into v_data from json_each(p_row) c where c.key <> 'user_id';
  return case when private.is_deliverable(v_data) then v_data else json_build_object(p_name, json_build_object('id', p_id)) end;
exception
  when data_exception or statement_too_complex or program_limit_exceeded then
    return json_build_object(p_name, json_build_object('id', p_id));
end
$function$;

ALTER FUNCTION "private"."row_as_data"(text, json, jsonb) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.ruled_anew(p_event public.webhook_events, p_result jsonb)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('before', jsonb_strip_nulls(jsonb_build_object('status', p_event.status, 'error', p_event.error_message)),
    'after', jsonb_build_object('actions', coalesce((
      select jsonb_agg(a.value - 'duration_ms' order by a.place) from jsonb_array_elements(p_result -> 'actions') with ordinality as a (value, place)), '[]')))
  where p_event.status = 'failed' or jsonb_array_length(p_result -> 'actions') > 0
$function$;

ALTER FUNCTION "private"."ruled_anew"(public.webhook_events, jsonb) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.rules_batch(p_event_ids uuid[])
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_events jsonb;
  v_user_ids uuid[];
  v_entity_tables text[];
  v_records jsonb := private.records(p_event_ids);
begin
  select jsonb_agg(jsonb_build_object('id', e.id, 'user_id', e.user_id, 'event_type', e.event_type, 'external_id', e.external_id,
      'payload', e.payload, 'entity_table', e.entity_table, 'is_person', e.is_person, 'confidence', e.ai_confidence,
      'created_at', e.created_at,
      'endpoint', jsonb_build_object('id', p.id, 'slug', p.slug, 'name', p.name, 'scheme', p.scheme),
      'person', (select private.readable(to_jsonb(h) - 'user_id') from public.people h where h.id = e.person_id and h.user_id = e.user_id),
      'entity', v_records -> e.id::text,
      'done_actions', coalesce((select jsonb_agg(l.action_id) from public.webhook_event_logs l
        where l.webhook_event_id = e.id and l.action_id is not null and l.success), '[]')) order by e.id),
    array_agg(distinct e.user_id), array_agg(distinct e.entity_table)
  into v_events, v_user_ids, v_entity_tables
  from public.webhook_events e
  join public.webhook_endpoints p on p.id = e.endpoint_id
  where e.id = any (p_event_ids);
  if v_events is null then
    return jsonb_build_object('events', '[]'::jsonb, 'rules', '[]'::jsonb, 'invoice_field_maps', '[]'::jsonb);
  end if;
  return jsonb_build_object('events', v_events,
    'rules', coalesce((
      select jsonb_agg(jsonb_build_object('id', r.id, 'user_id', r.user_id, 'entity_table', r.entity_table, 'name', r.name,
        'condition', r.condition, 'priority', r.priority,
        'actions', coalesce((select jsonb_agg(jsonb_build_object('id', a.id, 'position', a.position, 'action_type', a.action_type,
          'action_config', a.action_config) order by a.position)
          from public.entity_rule_actions a where a.rule_id = r.id), '[]')) order by r.priority, r.created_at, r.id)
      from public.entity_automation_rules r
      where r.user_id = any (v_user_ids) and r.is_active and r.entity_table = any (v_entity_tables)), '[]'),
    'invoice_field_maps', (
      select coalesce(jsonb_agg(jsonb_build_object('user_id', t.user_id, 'field_map', t.field_map)), '[]')
      from public.entity_types t where t.name = 'invoice' and (t.user_id is null or t.user_id = any (v_user_ids))));
end
$function$;

ALTER FUNCTION "private"."rules_batch"(uuid[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.run_action(p_event public.webhook_events, p_action jsonb)
 RETURNS public.webhook_event_logs
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_log public.webhook_event_logs;
begin
  v_log.id := gen_random_uuid();
  v_log.webhook_event_id := p_event.id;
  v_log.user_id := p_event.user_id;
  v_log.rule_id := (p_action ->> 'rule_id')::uuid;
  v_log.action_id := (p_action ->> 'action_id')::uuid;
  v_log.action_type := p_action ->> 'action_type';
  v_log.action_config := coalesce(p_action -> 'action_config', '{}');
  v_log.error_message := p_action ->> 'error';
  v_log.result := '{}';
  v_log.duration_ms := (p_action ->> 'duration_ms')::numeric;
  if v_log.error_message is null then
    begin
      v_log.result := private.apply_action(p_event, v_log.action_id, v_log.action_type, v_log.action_config);
    exception
      when others then
        if private.may_pass(sqlstate) then
          raise;
        end if;
        v_log.error_message := left(sqlerrm, 2000);
    end;
  end if;
  v_log.success := v_log.error_message is null;
  v_log.processed_at := clock_timestamp();
  return v_log;
end
$function$;

ALTER FUNCTION "private"."run_action"(public.webhook_events, jsonb) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.run_actions(p_event public.webhook_events, p_actions jsonb)
 RETURNS public.webhook_event_logs[]
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_done uuid[] := array(
    select l.action_id from public.webhook_event_logs l where l.webhook_event_id = p_event.id and l.action_id is not null and l.success);
  v_action jsonb;
  v_log public.webhook_event_logs;
  v_logs public.webhook_event_logs[] := '{}';
begin
  for v_action in select value from jsonb_array_elements(p_actions) loop
    continue when (v_action ->> 'action_id')::uuid = any (v_done);
    v_log := private.run_action(p_event, v_action);
    v_logs := array_append(v_logs, v_log);
    v_done := array_append(v_done, v_log.action_id);
  end loop;
  return v_logs;
end
$function$;

ALTER FUNCTION "private"."run_actions"(public.webhook_events, jsonb) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.schedule(p_keep_days integer DEFAULT NULL::integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_days integer;
begin
  if to_regclass('cron.job') is null then
    return jsonb_build_object('scheduled', false, 'reason', 'The extension pg_cron is not there', 'calls', private.functions_are_known());
  end if;
  -- What somebody chose holds until they choose again: a migration schedules without saying how long.
  select coalesce(p_keep_days, max(substring(j.command from 'delete_old\((\d+)\)')::integer), 90) into v_days
  from cron.job j where j.jobname = 'switchhook-retention';
  begin
    perform cron.schedule('switchhook-sweep', '5 seconds', 'select private.sweep()');
  exception when others then
    -- pg_cron before 1.5 knows whole minutes only.
    perform cron.schedule('switchhook-sweep', '* * * * *', 'select private.sweep()');
  end;
  perform cron.schedule('switchhook-retention', '* * * * *', format('select private.delete_old(%s)', greatest(0, v_days)));
  perform cron.schedule('switchhook-history', '17 * * * *',
    'delete from cron.job_run_details d using cron.job j where j.jobid = d.jobid and j.jobname like ''switchhook-%'' and d.end_time < now() - interval ''1 day''');
  return jsonb_build_object('scheduled', true, 'keep_days', greatest(0, v_days), 'calls', private.functions_are_known());
exception when others then
  return jsonb_build_object('scheduled', false, 'reason', sqlerrm, 'calls', private.functions_are_known());
end
$function$;

ALTER FUNCTION "private"."schedule"(integer) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.settle_failures(p_stage public.webhook_event_stage, p_event_ids uuid[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  update public.webhook_event_logs l
  set success = true, error_message = null, processed_at = clock_timestamp()
  where l.webhook_event_id = any (p_event_ids) and l.action_id is null and l.action_type in (p_stage::text, 'condition') and not l.success;
end
$function$;

ALTER FUNCTION "private"."settle_failures"(public.webhook_event_stage, uuid[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.settle_webhook()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."settle_webhook"() OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.start_replay(p_replay text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  v_asked public.event_replays := jsonb_populate_record(null::public.event_replays, p_replay::jsonb);
  v_replay public.event_replays;
begin
  v_asked.user_id := coalesce((
    select p.created_by from public.webhook_endpoints p where p.id = v_asked.endpoint_id and private.owns(p.created_by)),
    case when v_asked.endpoint_id is null then (select auth.uid()) end);
  if v_asked.user_id is null then
    raise exception 'There is no such endpoint' using errcode = 'PT404', detail = 'WH007';
  end if;
  if v_asked.stage is null or v_asked.stage not in ('classify', 'prepare', 'rules') then
    raise exception 'Events can be replayed from classify, prepare or rules' using errcode = 'PT400', detail = 'WH001';
  end if;
  perform pg_catalog.pg_advisory_xact_lock(hashtextextended(v_asked.user_id::text, 2));
  if (select count(*) from public.event_replays r where r.user_id = v_asked.user_id and r.finished_at is null) >= 5 then
    raise exception 'Five replays are under way: wait for one, or delete one' using errcode = 'PT409', detail = 'WH017';
  end if;
  -- An id is made where the event comes in, by a clock that may not be quite ours.
  v_asked.after_id := private.first_id_at(coalesce(v_asked.since - interval '1 hour', 'epoch'));
  v_asked.last_id := (
    select e.id from public.webhook_events e
    where e.user_id = v_asked.user_id and (v_asked.until is null or e.id < private.first_id_at(v_asked.until + interval '1 hour'))
    order by e.id desc limit 1);
  insert into public.event_replays (user_id, stage, is_dry_run, endpoint_id, entity_table, since, until, after_id, last_id, total)
  values (v_asked.user_id, v_asked.stage, coalesce(v_asked.is_dry_run, true), v_asked.endpoint_id, v_asked.entity_table, v_asked.since,
    v_asked.until, v_asked.after_id, coalesce(v_asked.last_id, v_asked.after_id),
    (select count(*) filter (where c.fits) from private.replay_candidates(v_asked, 1000000) c))
  returning * into v_replay;
  insert into public.audit_logs (user_id, actor_id, action, target_id, details)
  values (v_replay.user_id, (select auth.uid()), 'queue.replay', v_replay.id, jsonb_strip_nulls(jsonb_build_object('stage', v_replay.stage,
    'is_dry_run', v_replay.is_dry_run, 'endpoint_id', v_replay.endpoint_id, 'entity_table', v_replay.entity_table,
    'since', v_replay.since, 'until', v_replay.until)));
  perform private.wake(private.replay_function(v_replay.stage));
  return to_jsonb(v_replay);
end
$function$;

ALTER FUNCTION "private"."start_replay"(text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.store_webhook_secrets(p_webhook_id uuid, p_secrets jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."store_webhook_secrets"(uuid, jsonb) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.streak(p_webhook_id uuid)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  with recent as (
    select l.outcome = 'delivered' as success, row_number() over (order by l.id desc) as place
    from (
      select n.id, n.outcome from public.webhook_logs n
      where n.webhook_id = p_webhook_id and not n.is_test and n.outcome <> 'unknown' order by n.id desc limit 1000) l
  )
  select jsonb_build_object('success', f.success,
    'length', coalesce((select min(r.place) from recent r where r.success <> f.success), (select count(*) + 1 from recent)) - 1)
  from recent f where f.place = 1
$function$;

ALTER FUNCTION "private"."streak"(uuid) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.sweep()
 RETURNS text[]
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_due text[];
begin
  select array_agg(f.name order by f.name) into v_due from (
    select stages.name from (values
      ('classify'::public.webhook_event_stage, 'classify'), ('prepare', 'prepare_for_rules'), ('rules', 'process_rules')) as stages (stage, name)
    where exists (select from private.owners_with_due_work(stages.stage, '00000000-0000-0000-0000-000000000000', 1))
    union all
    select 'dispatch' where exists (select from private.webhooks_with_deliveries('00000000-0000-0000-0000-000000000000', 1, true))) f;
  perform private.wake(name) from unnest(v_due) name;
  return coalesce(v_due, '{}');
end
$function$;

ALTER FUNCTION "private"."sweep"() OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.take_delivery_tokens(p_webhook public.webhooks, p_wanted integer)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."take_delivery_tokens"(public.webhooks, integer) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.test_webhook(p_webhook_id uuid, p_type text, p_data text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_webhook public.webhooks;
  v_type text := p_type;
  v_data json;
  v_event_id uuid;
  v_delivery_id uuid;
begin
  select w.* into v_webhook from public.webhooks w where w.id = p_webhook_id and private.owns(w.created_by) for key share;
  if v_webhook.id is null then
    raise exception 'No such webhook' using errcode = 'PT404', detail = 'WH007';
  end if;
  -- Without a type: the first event that the webhook subscribes to by name.
  v_type := coalesce(v_type, (select e from unnest(v_webhook.events) with ordinality as n (e, place) where e not like '%*' order by place limit 1), 'webhook.test');
  v_data := coalesce(case when p_data is not null then private.parse_data(p_data) end, (
    select t.example from public.event_types t
    where t.name = v_type and (t.user_id = v_webhook.created_by or t.user_id is null)
    order by t.user_id nulls last limit 1), '{"message": "This is a test."}');
  if not private.is_event_name(v_type) then
    raise exception 'The type is the name of an event' using errcode = 'PT400', detail = 'WH001';
  end if;
  insert into public.published_events (user_id, type, data, is_test) values (v_webhook.created_by, v_type, v_data, true) returning id into v_event_id;
  perform private.wake('dispatch');
  -- Somebody waits for it, so it goes before what waits there already.
  insert into public.webhook_deliveries (published_event_id, webhook_id, user_id, is_test, run_after)
  values (v_event_id, p_webhook_id, v_webhook.created_by, true, now() - interval '1 hour') returning id into v_delivery_id;
  return jsonb_build_object('event_id', v_event_id, 'delivery_id', v_delivery_id, 'type', v_type, 'data', v_data);
end
$function$;

ALTER FUNCTION "private"."test_webhook"(uuid, text, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.time_ordered_id()
 RETURNS uuid
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  -- RFC 9562, version 7: 48 bits of milliseconds, then chance; bits 48 to 51 say 7, bits 64 and 65 the variant. PostgreSQL 18 has uuidv7().
  select encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid()) placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6),
      52, 1), 53, 1), 'hex')::uuid
$function$;

ALTER FUNCTION "private"."time_ordered_id"() OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.trace_deliveries(p_published_event_id uuid)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'webhook_id', d.webhook_id, 'webhook_name', w.name, 'status', d.status,
    'attempts', d.attempts, 'response_status', d.response_status, 'error', d.error_message, 'created_at', d.created_at,
    'finished_at', d.finished_at) order by d.id), '[]')
  from (
    select * from public.webhook_deliveries o where o.published_event_id = p_published_event_id order by o.id limit 100) d
  join public.webhooks w on w.id = d.webhook_id
$function$;

ALTER FUNCTION "private"."trace_deliveries"(uuid) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.trace_finding(p_event public.webhook_events, p_kind text)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  -- The first entry tells whether it was there before; a later one only that the event was prepared again.
  select jsonb_build_object('id', l.result ->> (p_kind || '_id'), 'how', case when l.action_type like 'create%' then 'made' else 'found' end,
    'found_by', coalesce(l.result -> 'found_by', '[]'), 'at', l.processed_at)
  from public.webhook_event_logs l
  where l.webhook_event_id = p_event.id and l.action_type in ('create_' || p_kind, 'update_' || p_kind) and l.success
    and l.result ->> (p_kind || '_id') = case p_kind when 'person' then p_event.person_id else p_event.entity_id end::text
  order by l.action_type like 'update%', l.processed_at
  limit 1
$function$;

ALTER FUNCTION "private"."trace_finding"(public.webhook_events, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.trace_label(p_event public.webhook_events)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('entity_table', p_event.entity_table, 'is_person', p_event.is_person, 'classified_by', p_event.classified_by,
    'confidence', p_event.ai_confidence,
    -- What the classifier said is in the log's entry, whatever people have decided since.
    'classifier', (
      select l.result || jsonb_build_object('at', l.processed_at) from public.webhook_event_logs l
      where l.webhook_event_id = p_event.id and l.action_type = 'classify' and l.success and l.result <> '{}'),
    'decisions', coalesce((
      select jsonb_agg(jsonb_build_object('action', a.action, 'by', a.actor_id, 'details', a.details, 'at', a.created_at) order by a.created_at, a.id)
      from public.audit_logs a
      where a.user_id = p_event.user_id and a.target_id = p_event.id and a.action in ('event.override', 'event.approve', 'event.reprocess')), '[]'))
$function$;

ALTER FUNCTION "private"."trace_label"(public.webhook_events) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.trace_outgoing(p_event public.webhook_events)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  with done as (
    select l.action_id, l.result from public.webhook_event_logs l
    where l.webhook_event_id = p_event.id and l.action_id is not null and l.success
  ), published as (
    (select p.id from public.published_events p
    where p.user_id = p_event.user_id and p.webhook_event_id = p_event.id order by p.id limit 100)
    union
    -- What was published before events were put down to their causes.
    select (d.result ->> 'published_event_id')::uuid from done d
  )
  select coalesce(jsonb_agg(jsonb_build_object('id', p.id, 'type', p.type, 'at', p.created_at,
    'action_id', (
      select d.action_id from done d
      where d.result ->> 'published_event_id' = p.id::text
        -- A record that an action made is told by the trigger of its table, as {name: row}.
        or (split_part(p.type, '.', 2) = 'created'
          and d.result ->> (split_part(p.type, '.', 1) || '_id') = p.data -> split_part(p.type, '.', 1) ->> 'id')
      limit 1),
    'deliveries', private.trace_deliveries(p.id)) order by p.id), '[]')
  from published n
  join public.published_events p on p.id = n.id and p.user_id = p_event.user_id
$function$;

ALTER FUNCTION "private"."trace_outgoing"(public.webhook_events) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.trace_rules(p_event public.webhook_events)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(jsonb_agg(jsonb_build_object('id', r.rule_id, 'name', r.name, 'actions', r.actions) order by r.began, r.rule_id), '[]')
  from (
    select l.rule_id, a.name, min(l.processed_at) as began,
      jsonb_agg(private.trace_step(l) || jsonb_build_object('action_id', l.action_id, 'action_config', l.action_config, 'duration_ms', l.duration_ms)
        order by l.processed_at, l.id) as actions
    from public.webhook_event_logs l
    left join public.entity_automation_rules a on a.id = l.rule_id
    where l.webhook_event_id = p_event.id and l.rule_id is not null
    group by l.rule_id, a.name) r
$function$;

ALTER FUNCTION "private"."trace_rules"(public.webhook_events) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.trace_step(p_log public.webhook_event_logs)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('action_type', p_log.action_type, 'success', p_log.success, 'error', p_log.error_message,
    'result', p_log.result, 'at', p_log.processed_at)
$function$;

ALTER FUNCTION "private"."trace_step"(public.webhook_event_logs) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.track_table(p_table regclass, p_name text, p_changes jsonb DEFAULT '{}'::jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  if not exists (select from pg_catalog.pg_attribute a where a.attrelid = p_table and a.attname = 'id' and not a.attisdropped)
    or not exists (select from pg_catalog.pg_attribute a
      where a.attrelid = p_table and a.attname = 'user_id' and a.atttypid = 'uuid'::regtype and not a.attisdropped) then
    raise exception 'A tracked table has a column id, and a column user_id of type uuid' using errcode = 'WH001';
  end if;
  if p_table in (select to_regclass(t) from unnest(array['public.published_events', 'public.webhook_deliveries', 'public.webhook_logs']) t) then
    raise exception 'Publishing an event writes to this table, so it cannot publish events itself' using errcode = 'WH001';
  end if;
  if exists (select from jsonb_object_keys(p_changes) c where not exists (
      select from pg_catalog.pg_attribute a where a.attrelid = p_table and a.attname = c and a.attnum > 0 and not a.attisdropped)) then
    raise exception 'The table has no such column as one of those whose changes are to be told' using errcode = 'WH001';
  end if;
  if not private.is_event_name(p_name || '.created')
    or exists (select from jsonb_each(p_changes) c, jsonb_each_text(c.value) w where not private.is_event_name(p_name || '.' || w.value)) then
    raise exception 'The name, and what it is given for changes, are parts of the names of events, such as ticket and resolved' using errcode = 'WH001';
  end if;
  execute format('create or replace trigger publish_inserts after insert on %s referencing new table as new_rows
    for each statement execute function private.publish_rows(%L, %L)', p_table, p_name, p_changes);
  execute format('create or replace trigger publish_updates after update on %s referencing old table as old_rows new table as new_rows
    for each statement execute function private.publish_rows(%L, %L)', p_table, p_name, p_changes);
  execute format('create or replace trigger publish_deletes after delete on %s referencing old table as old_rows
    for each statement execute function private.publish_rows(%L, %L)', p_table, p_name, p_changes);
end
$function$;

ALTER FUNCTION "private"."track_table"(regclass, text, jsonb) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.try_to_prepare(p_results private.prepare_result[])
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  perform private.prepare_events(p_results);
  return null;
exception
  -- The payload does not fit the table, the table is gone or its trigger objects, or one of our own refusals.
  when others then
    if private.may_pass(sqlstate) then
      raise;
    end if;
    return sqlerrm;
end
$function$;

ALTER FUNCTION "private"."try_to_prepare"(private.prepare_result[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.upsert_person(p_new public.people, p_earlier_id uuid, p_is_news boolean, OUT person_id uuid, OUT found_by text)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_old public.people;
  v_merged public.people;
begin
  select f.person_id, f.found_by into person_id, found_by from private.find_person(p_new, p_earlier_id) f;
  if person_id is not null then
    select p.* into v_old from public.people p where p.id = person_id;
    v_merged := private.merge_person(v_old, p_new, p_is_news);
    -- Most events say of a person what is known already.
    if v_merged is distinct from v_old then
      update public.people p
      set email = v_merged.email, phone = v_merged.phone, endpoint_id = v_merged.endpoint_id, external_id = v_merged.external_id,
        name = v_merged.name, first_name = v_merged.first_name, last_name = v_merged.last_name, company = v_merged.company,
        title = v_merged.title
      where p.id = person_id;
    end if;
  elsif coalesce(p_new.email, p_new.phone, p_new.external_id, p_new.name) is not null then
    insert into public.people (user_id, endpoint_id, kind, email, phone, name, first_name, last_name, company, title, external_id)
    values (p_new.user_id, p_new.endpoint_id, p_new.kind, p_new.email, p_new.phone, p_new.name, p_new.first_name, p_new.last_name,
      p_new.company, p_new.title, p_new.external_id)
    returning id into person_id;
  end if;
end
$function$;

ALTER FUNCTION "private"."upsert_person"(public.people, uuid, boolean) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.upsert_records(p_type public.entity_types, p_drafts private.record_draft[])
 RETURNS private.record_draft[]
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_columns text[] := private.writable_columns(p_type.target_table);
  -- What a trigger publishes is put down to one event.
  v_one_by_one boolean := private.has_foreign_triggers(p_type.target_table) or private.has_foreign_triggers('entities');
  v_left private.record_draft[] := p_drafts;
  v_found private.record_draft[];
  v_done private.record_draft[] := '{}';
begin
  while cardinality(v_left) > 0 loop
    v_found := private.find_records(p_type, case when v_one_by_one then v_left[1:1] else v_left end);
    perform private.publish_because_of(case when cardinality(v_found) = 1 then v_found[1].event_id end);
    perform private.write_records(p_type, v_columns, v_found);
    v_done := v_done || v_found;
    v_left := array(
      select l from unnest(v_left) l where l.place not in (select f.place from unnest(v_found) f) order by l.place);
  end loop;
  return v_done;
end
$function$;

ALTER FUNCTION "private"."upsert_records"(public.entity_types, private.record_draft[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.wake(p_function text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  -- NOTIFY takes a lock at commit that the whole database shares, so this runs once per statement, never per row.
  perform pg_notify('switchhook', p_function);
  perform private.call_function(p_function);
end
$function$;

ALTER FUNCTION "private"."wake"(text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.webhooks_with_deliveries(p_after uuid, p_limit integer, p_only_due boolean)
 RETURNS TABLE(webhook_id uuid, due timestamp with time zone)
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."webhooks_with_deliveries"(uuid, integer, boolean) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.within_bytes(p_ids uuid[], p_bytes bigint)
 RETURNS uuid[]
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."within_bytes"(uuid[], bigint) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION private.write_records(p_type public.entity_types, p_columns text[], p_drafts private.record_draft[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_group record;
begin
  insert into public.entities (id, user_id, entity_table)
  select d.id, d.user_id, p_type.name from unnest(p_drafts) d where d.is_new;
  -- What a draft does not name keeps its value, or gets the table's default.
  for v_group in
    select d.is_new, c.names, array_agg(d order by d.place) as drafts
    from unnest(p_drafts) d
    cross join lateral (select coalesce(array_agg(n order by n), '{}') as names from unnest(p_columns) n where d.fields ->> n is not null) c
    group by d.is_new, c.names
  loop
    if v_group.is_new then
      execute format('insert into public.%1$I (id, user_id%2$s)
        select d.id, d.user_id%3$s from unnest($1) d, jsonb_populate_record(null::public.%1$I, d.fields) r order by d.place',
        p_type.target_table,
        (select string_agg(format(', %I', n), '') from unnest(v_group.names) n),
        (select string_agg(format(', r.%I', n), '') from unnest(v_group.names) n))
      using v_group.drafts;
    elsif v_group.names <> '{}' then
      execute format('update public.%1$I t set %2$s from unnest($1) d, jsonb_populate_record(null::public.%1$I, d.fields) r
        where t.id = d.id and t.user_id = d.user_id',
        p_type.target_table,
        (select string_agg(format('%I = r.%I', n, n), ', ') from unnest(v_group.names) n))
      using v_group.drafts;
    end if;
  end loop;
end
$function$;

ALTER FUNCTION "private"."write_records"(public.entity_types, text[], private.record_draft[]) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.claim_classify(p_limit integer, p_lease_seconds integer, p_event_ids text DEFAULT NULL::text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  v_lease_id uuid := gen_random_uuid();
  v_events jsonb;
  v_user_ids uuid[];
begin
  select jsonb_agg(jsonb_build_object('id', e.id, 'user_id', e.user_id, 'event_type', e.event_type, 'external_id', e.external_id,
      'payload', e.payload, 'attempts', e.attempts, 'override', case when o.id is not null then
        jsonb_build_object('id', o.id, 'entity_table', o.entity_table, 'is_person', o.is_person) end,
      'endpoint', jsonb_build_object('id', p.id, 'slug', p.slug, 'name', p.name, 'scheme', p.scheme,
        'allowed_object_types', p.allowed_object_types, 'default_entity_table', p.default_entity_table,
        'confidence_threshold', p.confidence_threshold)) order by e.id),
    array_agg(distinct e.user_id)
  into v_events, v_user_ids
  -- Left, though every event has an endpoint: an inner join need not call the lease where there is no endpoint, nor then check its limits.
  from private.lease_events('classify', p_limit, p_lease_seconds, p_event_ids, v_lease_id) e
  left join public.webhook_endpoints p on p.id = e.endpoint_id
  left join public.classification_overrides o on o.endpoint_id = e.endpoint_id and o.event_type = e.event_type;
  return jsonb_build_object('lease_id', v_lease_id, 'events', coalesce(v_events, '[]'),
    'entity_types', case when v_events is null then '[]' else private.entity_types_of(v_user_ids) end);
end
$function$;

CREATE OR REPLACE FUNCTION public.claim_deliveries(p_limit integer, p_per_webhook integer, p_lease_seconds integer, p_delivery_ids text DEFAULT NULL::text)
 RETURNS json
 LANGUAGE plpgsql
 SET search_path TO ''
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
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
$function$;

ALTER FUNCTION "public"."claim_deliveries"(integer, integer, integer, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.claim_prepare(p_limit integer, p_lease_seconds integer, p_event_ids text DEFAULT NULL::text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
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
  -- Left, though every event has an endpoint: an inner join need not call the lease where there is no endpoint, nor then check its limits.
  from private.lease_events('prepare', p_limit, p_lease_seconds, p_event_ids, v_lease_id) e
  left join public.webhook_endpoints p on p.id = e.endpoint_id;
  return jsonb_build_object('lease_id', v_lease_id, 'events', coalesce(v_events, '[]'),
    'entity_types', case when v_events is null then '[]' else private.entity_types_of(v_user_ids) end);
end
$function$;

CREATE OR REPLACE FUNCTION public.claim_replay(p_stage text, p_limit integer, p_lease_seconds integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  v_replay public.event_replays;
  v_ids uuid[];
begin
  if p_limit is null or p_limit not between 1 and 1000 or p_lease_seconds is null or p_lease_seconds not between 1 and 3600 then
    raise exception 'The limit is 1 to 1000 events, the lease 1 to 3600 seconds' using errcode = 'PT400', detail = 'WH001';
  end if;
  -- Some rounds at most: a stretch without an event that fits, or a replay that is done, takes one each.
  for round in 1 .. 20 loop
    v_replay := private.lease_replay(p_stage::public.webhook_event_stage, p_limit, p_lease_seconds);
    exit when v_replay.id is null;
    if v_replay.attempts > 5 then
      update public.event_replays r
      set status = 'failed', error_message = 'The worker did not finish a batch in 5 attempts', finished_at = clock_timestamp(),
        lease_id = null, leased_until = null, batch_id = null
      where r.id = v_replay.id;
      continue;
    end if;
    select coalesce(array_agg(c.id) filter (where c.fits), '{}'), max(c.id::text)::uuid into v_ids, v_replay.batch_id
    from (
      select n.id, n.fits, count(*) filter (where n.fits) over (order by n.id) as place
      from private.replay_candidates(v_replay, 2000) n) c
    where c.place <= p_limit;
    if cardinality(v_ids) > 0 then
      update public.event_replays r set batch_id = v_replay.batch_id where r.id = v_replay.id;
      return jsonb_build_object('lease_id', v_replay.lease_id) || private.replay_batch(v_replay.stage, v_ids);
    end if;
    update public.event_replays r
    set after_id = coalesce(v_replay.batch_id, r.after_id), lease_id = null, leased_until = null, batch_id = null, attempts = 0,
      run_after = now(), status = case when v_replay.batch_id is null then 'done' else r.status end,
      finished_at = case when v_replay.batch_id is null then clock_timestamp() end
    where r.id = v_replay.id;
  end loop;
  if v_replay.id is not null then
    perform private.wake(private.replay_function(v_replay.stage));
  end if;
  return jsonb_build_object('lease_id', null, 'events', '[]'::jsonb);
end
$function$;

ALTER FUNCTION "public"."claim_replay"(text, integer, integer) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.claim_rules(p_limit integer, p_lease_seconds integer, p_event_ids text DEFAULT NULL::text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  v_lease_id uuid := gen_random_uuid();
  v_leased uuid[];
begin
  select array_agg(e.id) into v_leased from private.lease_events('rules', p_limit, p_lease_seconds, p_event_ids, v_lease_id) e;
  return jsonb_build_object('lease_id', v_lease_id) || private.rules_batch(v_leased);
end
$function$;

CREATE OR REPLACE FUNCTION public.create_webhook(p_webhook text, p_secrets text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "public"."create_webhook"(text, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.finish_deliveries(p_results text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
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
$function$;

ALTER FUNCTION "public"."finish_deliveries"(text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.finish_prepare(p_lease_id uuid, p_results text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  v_results private.prepare_result[] := array(
    select r from json_populate_recordset(null::private.prepare_result, p_results::json) r order by r.id);
  v_asked uuid[] := array(select r.id from unnest(v_results) r);
  v_held uuid[] := private.hold_events(p_lease_id, v_asked);
  v_good private.prepare_result[];
  v_result private.prepare_result;
  v_error text;
begin
  -- One owner's people are looked up and made by one transaction at a time, so that two workers never make the same person. In order: no deadlock.
  perform pg_catalog.pg_advisory_xact_lock(hashtextextended(o.user_id::text, 0))
  from (select distinct e.user_id from public.webhook_events e where e.id = any (v_held) order by e.user_id) o;

  perform private.fail_step(r.id, r.error, coalesce(r.final, false))
  from unnest(v_results) r where r.id = any (v_held) and r.error is not null;
  v_good := array(select r from unnest(v_results) r where r.id = any (v_held) and r.error is null order by r.id);
  -- Together, as that is quick; where something is wrong with one of them, each alone.
  if cardinality(v_good) > 0 and private.try_to_prepare(v_good) is not null then
    foreach v_result in array v_good loop
      v_error := private.try_to_prepare(array[v_result]);
      if v_error is not null then
        perform private.fail_step(v_result.id, v_error, true);
      end if;
    end loop;
  end if;
  perform private.publish_because_of(null);

  if exists (select from public.webhook_events e where e.id = any (v_held) and e.stage = 'rules') then
    perform private.wake('process_rules');
  end if;
  return private.finished(v_asked, v_held);
end
$function$;

CREATE OR REPLACE FUNCTION public.finish_replay(p_lease_id uuid, p_results text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  v_replay public.event_replays;
  v_examined integer;
  v_failing integer;
  v_different uuid[];
  v_to_requeue uuid[];
  v_requeued integer := 0;
begin
  select r.* into v_replay from public.event_replays r where r.lease_id = p_lease_id for no key update;
  if v_replay.id is null then
    return jsonb_build_object('examined', 0, 'is_lost', true);
  end if;
  with results as (
    select r.value::jsonb as result, e.id, private.replay_difference(v_replay.stage, e, r.value::jsonb) as difference
    from json_array_elements(p_results::json) r
    join public.webhook_events e on e.id = (r.value ->> 'id')::uuid
    where e.user_id = v_replay.user_id and e.id > v_replay.after_id and e.id <= v_replay.batch_id
  ), listed as (
    insert into public.event_replay_differences (replay_id, webhook_event_id, user_id, before, after)
    select v_replay.id, r.id, v_replay.user_id, r.difference -> 'before', r.difference -> 'after'
    from results r where r.difference is not null
    order by r.id
    limit greatest(0, 10000 - v_replay.different)
    on conflict (replay_id, webhook_event_id) do nothing
  )
  select count(*), count(*) filter (where r.result ? 'error'), coalesce(array_agg(r.id) filter (where r.difference is not null), '{}'),
    coalesce(array_agg(r.id) filter (where r.difference is not null and not r.result ? 'error'), '{}')
  into v_examined, v_failing, v_different, v_to_requeue
  from results r;
  if not v_replay.is_dry_run then
    v_requeued := private.requeue_events(v_replay, v_to_requeue);
  end if;
  update public.event_replays r
  set after_id = r.batch_id, examined = r.examined + v_examined, different = r.different + cardinality(v_different),
    failing = r.failing + v_failing, requeued = r.requeued + v_requeued,
    lease_id = null, leased_until = null, batch_id = null, attempts = 0, run_after = now()
  where r.id = v_replay.id;
  return jsonb_build_object('examined', v_examined, 'is_lost', false);
end
$function$;

ALTER FUNCTION "public"."finish_replay"(uuid, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.finish_rules(p_lease_id uuid, p_results text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  v_asked uuid[];
  v_held uuid[];
  v_event public.webhook_events;
  v_result record;
  v_logs public.webhook_event_logs[];
  v_all_logs public.webhook_event_logs[] := '{}';
  v_error text;
  v_done uuid[] := '{}';
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
    perform private.publish_because_of(v_event.id);
    v_logs := private.run_actions(v_event, coalesce(v_result.actions, '[]'));
    v_all_logs := v_all_logs || v_logs;
    select string_agg(format('%s: %s', l.action_type, l.error_message), '; ') into v_error from unnest(v_logs) l where not l.success;
    if v_error is not null then
      perform private.fail_event(v_result.id, v_error, true);
    else
      v_done := array_append(v_done, v_result.id);
    end if;
  end loop;
  perform private.publish_because_of(null);
  perform private.log_actions(v_all_logs);
  perform private.settle_failures('rules', v_done);
  update public.webhook_events e
  set stage = 'done', status = 'processed', processed_at = clock_timestamp(), lease_id = null, leased_until = null, error_message = null
  where e.id = any (v_done);
  return private.finished(v_asked, v_held);
end
$function$;

CREATE OR REPLACE FUNCTION public.get_endpoint_activity(p_endpoint_ids text, p_since timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(jsonb_agg(jsonb_build_object('id', p.id, 'received', c.received, 'failed', c.failed, 'review', c.review,
    'last_event_at', (select e.created_at from public.webhook_events e where e.endpoint_id = p.id order by e.id desc limit 1))), '[]')
  from public.webhook_endpoints p
  cross join lateral (
    select count(*) as received, count(*) filter (where r.status = 'failed') as failed, count(*) filter (where r.stage = 'review') as review
    from (
      select e.status, e.stage from public.webhook_events e
      where e.endpoint_id = p.id and e.id >= private.first_id_at(p_since) order by e.id desc limit 10000) r) c
  where p.id in (select unnest(private.as_uuids(p_endpoint_ids)) limit 100)
$function$;

ALTER FUNCTION "public"."get_endpoint_activity"(text, timestamp with time zone) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.get_event_trace(p_event_id uuid)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  v_event public.webhook_events;
begin
  select e.* into v_event from public.webhook_events e where e.id = p_event_id;
  if v_event.id is null then
    raise exception 'There is no such event' using errcode = 'PT404', detail = 'WH007';
  end if;
  return jsonb_build_object('id', v_event.id, 'event_type', v_event.event_type, 'external_id', v_event.external_id,
    'status', v_event.status, 'stage', v_event.stage, 'error', v_event.error_message, 'processed_at', v_event.processed_at,
    'received', jsonb_build_object('at', v_event.created_at, 'body', private.body_facts(v_event.id)),
    -- A request is verified before it is stored, in the same breath.
    'verification', jsonb_build_object('scheme', v_event.scheme, 'verified', v_event.scheme <> 'none', 'at', v_event.created_at,
      'endpoint', (select jsonb_build_object('id', p.id, 'name', p.name, 'slug', p.slug)
        from public.webhook_endpoints p where p.id = v_event.endpoint_id)),
    'label', private.trace_label(v_event),
    'person', private.trace_finding(v_event, 'person'),
    'entity', private.trace_finding(v_event, 'entity'),
    'steps', coalesce((
      select jsonb_agg(private.trace_step(l) order by l.processed_at, l.id)
      from public.webhook_event_logs l where l.webhook_event_id = v_event.id and l.rule_id is null), '[]'),
    'rules', private.trace_rules(v_event),
    'outgoing', private.trace_outgoing(v_event));
end
$function$;

ALTER FUNCTION "public"."get_event_trace"(uuid) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.get_events_for_rules(p_user_id uuid, p_entity_table text, p_event_id uuid, p_limit integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  v_ids uuid[];
  v_batch jsonb;
begin
  if p_event_id is not null then
    v_ids := array(select e.id from public.webhook_events e where e.id = p_event_id and e.user_id = p_user_id);
    if cardinality(v_ids) = 0 then
      raise exception 'There is no such event' using errcode = 'PT404', detail = 'WH007';
    end if;
  else
    -- Those that have their person and record. However large, 8 MiB of them come at once, and one at least.
    v_ids := array(
      select recent.id from (
        select e.id, row_number() over (order by e.id desc) as place, sum(length(e.payload::text)) over (order by e.id desc) as size
        from (
          select l.id, l.payload from public.webhook_events l
          where l.user_id = p_user_id and l.entity_table = p_entity_table and l.stage in ('rules', 'done')
          order by l.id desc limit least(p_limit, 100)) e) recent
      where recent.place = 1 or recent.size <= 8388608);
  end if;
  v_batch := private.rules_batch(v_ids);
  return jsonb_build_object('invoice_field_maps', v_batch -> 'invoice_field_maps', 'events', coalesce((
    select jsonb_agg(b.value || jsonb_build_object('status', e.status, 'stage', e.stage) order by e.id desc)
    from jsonb_array_elements(v_batch -> 'events') b
    join public.webhook_events e on e.id = (b.value ->> 'id')::uuid), '[]'));
end
$function$;

ALTER FUNCTION "public"."get_events_for_rules"(uuid, text, uuid, integer) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.get_navigation()
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('is_admin', private.is_admin(), 'review', (
    select count(*) from (
      select from public.webhook_events e where e.stage = 'review' and e.user_id = (select auth.uid()) limit 1000) c))
$function$;

ALTER FUNCTION "public"."get_navigation"() OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.get_overview(p_since timestamp with time zone, p_until timestamp with time zone, p_points integer, p_everybody boolean)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_user uuid := case when p_everybody then null else auth.uid() end;
  v_first uuid := private.first_id_at(p_since - interval '1 minute');
  v_step interval;
  v_in jsonb;
  v_out jsonb;
begin
  if p_since is null or p_until is null or p_points is null or p_until <= p_since or p_points not between 1 and 200
    or not isfinite(p_since) or not isfinite(p_until) then
    raise exception 'The time ends after it begins, and has 1 to 200 points' using errcode = 'PT400', detail = 'WH001';
  end if;
  v_step := (p_until - p_since) / p_points;
  -- One of the two halves is never begun, since each asks first whose rows are wanted.
  with events as materialized (
    select e.endpoint_id, e.status, e.created_at, extract(epoch from e.processed_at - e.created_at) * 1000 as ms
    from public.webhook_events e
    where v_user is not null and e.user_id = v_user and e.id >= v_first and e.created_at >= p_since and e.created_at < p_until
    union all
    select e.endpoint_id, e.status, e.created_at, extract(epoch from e.processed_at - e.created_at) * 1000
    from public.webhook_events e
    where v_user is null and e.id >= v_first and e.created_at >= p_since and e.created_at < p_until
  ), pieces as (
    select width_bucket(extract(epoch from e.created_at), extract(epoch from p_since), extract(epoch from p_until), p_points) - 1 as n,
      count(*) as received, count(*) filter (where e.status = 'processed') as processed, count(*) filter (where e.status = 'failed') as failed,
      round((percentile_cont(0.5) within group (order by e.ms))::numeric, 1) as p50,
      round((percentile_cont(0.95) within group (order by e.ms))::numeric, 1) as p95
    from events e group by 1
  )
  select jsonb_build_object(
    'received', count(*), 'processed', count(*) filter (where e.status = 'processed'), 'failed', count(*) filter (where e.status = 'failed'),
    'p50_ms', round((percentile_cont(0.5) within group (order by e.ms))::numeric, 1),
    'p95_ms', round((percentile_cont(0.95) within group (order by e.ms))::numeric, 1),
    'series', (
      select jsonb_agg(jsonb_build_object('at', p_since + v_step * g.n, 'total', coalesce(b.received, 0), 'good', coalesce(b.processed, 0),
        'bad', coalesce(b.failed, 0), 'p50_ms', b.p50, 'p95_ms', b.p95) order by g.n)
      from generate_series(0, p_points - 1) g (n) left join pieces b on b.n = g.n),
    'trouble', coalesce((
      select jsonb_agg(jsonb_build_object('id', p.id, 'name', p.name, 'failed', t.failed) order by t.failed desc, p.id)
      from (select f.endpoint_id, count(*) as failed from events f where f.status = 'failed' group by 1 order by 2 desc limit 10) t
      join public.webhook_endpoints p on p.id = t.endpoint_id), '[]'))
  into v_in from events e;

  with attempts as materialized (
    select l.outcome, l.latency_ms, l.attempted_at from public.webhook_logs l
    where v_user is not null and l.user_id = v_user and not l.is_test and l.id >= v_first
      and l.attempted_at >= p_since and l.attempted_at < p_until
    union all
    select l.outcome, l.latency_ms, l.attempted_at from public.webhook_logs l
    where v_user is null and not l.is_test and l.id >= v_first and l.attempted_at >= p_since and l.attempted_at < p_until
  ), pieces as (
    select width_bucket(extract(epoch from a.attempted_at), extract(epoch from p_since), extract(epoch from p_until), p_points) - 1 as n,
      count(*) as attempts, count(*) filter (where a.outcome = 'delivered') as delivered, count(*) filter (where a.outcome <> 'delivered') as failed,
      round((percentile_cont(0.5) within group (order by a.latency_ms))::numeric, 1) as p50,
      round((percentile_cont(0.95) within group (order by a.latency_ms))::numeric, 1) as p95
    from attempts a group by 1
  )
  select jsonb_build_object(
    'attempts', count(*), 'delivered', count(*) filter (where a.outcome = 'delivered'), 'failed', count(*) filter (where a.outcome <> 'delivered'),
    'p50_ms', round((percentile_cont(0.5) within group (order by a.latency_ms))::numeric, 1),
    'p95_ms', round((percentile_cont(0.95) within group (order by a.latency_ms))::numeric, 1),
    'series', (
      select jsonb_agg(jsonb_build_object('at', p_since + v_step * g.n, 'total', coalesce(b.attempts, 0), 'good', coalesce(b.delivered, 0),
        'bad', coalesce(b.failed, 0), 'p50_ms', b.p50, 'p95_ms', b.p95) order by g.n)
      from generate_series(0, p_points - 1) g (n) left join pieces b on b.n = g.n),
    'trouble', coalesce((
      select jsonb_agg(jsonb_build_object('id', t.id, 'name', t.name, 'active', t.active, 'reason', t.reason) order by t.name, t.id)
      from (
        select w.id, w.name, w.active, coalesce(w.disabled_reason, l.error_message) as reason
        from public.webhooks w
        left join lateral (
          select n.outcome, n.error_message from public.webhook_logs n
          where n.webhook_id = w.id and not n.is_test and n.outcome <> 'unknown' order by n.id desc limit 1) l on true
        where (v_user is null or w.created_by = v_user) and (w.disabled_reason is not null or (w.active and l.outcome = 'failed'))
        order by w.name, w.id limit 10) t), '[]'))
  into v_out from attempts a;

  return jsonb_build_object('in', v_in, 'out', v_out, 'queue', private.queue_depth(v_user));
end
$function$;

ALTER FUNCTION "public"."get_overview"(timestamp with time zone, timestamp with time zone, integer, boolean) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.get_webhook_health(p_webhook_ids text, p_since timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(jsonb_agg(jsonb_build_object('id', w.id, 'attempts', c.attempts, 'delivered', c.delivered, 'p95_ms', c.p95_ms,
    'waiting', (select count(*) from (
      select from public.webhook_deliveries d where d.webhook_id = w.id and d.status in ('pending', 'delivering') limit 10000) q),
    'last', (
      select jsonb_build_object('outcome', l.outcome, 'status', l.response_status, 'error', l.error_message, 'at', l.attempted_at)
      from public.webhook_logs l where l.webhook_id = w.id and not l.is_test order by l.id desc limit 1))), '[]')
  from public.webhooks w
  cross join lateral (
    select count(*) as attempts, count(*) filter (where r.outcome = 'delivered') as delivered,
      round((percentile_cont(0.95) within group (order by r.latency_ms))::numeric, 1) as p95_ms
    from (
      select l.outcome, l.latency_ms from public.webhook_logs l
      where l.webhook_id = w.id and not l.is_test and l.id >= private.first_id_at(p_since) order by l.id desc limit 10000) r) c
  where w.id in (select unnest(private.as_uuids(p_webhook_ids)) limit 100)
$function$;

ALTER FUNCTION "public"."get_webhook_health"(text, timestamp with time zone) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.get_webhook_stats(p_webhook_id uuid, p_since timestamp with time zone, p_until timestamp with time zone, p_points integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_step interval;
  v_series jsonb;
  v_totals jsonb;
begin
  perform from public.webhooks w where w.id = p_webhook_id;
  if not found then
    raise exception 'No such webhook' using errcode = 'PT404', detail = 'WH007';
  end if;
  if p_since is null or p_until is null or p_points is null or p_until <= p_since or p_points not between 1 and 200
    or not isfinite(p_since) or not isfinite(p_until) then
    raise exception 'The time ends after it begins, and has 1 to 200 points' using errcode = 'PT400', detail = 'WH001';
  end if;
  v_step := (p_until - p_since) / p_points;
  -- Ids are made in order of time, so the window is a stretch of the index. A minute more, for clocks that differ.
  with attempts as materialized (
    select l.outcome, l.latency_ms, l.attempted_at from public.webhook_logs l
    where l.webhook_id = p_webhook_id and not l.is_test and l.id >= private.first_id_at(p_since - interval '1 minute')
      and l.attempted_at >= p_since and l.attempted_at < p_until
  )
  select jsonb_build_object(
      'attempts', count(*),
      'succeeded', count(*) filter (where a.outcome = 'delivered'),
      'failed', count(*) filter (where a.outcome <> 'delivered'),
      'success_rate', round(count(*) filter (where a.outcome = 'delivered')::numeric / nullif(count(*), 0), 4),
      'latency_p50_ms', round((percentile_cont(0.5) within group (order by a.latency_ms))::numeric, 1),
      'latency_p95_ms', round((percentile_cont(0.95) within group (order by a.latency_ms))::numeric, 1)),
    (select jsonb_agg(jsonb_build_object('at', p_since + v_step * g.n,
        'succeeded', coalesce(b.succeeded, 0), 'failed', coalesce(b.failed, 0), 'latency_p50_ms', b.p50, 'latency_p95_ms', b.p95) order by g.n)
      from generate_series(0, p_points - 1) g (n)
      left join (
        select width_bucket(extract(epoch from i.attempted_at), extract(epoch from p_since), extract(epoch from p_until), p_points) - 1 as n,
          count(*) filter (where i.outcome = 'delivered') as succeeded, count(*) filter (where i.outcome <> 'delivered') as failed,
          round((percentile_cont(0.5) within group (order by i.latency_ms))::numeric, 1) as p50,
          round((percentile_cont(0.95) within group (order by i.latency_ms))::numeric, 1) as p95
        from attempts i group by 1) b on b.n = g.n)
  into v_totals, v_series
  from attempts a;
  return v_totals || jsonb_build_object('series', v_series, 'streak', private.streak(p_webhook_id),
    'deliveries', (
      select jsonb_object_agg(s.status, coalesce(c.deliveries, 0))
      from unnest(enum_range(null::public.webhook_delivery_status)) s (status)
      left join (
        select d.status, count(*) as deliveries from public.webhook_deliveries d
        where d.webhook_id = p_webhook_id and not d.is_test and d.id >= private.first_id_at(p_since - interval '1 minute')
          and d.created_at >= p_since and d.created_at < p_until
        group by d.status) c using (status)));
end
$function$;

ALTER FUNCTION "public"."get_webhook_stats"(uuid, timestamp with time zone, timestamp with time zone, integer) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.lend_endpoint_secret(p_endpoint_id uuid, p_secret_ciphertext text)
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select jsonb_build_object('expires_at', private.lend_endpoint_secret(p_endpoint_id, p_secret_ciphertext))
$function$;

ALTER FUNCTION "public"."lend_endpoint_secret"(uuid, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.publish_event(p_type text, p_data text, p_user_id uuid DEFAULT auth.uid(), p_idempotency_key text DEFAULT NULL::text)
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.publish_event(p_type, p_data, p_user_id, p_idempotency_key)
$function$;

ALTER FUNCTION "public"."publish_event"(text, text, uuid, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.reconcile_endpoint(p_endpoint_id uuid, p_events text, p_state text)
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
  select private.reconcile_endpoint(p_endpoint_id, p_events, p_state)
$function$;

ALTER FUNCTION "public"."reconcile_endpoint"(uuid, text, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.record_refusals(p_refusals text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
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
$function$;

ALTER FUNCTION "public"."record_refusals"(text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.recover_webhook(p_webhook_id uuid, p_since timestamp with time zone, p_until timestamp with time zone DEFAULT NULL::timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.recover_webhook(p_webhook_id, p_since, p_until)
$function$;

ALTER FUNCTION "public"."recover_webhook"(uuid, timestamp with time zone, timestamp with time zone) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.replay_event(p_event_id uuid)
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.replay_event(p_event_id)
$function$;

ALTER FUNCTION "public"."replay_event"(uuid) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.retry_delivery(p_delivery_id uuid)
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.retry_delivery(p_delivery_id)
$function$;

ALTER FUNCTION "public"."retry_delivery"(uuid) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.rotate_webhook_secret(p_webhook_id uuid, p_secret_ciphertext text, p_overlap_seconds integer)
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select jsonb_build_object('previous_valid_until', private.rotate_webhook_secret(p_webhook_id, p_secret_ciphertext, p_overlap_seconds))
$function$;

ALTER FUNCTION "public"."rotate_webhook_secret"(uuid, text, integer) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.search_events(p_text text, p_statuses text, p_endpoint_id uuid, p_entity_table text, p_since timestamp with time zone, p_until timestamp with time zone, p_before uuid, p_everybody boolean, p_limit integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_user uuid := case when p_everybody then null else auth.uid() end;
  v_wanted text := lower(p_text);
  v_statuses text[] := string_to_array(p_statuses, ',');
begin
  if p_limit is null or p_limit not between 1 and 101 or coalesce(length(p_text), 0) not between 1 and 200 then
    raise exception 'The text has 1 to 200 characters' using errcode = 'PT400', detail = 'WH001';
  end if;
  return coalesce((
    select jsonb_agg(f.id order by f.id desc) from (
      select e.id from (
        select n.* from public.webhook_events n
        where (v_user is null or n.user_id = v_user) and n.status::text = any (v_statuses)
          and (p_endpoint_id is null or n.endpoint_id = p_endpoint_id)
          and (p_entity_table is null or n.entity_table = p_entity_table)
          and (p_since is null or (n.id >= private.first_id_at(p_since - interval '1 minute') and n.created_at >= p_since))
          and (p_until is null or n.created_at < p_until)
          and (p_before is null or n.id < p_before)
        order by n.id desc limit 20000) e
      where position(v_wanted in lower(concat_ws(' ', e.id, e.event_type, e.external_id, e.error_message))) > 0
        or position(v_wanted in lower(e.payload::text)) > 0
      order by e.id desc limit p_limit) f), '[]');
end
$function$;

ALTER FUNCTION "public"."search_events"(text, text, uuid, text, timestamp with time zone, timestamp with time zone, uuid, boolean, integer) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.start_replay(p_replay text)
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.start_replay(p_replay)
$function$;

ALTER FUNCTION "public"."start_replay"(text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.test_webhook(p_webhook_id uuid, p_type text DEFAULT NULL::text, p_data text DEFAULT NULL::text)
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.test_webhook(p_webhook_id, p_type, p_data)
$function$;

ALTER FUNCTION "public"."test_webhook"(uuid, text, text) OWNER TO "postgres";

CREATE OR REPLACE FUNCTION public.update_webhook(p_webhook_id uuid, p_changes text, p_secrets text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "public"."update_webhook"(uuid, text, text) OWNER TO "postgres";

ALTER TABLE "public"."classification_overrides" ADD CONSTRAINT "classification_overrides_endpoint_id_fkey" FOREIGN KEY (endpoint_id) REFERENCES public.webhook_endpoints(id) ON DELETE CASCADE;

ALTER TABLE "public"."endpoint_reconciliations" ADD CONSTRAINT "endpoint_reconciliations_endpoint_id_fkey" FOREIGN KEY (endpoint_id) REFERENCES public.webhook_endpoints(id) ON DELETE CASCADE;

ALTER TABLE "public"."event_replay_differences" ADD CONSTRAINT "event_replay_differences_webhook_event_fkey" FOREIGN KEY (user_id, webhook_event_id) REFERENCES public.webhook_events(user_id, id) ON DELETE CASCADE;

ALTER TABLE "public"."event_replays" ADD CONSTRAINT "event_replays_endpoint_id_fkey" FOREIGN KEY (endpoint_id) REFERENCES public.webhook_endpoints(id) ON DELETE CASCADE;

ALTER TABLE "public"."event_replays" ADD CONSTRAINT "event_replays_user_id_fkey" FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE;

ALTER TABLE "public"."people" ADD CONSTRAINT "people_endpoint_fkey" FOREIGN KEY (endpoint_id, user_id) REFERENCES public.webhook_endpoints(id, created_by) ON DELETE SET NULL (endpoint_id);

ALTER TABLE "public"."published_events" ADD CONSTRAINT "published_events_user_id_fkey" FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE;

ALTER TABLE "public"."published_events" ADD CONSTRAINT "published_events_webhook_event_fkey" FOREIGN KEY (user_id, webhook_event_id) REFERENCES public.webhook_events(user_id, id) ON DELETE SET NULL (webhook_event_id);

ALTER TABLE "public"."webhook_deliveries" ADD CONSTRAINT "failed_deliveries_say_why" CHECK (((status <> 'failed'::public.webhook_delivery_status) OR (error_message IS NOT NULL)));

ALTER TABLE "public"."webhook_deliveries" ADD CONSTRAINT "finished_deliveries_say_when" CHECK (((status = ANY (ARRAY['delivered'::public.webhook_delivery_status, 'failed'::public.webhook_delivery_status, 'filtered'::public.webhook_delivery_status])) = (finished_at IS NOT NULL)));

ALTER TABLE "public"."webhook_deliveries" ADD CONSTRAINT "leased_deliveries_have_a_lease" CHECK ((((status = 'delivering'::public.webhook_delivery_status) = (lease_id IS NOT NULL)) AND ((lease_id IS NULL) = (leased_until IS NULL))));

ALTER TABLE "public"."webhook_refusals" ADD CONSTRAINT "webhook_refusals_endpoint_id_fkey" FOREIGN KEY (endpoint_id) REFERENCES public.webhook_endpoints(id) ON DELETE CASCADE;

ALTER TABLE "private"."webhook_secrets" ADD CONSTRAINT "webhook_secrets_webhook_id_fkey" FOREIGN KEY (webhook_id) REFERENCES public.webhooks(id) ON DELETE CASCADE;

ALTER TABLE "private"."webhook_states" ADD CONSTRAINT "webhook_states_webhook_id_fkey" FOREIGN KEY (webhook_id) REFERENCES public.webhooks(id) ON DELETE CASCADE;

ALTER TABLE "public"."webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_webhook_id_fkey" FOREIGN KEY (webhook_id) REFERENCES public.webhooks(id) ON DELETE CASCADE;

ALTER TABLE "public"."webhook_logs" ADD CONSTRAINT "webhook_logs_webhook_id_fkey" FOREIGN KEY (webhook_id) REFERENCES public.webhooks(id) ON DELETE CASCADE;

CREATE UNIQUE INDEX webhook_secrets_one_each_idx ON private.webhook_secrets USING btree (webhook_id, purpose, lower(name)) WHERE (purpose <> 'signing'::text);

CREATE INDEX webhook_secrets_webhook_id_idx ON private.webhook_secrets USING btree (webhook_id);

CREATE INDEX classification_overrides_user_id_idx ON public.classification_overrides USING btree (user_id, updated_at DESC, id DESC);

CREATE INDEX endpoint_reconciliations_user_id_idx ON public.endpoint_reconciliations USING btree (user_id);

CREATE INDEX event_replay_differences_webhook_event_idx ON public.event_replay_differences USING btree (user_id, webhook_event_id);

CREATE INDEX event_replays_due_idx ON public.event_replays USING btree (stage, COALESCE(leased_until, run_after)) WHERE (finished_at IS NULL);

CREATE INDEX event_replays_endpoint_id_idx ON public.event_replays USING btree (endpoint_id);

CREATE UNIQUE INDEX people_email_idx ON public.people USING btree (lower(email), user_id);

CREATE INDEX people_external_id_idx ON public.people USING btree (endpoint_id, user_id, external_id);

CREATE INDEX people_phone_idx ON public.people USING btree (phone, user_id) WHERE (phone IS NOT NULL);

CREATE INDEX published_events_webhook_event_idx ON public.published_events USING btree (user_id, webhook_event_id) WHERE (webhook_event_id IS NOT NULL);

CREATE INDEX webhook_deliveries_due_idx ON public.webhook_deliveries USING btree (webhook_id, COALESCE(leased_until, run_after)) WHERE (status = ANY (ARRAY['pending'::public.webhook_delivery_status, 'delivering'::public.webhook_delivery_status]));

CREATE INDEX webhook_deliveries_failed_idx ON public.webhook_deliveries USING btree (webhook_id, created_at) WHERE (status = 'failed'::public.webhook_delivery_status);

CREATE INDEX webhook_deliveries_leased_idx ON public.webhook_deliveries USING btree (webhook_id, leased_until) WHERE (status = 'delivering'::public.webhook_delivery_status);

CREATE INDEX webhook_deliveries_tests_idx ON public.webhook_deliveries USING btree (webhook_id, COALESCE(leased_until, run_after)) WHERE ((status = ANY (ARRAY['pending'::public.webhook_delivery_status, 'delivering'::public.webhook_delivery_status])) AND is_test);

CREATE INDEX webhook_logs_published_event_id_idx ON public.webhook_logs USING btree (published_event_id);

CREATE INDEX webhook_refusals_endpoint_id_idx ON public.webhook_refusals USING btree (endpoint_id, id);

CREATE INDEX webhook_refusals_user_id_idx ON public.webhook_refusals USING btree (user_id);

CREATE TRIGGER touch_updated_at BEFORE UPDATE ON public.classification_overrides FOR EACH ROW EXECUTE FUNCTION private.touch_updated_at();

CREATE TRIGGER touch_updated_at BEFORE UPDATE ON public.event_types FOR EACH ROW EXECUTE FUNCTION private.touch_updated_at();

CREATE TRIGGER publish_deletes AFTER DELETE ON public.tickets REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION private.publish_rows('ticket', '{"status": {"resolved": "resolved", "escalated": "escalated"}}');

CREATE TRIGGER publish_inserts AFTER INSERT ON public.tickets REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION private.publish_rows('ticket', '{"status": {"resolved": "resolved", "escalated": "escalated"}}');

CREATE TRIGGER publish_updates AFTER UPDATE ON public.tickets REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION private.publish_rows('ticket', '{"status": {"resolved": "resolved", "escalated": "escalated"}}');

CREATE TRIGGER add_webhook_state AFTER INSERT ON public.webhooks FOR EACH ROW EXECUTE FUNCTION private.add_webhook_state();

CREATE TRIGGER settle_webhook BEFORE UPDATE ON public.webhooks FOR EACH ROW EXECUTE FUNCTION private.settle_webhook();

CREATE POLICY "owners and admins read remembered overrides" ON "public"."classification_overrides" FOR SELECT TO "authenticated" USING (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

CREATE POLICY "owners and admins take overrides back" ON "public"."classification_overrides" FOR DELETE TO "authenticated" USING (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

CREATE POLICY "owners and admins read reconciliations" ON "public"."endpoint_reconciliations" FOR SELECT TO "authenticated" USING (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

CREATE POLICY "owners and admins read differences" ON "public"."event_replay_differences" FOR SELECT TO "authenticated" USING (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

CREATE POLICY "owners and admins delete replays" ON "public"."event_replays" FOR DELETE TO "authenticated" USING (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

CREATE POLICY "owners and admins read replays" ON "public"."event_replays" FOR SELECT TO "authenticated" USING (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

CREATE POLICY "owners and admins read what they published" ON "public"."published_events" FOR SELECT TO "authenticated" USING (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

CREATE POLICY "owners and admins read deliveries" ON "public"."webhook_deliveries" FOR SELECT TO "authenticated" USING (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

CREATE POLICY "owners and admins read delivery logs" ON "public"."webhook_logs" FOR SELECT TO "authenticated" USING (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

CREATE POLICY "owners and admins read refusals" ON "public"."webhook_refusals" FOR SELECT TO "authenticated" USING (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

COMMENT ON COLUMN "private"."webhook_secrets"."expires_at" IS 'During a rotation the old key still signs until then.';

COMMENT ON COLUMN "private"."webhook_states"."concurrency" IS 'How many deliveries may be under way at once: more for who answers quickly, few for who is slow or fails.';

COMMENT ON COLUMN "public"."classification_overrides"."decided_by" IS 'Who decided last: the owner or an admin.';

COMMENT ON COLUMN "public"."classification_overrides"."entity_table" IS 'Entity type that such events become; null leaves it to the classifier.';

COMMENT ON COLUMN "public"."classification_overrides"."is_person" IS 'Whether a person is behind such events; null leaves it to the classifier.';

COMMENT ON COLUMN "public"."endpoint_reconciliations"."state" IS 'The vendor''s cursor and from when on it looks. The database does not read it.';

COMMENT ON COLUMN "public"."endpoint_reconciliations"."user_id" IS 'Owner of the endpoint, kept here so that the policy needs no join.';

COMMENT ON COLUMN "public"."event_replays"."after_id" IS 'All events up to this one have been looked at.';

COMMENT ON COLUMN "public"."event_replays"."batch_id" IS 'Last event of the batch that is leased.';

COMMENT ON COLUMN "public"."event_replays"."different" IS 'Of these, those that would not come out as they are.';

COMMENT ON COLUMN "public"."event_replays"."examined" IS 'Of these, those that have been decided about anew.';

COMMENT ON COLUMN "public"."event_replays"."failing" IS 'Of these, those about which nothing can be decided.';

COMMENT ON COLUMN "public"."event_replays"."last_id" IS 'Events after this one are not in the range: what came when it had begun.';

COMMENT ON COLUMN "public"."event_replays"."requeued" IS 'Events put back into the queue; none in a dry run.';

COMMENT ON COLUMN "public"."event_replays"."total" IS 'Events in the range when it began, counted up to a million.';

COMMENT ON COLUMN "public"."event_types"."example" IS 'Data of such an event, for the documentation and for test sends.';

COMMENT ON COLUMN "public"."event_types"."schema" IS 'JSON Schema that an event''s data must meet; null allows any object.';

COMMENT ON COLUMN "public"."published_events"."data" IS 'As it was published: json, not jsonb, keeps the order of its keys.';

COMMENT ON COLUMN "public"."published_events"."is_test" IS 'Made to try one webhook, and delivered to no other.';

COMMENT ON COLUMN "public"."published_events"."webhook_event_id" IS 'The event that came in and led to this one, by a rule or by the record that was made of it; null where none did.';

COMMENT ON COLUMN "public"."webhook_deliveries"."attempts" IS 'Attempts begun, over the whole life of the delivery.';

COMMENT ON COLUMN "public"."webhook_deliveries"."attempts_before" IS 'Attempts before it was queued last. Retries are spaced by those since.';

COMMENT ON COLUMN "public"."webhook_deliveries"."counted_in" IS 'Start of the minute of the webhook''s rate limit in which the last attempt counts; null where it counts in none.';

COMMENT ON COLUMN "public"."webhook_deliveries"."error_message" IS 'What the last attempt ended with, if not well.';

COMMENT ON COLUMN "public"."webhook_deliveries"."is_test" IS 'As in its event. A test is tried once, also where the webhook is off.';

COMMENT ON COLUMN "public"."webhook_deliveries"."status" IS 'pending (waits for run_after) → delivering (leased) → delivered, failed (may be retried by hand) or filtered (the webhook''s filter left it out).';

COMMENT ON COLUMN "public"."webhook_deliveries"."user_id" IS 'Owner of the webhook, kept here so that policies need no join.';

COMMENT ON COLUMN "public"."webhook_logs"."latency_ms" IS 'From the attempt''s start to the end of the answer.';

COMMENT ON COLUMN "public"."webhook_logs"."outcome" IS 'delivered: answered with a 2xx. failed: anything else, or nothing. unknown: the worker did not report, so the receiver may have it.';

COMMENT ON COLUMN "public"."webhook_logs"."request_body_sha256" IS 'Of the body''s bytes: the same in every attempt of a delivery.';

COMMENT ON COLUMN "public"."webhook_logs"."request_headers" IS 'Without signatures and the values of the webhook''s own headers.';

COMMENT ON COLUMN "public"."webhook_logs"."request_url" IS 'Without what is secret about it.';

COMMENT ON COLUMN "public"."webhook_logs"."response_body" IS 'The first 16 KiB.';

COMMENT ON COLUMN "public"."webhook_refusals"."body_bytes" IS 'Size of the body, if it was read.';

COMMENT ON COLUMN "public"."webhook_refusals"."body_start" IS 'Base64 of the body''s beginning, only where the signature was genuine and the content was not.';

COMMENT ON COLUMN "public"."webhook_refusals"."headers" IS 'Request headers without credentials.';

COMMENT ON COLUMN "public"."webhook_refusals"."id" IS 'UUIDv7 made by ingest, so ids sort by time.';

COMMENT ON COLUMN "public"."webhook_refusals"."reason" IS 'For the owner: more than the sender was told.';

COMMENT ON COLUMN "public"."webhook_refusals"."user_id" IS 'Owner of the endpoint, kept here so that the policy needs no join.';

COMMENT ON COLUMN "public"."webhooks"."active_since" IS 'When it was switched on last. Failures before do not count against it.';

COMMENT ON COLUMN "public"."webhooks"."body_style" IS 'compact: as JavaScript''s JSON.stringify writes JSON. spaced: as Python''s json.dumps does.';

COMMENT ON COLUMN "public"."webhooks"."disabled_reason" IS 'Why Switchhook switched the webhook off, in words; null where its owner did, or nobody.';

COMMENT ON COLUMN "public"."webhooks"."events" IS 'Names of events, names with .* for all below, or *.';

COMMENT ON COLUMN "public"."webhooks"."filter" IS 'CEL over event (id, type, timestamp, data); empty lets every event through.';

COMMENT ON COLUMN "public"."webhooks"."header_names" IS 'Names of the headers that are added to each delivery; their values are secrets.';

COMMENT ON COLUMN "public"."webhooks"."kind" IS 'http: the event as JSON. slack: a message for a Slack incoming webhook.';

COMMENT ON COLUMN "public"."webhooks"."signature_profile" IS 'Which headers a delivery has beside those of Standard Webhooks.';

COMMENT ON COLUMN "public"."webhooks"."signature_settings" IS 'Header names and form of the signature, for the profile custom.';

COMMENT ON COLUMN "public"."webhooks"."slack_settings" IS 'Channel and link template, for kind slack.';

COMMENT ON COLUMN "public"."webhooks"."url" IS 'Where deliveries are posted to. For kind slack, whose address is a secret, without its last part.';

COMMENT ON FUNCTION "private"."add_deliveries"(uuid[]) IS 'Queues these events for every active webhook that subscribes to them and does not have them yet; how many deliveries that were.';

COMMENT ON FUNCTION "private"."add_webhook_state"() IS 'Gives a new webhook its state.';

COMMENT ON FUNCTION "private"."apply_action"(public.webhook_events, uuid, text, jsonb) IS 'Does one rendered action for an event and returns what came of it. The caller sees to it that this happens once.';

COMMENT ON FUNCTION "private"."are_event_patterns"(text[]) IS 'Whether a subscription is well formed: 1 to 100 names of events, names with .* for all below, or * for all.';

COMMENT ON FUNCTION "private"."body_facts"(uuid) IS 'Size, SHA-256 and content type of the body of an event of the caller, as it came; null where there is none.';

COMMENT ON FUNCTION "private"."call_function"(text) IS 'Has pg_net call a function after the commit, if Vault says where it is. Whether it will; never raises.';

COMMENT ON FUNCTION "private"."claimed_deliveries"(uuid, public.webhook_deliveries[]) IS 'All that a worker needs to deliver what it has leased.';

COMMENT ON FUNCTION "private"."classified_anew"(public.webhook_events, jsonb) IS 'What a classification would change: another label, a failure gone, or a review spared. Another confidence alone is nothing.';

COMMENT ON FUNCTION "private"."comparable"(json) IS 'A row in a form that tells whether anything but its updated_at has changed, whatever it holds.';

COMMENT ON FUNCTION "private"."delete_old"(integer, integer) IS 'Deletes one small batch of what has been finished for p_days: events with bodies and logs, published events with deliveries and logs. How many: {events, published_events}. Called again until both are 0.';

COMMENT ON FUNCTION "private"."delete_old_events"(timestamp with time zone, integer) IS 'Deletes up to p_limit events that came in and were finished before a time; how many. What waits for review stays.';

COMMENT ON FUNCTION "private"."delete_old_published_events"(timestamp with time zone, integer) IS 'Deletes up to p_limit published events, with deliveries and their logs, that were made and finished before a time; how many.';

COMMENT ON FUNCTION "private"."disable_webhook"(uuid, text) IS 'Switches a webhook off, tells its owner and publishes webhook.disabled. What waits for it goes on waiting.';

COMMENT ON FUNCTION "private"."due_deliveries"(public.webhooks, private.webhook_states, integer, integer, uuid[]) IS 'Locks and returns deliveries of a webhook that are due and not among p_picked: no more than p_limit, than its cap of attempts under way, and than its rate limit. Of a webhook that is off, only tests.';

COMMENT ON FUNCTION "private"."entity_type"(uuid, text) IS 'The entity type that a name means for a user: their own, else the shipped one; null where there is none.';

COMMENT ON FUNCTION "private"."fetched_events"(public.webhook_endpoints, text) IS 'Events as private.store_events takes them, for this endpoint and no other. Refuses what ingest would not have let through.';

COMMENT ON FUNCTION "private"."find_person"(public.people, uuid) IS 'The person that is meant, and by what: the one of an earlier try, else by email, then phone, then the source''s own id; null where nobody matches.';

COMMENT ON FUNCTION "private"."find_records"(public.entity_types, private.record_draft[]) IS 'Drafts whose turn it is, each with the record that it is about: that of an earlier try, else the one with the same match columns, else a new id. Of several about the same record, the first.';

COMMENT ON FUNCTION "private"."finish_preparations"(private.preparation[], private.step[]) IS 'Links people to records, logs what was done, and moves the events to the rules stage.';

COMMENT ON FUNCTION "private"."first_id_at"(timestamp with time zone) IS 'The lowest time-ordered id that can have been made at a time.';

COMMENT ON FUNCTION "private"."functions_are_known"() IS 'Whether pg_net and Vault are there, so that the database can call functions.';

COMMENT ON FUNCTION "private"."give_back_tokens"(uuid[]) IS 'Gives back to their webhooks'' minutes what was taken for these deliveries. The caller holds the states.';

COMMENT ON FUNCTION "private"."has_foreign_triggers"(text) IS 'Whether changes of a table set something off that may publish events.';

COMMENT ON FUNCTION "private"."is_deliverable"(json) IS 'Whether data is an object that every receiver can parse: at most 1 MiB, 64 levels deep, with numbers within ±1e308, without NUL or half a surrogate pair.';

COMMENT ON FUNCTION "private"."is_event_name"(text) IS 'Whether a text is the name of an event: words of letters, digits, _ and -, with dots between them.';

COMMENT ON FUNCTION "private"."lease_deliveries"(uuid[], uuid, integer, boolean) IS 'Leases locked deliveries to one worker. p_is_counted: their webhooks'' rate limits know of them.';

COMMENT ON FUNCTION "private"."lease_replay"(public.webhook_event_stage, integer, integer) IS 'Leases the replay of a stage that has waited longest; null where none is due.';

COMMENT ON FUNCTION "private"."lend_endpoint_secret"(uuid, text) IS 'See public.lend_endpoint_secret.';

COMMENT ON FUNCTION "private"."log_actions"(public.webhook_event_logs[]) IS 'Logs actions. One that is done again replaces its entry.';

COMMENT ON FUNCTION "private"."log_attempts"(private.delivery_result[]) IS 'One row in the log per attempt; one that was held for unknown is now told.';

COMMENT ON FUNCTION "private"."log_steps"(private.step[]) IS 'Logs steps, in their order. Doing a step again replaces its entry.';

COMMENT ON FUNCTION "private"."max_delivery_attempts"() IS 'Attempts that a delivery gets each time it is queued: the first, and one for each step of functions/dispatch/backoff.py.';

COMMENT ON FUNCTION "private"."merge_person"(public.people, public.people, boolean) IS 'What is known of a person after an event. p_is_news: what it says replaces what was known; else it fills in what was not.';

COMMENT ON FUNCTION "private"."next_concurrency"(integer, integer, integer, numeric) IS 'How many deliveries a webhook may have under way after what the last ones have shown: 4 to 1,000.';

COMMENT ON FUNCTION "private"."next_delivery_at"() IS 'When a delivery will be due next; a time that has passed where all that wait are due; null where none waits.';

COMMENT ON FUNCTION "private"."note_outcomes"(private.delivery_result[], uuid[]) IS 'Keeps how each webhook fares, and switches off those that are gone or have failed for five days.';

COMMENT ON FUNCTION "private"."note_silence"(uuid[]) IS 'Logs attempts whose lease ran out without a word, and fails those deliveries that have no attempt left.';

COMMENT ON FUNCTION "private"."parse_data"(text) IS 'Data of an event out of its text; refuses what private.is_deliverable does.';

COMMENT ON FUNCTION "private"."patterns_of"(text) IS 'Every pattern that an event of this type meets: ai.response.approved meets *, itself, ai.* and ai.response.*.';

COMMENT ON FUNCTION "private"."pick_deliveries"(integer, integer) IS 'Locks and returns up to p_limit deliveries that are due, shared evenly between webhooks, with at most p_per_webhook under way for each.';

COMMENT ON FUNCTION "private"."prepare_events"(private.prepare_result[]) IS 'Prepares held events and moves them to the rules stage, all of them or, on an error, none.';

COMMENT ON FUNCTION "private"."prepare_person"(private.preparation) IS 'Finds or makes the person of an event; null where the event names nobody.';

COMMENT ON FUNCTION "private"."prepare_records"(private.preparation[]) IS 'Finds or makes the records of events that are about something else than a person.';

COMMENT ON FUNCTION "private"."prepared_anew"(public.webhook_events, jsonb) IS 'What preparing an event would change: other values read from its payload, a record that is gone made again, or a failure gone.';

COMMENT ON FUNCTION "private"."publish"(private.outgoing_event[]) IS 'Publishes events and queues them for who subscribes; ids of those that are new. An event whose key its user has used before is left out.';

COMMENT ON FUNCTION "private"."publish_because_of"(uuid) IS 'What is published in the rest of this transaction, be it by a trigger, is put down to this event; to none after null.';

COMMENT ON FUNCTION "private"."publish_event"(text, text, uuid, text) IS 'See public.publish_event.';

COMMENT ON FUNCTION "private"."publish_rows"() IS 'Publishes what a statement did to a tracked table. Arguments: see private.track_table.';

COMMENT ON FUNCTION "private"."queue_depth"(uuid) IS 'What waits, for one user or (null) for all that the caller may see: {review, events (on their way), deliveries}, each counted up to 10000.';

COMMENT ON FUNCTION "private"."readable"(jsonb) IS 'A row as JSON that any worker can read: without its nested values if they are deeper than 64 levels, its id alone if it is over 1 MiB.';

COMMENT ON FUNCTION "private"."reconcile_endpoint"(uuid, text, text) IS 'See public.reconcile_endpoint.';

COMMENT ON FUNCTION "private"."record_alone"(json) IS 'Records one attempt, without its details if they cannot be stored; nothing where that does not help either.';

COMMENT ON FUNCTION "private"."record_attempts"(json) IS 'Records a group of attempts, all or (on an error) none; ids of the deliveries that their leases still held. See public.finish_deliveries.';

COMMENT ON FUNCTION "private"."records"(uuid[]) IS 'Records of events as JSON, by the event''s id; null where there is none.';

COMMENT ON FUNCTION "private"."recover_webhook"(uuid, timestamp with time zone, timestamp with time zone) IS 'See public.recover_webhook.';

COMMENT ON FUNCTION "private"."replay_batch"(public.webhook_event_stage, uuid[]) IS 'Events as the worker of a stage needs them to decide about them.';

COMMENT ON FUNCTION "private"."replay_candidates"(public.event_replays, integer) IS 'The next events in the range of a replay''s ids, and whether each is one that it is about.';

COMMENT ON FUNCTION "private"."replay_difference"(public.webhook_event_stage, public.webhook_events, jsonb) IS 'How an event would come out of a stage that decided so: {before, after}; null where it would be as it is.';

COMMENT ON FUNCTION "private"."replay_event"(uuid) IS 'See public.replay_event.';

COMMENT ON FUNCTION "private"."replay_function"(public.webhook_event_stage) IS 'The function that works on a stage, as private.wake names it.';

COMMENT ON FUNCTION "private"."requeue"(uuid[]) IS 'Puts finished deliveries back into the queue, with all their attempts ahead of them; those that were.';

COMMENT ON FUNCTION "private"."requeue_events"(public.event_replays, uuid[]) IS 'Puts events of a replay back into the queue, at its stage; how many that were.';

COMMENT ON FUNCTION "private"."retry_delivery"(uuid) IS 'See public.retry_delivery.';

COMMENT ON FUNCTION "private"."rotate_webhook_secret"(uuid, text, integer) IS 'Makes p_ciphertext the key that signs a webhook''s deliveries. Earlier keys, four at most, sign beside it for p_overlap_seconds; returns until when.';

COMMENT ON FUNCTION "private"."row_as_data"(text, json, jsonb) IS 'A row as the data of an event: {name: row}, without its owner. A row that not every receiver could parse is told by its id.';

COMMENT ON FUNCTION "private"."ruled_anew"(public.webhook_events, jsonb) IS 'Which actions would be done for an event that were not, and which would be tried again; null where there is none.';

COMMENT ON FUNCTION "private"."rules_batch"(uuid[]) IS 'Events with their person and record, and what decides about them: {events[], rules[], invoice_field_maps[]}. Changes nothing; a user gets what row level security lets them see.';

COMMENT ON FUNCTION "private"."run_action"(public.webhook_events, jsonb) IS 'Applies one action, and says what is to be logged of it.';

COMMENT ON FUNCTION "private"."run_actions"(public.webhook_events, jsonb) IS 'Applies actions in their order, without those that have succeeded for this event before; what is to be logged of them.';

COMMENT ON FUNCTION "private"."schedule"(integer) IS 'Has pg_cron sweep every 5 seconds and delete what has been finished for p_keep_days (0 keeps all; null leaves it as it is, at first 90). Call it again after enabling pg_cron. {scheduled, keep_days or reason, calls: whether pg_net and Vault are there}; never raises.';

COMMENT ON FUNCTION "private"."settle_failures"(public.webhook_event_stage, uuid[]) IS 'Turns the log''s failures of a stage, or of a rule''s condition, into successes, once a later attempt went well.';

COMMENT ON FUNCTION "private"."settle_webhook"() IS 'Keeps updated_at, and what goes with switching a webhook on.';

COMMENT ON FUNCTION "private"."start_replay"(text) IS 'See public.start_replay.';

COMMENT ON FUNCTION "private"."store_webhook_secrets"(uuid, jsonb) IS 'Puts in what is secret about a webhook, as ciphertexts: {signing, url (null takes it away), headers {name: ciphertext, or null to keep what is stored}}. What is not named stays.';

COMMENT ON FUNCTION "private"."streak"(uuid) IS 'How many attempts in a row ended as the last one did, up to 1000: {success, length}; null before the first.';

COMMENT ON FUNCTION "private"."sweep"() IS 'Wakes the functions that have something due: what a lost call left, what is tried again, what a dead worker had leased. Their names.';

COMMENT ON FUNCTION "private"."take_delivery_tokens"(public.webhooks, integer) IS 'Takes up to p_wanted deliveries from a webhook''s minute. The caller holds its state, which makes the limit exact.';

COMMENT ON FUNCTION "private"."test_webhook"(uuid, text, text) IS 'See public.test_webhook.';

COMMENT ON FUNCTION "private"."time_ordered_id"() IS 'A UUIDv7: ids made later sort later.';

COMMENT ON FUNCTION "private"."trace_deliveries"(uuid) IS 'The first hundred deliveries of a published event.';

COMMENT ON FUNCTION "private"."trace_finding"(public.webhook_events, text) IS 'How the person or entity of an event was come by: made, or found, and by which keys; null where there is none.';

COMMENT ON FUNCTION "private"."trace_label"(public.webhook_events) IS 'What an event was taken for, by whom and how surely, and what people decided about that.';

COMMENT ON FUNCTION "private"."trace_outgoing"(public.webhook_events) IS 'What was published because of an event (the first hundred), by which action of a rule where one did, and who received it.';

COMMENT ON FUNCTION "private"."trace_rules"(public.webhook_events) IS 'What each rule did for an event; a rule that is no longer there has no name.';

COMMENT ON FUNCTION "private"."trace_step"(public.webhook_event_logs) IS 'One entry of the log as a step of a trace.';

COMMENT ON FUNCTION "private"."track_table"(regclass, text, jsonb) IS 'Publishes <name>.created, .updated and .deleted with {name: row} as data from now on, for the user in the row''s user_id. A row that not every receiver could parse is told by its id. p_changes names more: {"status": {"resolved": "resolved"}} publishes <name>.resolved when status becomes resolved. For the owner of the table, in the SQL editor or a migration.';

COMMENT ON FUNCTION "private"."try_to_prepare"(private.prepare_result[]) IS 'Why these events can not be prepared; null if they are.';

COMMENT ON FUNCTION "private"."upsert_person"(public.people, uuid, boolean) IS 'Finds a person and tells it what is new, or makes it. found_by: null for one that was made; person_id: null where nothing says who it is. See private.merge_person for p_is_news.';

COMMENT ON FUNCTION "private"."upsert_records"(public.entity_types, private.record_draft[]) IS 'Finds and updates, or makes, the records that drafts are about, in their order; the drafts with their records.';

COMMENT ON FUNCTION "private"."wake"(text) IS 'Says that a pipeline function has work: to whoever listens on the channel "switchhook", and hosted to the function itself. A lost call costs one sweep interval, never an event.';

COMMENT ON FUNCTION "private"."webhooks_with_deliveries"(uuid, integer, boolean) IS 'Webhooks with unfinished deliveries, by id, after p_after, and when the first of them is due. p_only_due: only those that have something to claim: tests, or anything if they are active.';

COMMENT ON FUNCTION "private"."within_bytes"(uuid[], bigint) IS 'As many of these deliveries, from the first on, as begin before so many bytes of data. An event counts once, whoever gets it.';

COMMENT ON FUNCTION "private"."write_records"(public.entity_types, text[], private.record_draft[]) IS 'Inserts or updates found drafts, each about another record. Only the columns that are given are touched.';

COMMENT ON FUNCTION "public"."claim_classify"(integer, integer, text) IS 'Leases up to p_limit events that wait for classification: {lease_id, events[], entity_types[]}. An event''s override is what a user decided before about its endpoint and type: {id, entity_table, is_person}, or null. p_event_ids: a JSON array, to claim only those.';

COMMENT ON FUNCTION "public"."claim_deliveries"(integer, integer, integer, text) IS 'Leases up to p_limit deliveries that are due, p_per_webhook of them under way for one webhook at most: {lease_id, deliveries[], webhooks[], events[], schemas[], next_at (when there will be more, if there are none)}. p_delivery_ids: a JSON array, to claim only those. json, not jsonb: the order of keys in data is the publisher''s.';

COMMENT ON FUNCTION "public"."claim_replay"(text, integer, integer) IS 'Leases a replay of a stage to one worker: {lease_id, events[] …} with up to p_limit events as the stage''s own claim hands them out. No event is leased or changed.';

COMMENT ON FUNCTION "public"."create_webhook"(text, text) IS 'Registers a webhook of the caller with its encrypted secrets, in one transaction. p_webhook: JSON with the table''s columns; p_secrets: see private.store_webhook_secrets.';

COMMENT ON FUNCTION "public"."finish_deliveries"(text) IS 'Records attempts. Takes [{id, lease_id, attempt, state: delivered | retry | failed | filtered, delay_seconds, disable_reason, log_id, error_code, error_message, request_url, request_headers, request_body_sha256, response_status, response_headers, response_body, latency_ms, attempted_at}]. Answers {finished[ids], lost[ids]}. A delivery whose lease has gone to another worker is lost and keeps its state; the attempt is logged all the same. Details that cannot be stored are left out; a result that cannot be stored even so is lost, alone.';

COMMENT ON FUNCTION "public"."finish_replay"(uuid, text) IS 'Takes what finish_<stage> would take: lists what would be different and, unless it is a dry run, puts these events back into the queue. Answers {examined, is_lost: the lease went to another worker, and nothing was done}.';

COMMENT ON FUNCTION "public"."get_endpoint_activity"(text, timestamp with time zone) IS 'What came in at up to 100 endpoints of the caller (p_endpoint_ids: a JSON array) since a time: [{id, received, failed, review, last_event_at}]. Of each, the newest 10000 events are counted.';

COMMENT ON FUNCTION "public"."get_event_trace"(uuid) IS 'The way of an event of the caller: {received, verification, label, person, entity, steps[], rules[{actions[]}], outgoing[{deliveries[]}]}, each with its time.';

COMMENT ON FUNCTION "public"."get_events_for_rules"(uuid, text, uuid, integer) IS 'Events of a user (the caller, or anybody''s for an admin) as claim_rules hands them out, with status and stage, newest first: {events[], invoice_field_maps[]}. Either the one that is named, or the last of an entity type that are prepared, up to p_limit (100 at most).';

COMMENT ON FUNCTION "public"."get_navigation"() IS 'What every page of the console tells beside its own: whether the caller is an admin, and how many of their events wait for review, counted up to 1000.';

COMMENT ON FUNCTION "public"."get_overview"(timestamp with time zone, timestamp with time zone, integer, boolean) IS 'What came in and went out between two times, for the caller or (p_everybody) for all whose rows they may see: {in {received, processed, failed, p50_ms, p95_ms, series[p_points of {at, total, good, bad, p50_ms, p95_ms}], trouble[endpoints]}, out {attempts, delivered, failed, …the same, trouble[webhooks]}, queue {by what waits}}.';

COMMENT ON FUNCTION "public"."get_webhook_health"(text, timestamp with time zone) IS 'How up to 100 webhooks of the caller (p_webhook_ids: a JSON array) fare since a time: [{id, attempts, delivered, p95_ms, waiting, last {outcome, status, error, at}}]. Of each, the newest 10000 attempts are counted; tests do not count.';

COMMENT ON FUNCTION "public"."get_webhook_stats"(uuid, timestamp with time zone, timestamp with time zone, integer) IS 'How a webhook of the caller fares between two times: {attempts, succeeded, failed, success_rate, latency_p50_ms, latency_p95_ms, series[p_points of {at, succeeded, failed, latency_p50_ms, latency_p95_ms}], streak {success, length}, deliveries {by status}}. Tests do not count.';

COMMENT ON FUNCTION "public"."lend_endpoint_secret"(uuid, text) IS 'Lets an encrypted secret verify at an endpoint of the caller for two minutes, beside its own, so that a test event can be signed. Answers {expires_at}.';

COMMENT ON FUNCTION "public"."override_event"(uuid, text, boolean) IS 'Corrects the entity type and whether a person is behind an event that waits for review or has failed. Null leaves a value as it is. Remembered for the endpoint and event type; see public.classification_overrides.';

COMMENT ON FUNCTION "public"."publish_event"(text, text, uuid, text) IS 'Publishes an event of a user in the caller''s transaction. p_data: a JSON object. Answers {id, state: published | duplicate (the key was used before: id is the first event''s), deliveries}.';

COMMENT ON FUNCTION "public"."reconcile_endpoint"(uuid, text, text) IS 'Stores events that the caller fetched from the vendor of an endpoint of theirs (scheme github or stripe), as public.ingest_events does, and how far they came: p_state, a small JSON object, or null. p_events: a JSON array of at most 100 {external_id, event_type, headers, dedupe_key (id:…), body (base64), content_type, payload?}. Answers in the same order {id, state: accepted | duplicate | rate_limited, retry_after?}; p_state is not kept if the endpoint''s rate limit held something back.';

COMMENT ON FUNCTION "public"."record_refusals"(text) IS 'Keeps refused requests for the owners of their endpoints. p_refusals: JSON array of {id, endpoint_id, status, code, reason, method, headers, body_bytes, body_start, created_at}. Of each endpoint the newest 100 stay. Answers {recorded}.';

COMMENT ON FUNCTION "public"."recover_webhook"(uuid, timestamp with time zone, timestamp with time zone) IS 'Queues everything once more that failed for a webhook of the caller and was published since p_since (and before p_until). Answers {queued: how many}.';

COMMENT ON FUNCTION "public"."replay_event"(uuid) IS 'Delivers a published event of the caller once more, under the same id: to all who had it and are not about to have it, and to webhooks that have come to subscribe to it since. Answers {id, queued: how many deliveries}.';

COMMENT ON FUNCTION "public"."retry_delivery"(uuid) IS 'Queues a finished delivery of the caller once more, under the same event id; one that waits for its next attempt gets it at once. Of two such calls at once, one is refused.';

COMMENT ON FUNCTION "public"."rotate_webhook_secret"(uuid, text, integer) IS 'Gives a webhook of the caller a new encrypted key; earlier ones sign beside it for p_overlap_seconds (0 to 604800) more.';

COMMENT ON FUNCTION "public"."search_events"(text, text, uuid, text, timestamp with time zone, timestamp with time zone, uuid, boolean, integer) IS 'Ids of up to p_limit (1 to 101) events of the caller, or with p_everybody of all that they may see, newest first and older than p_before, in whose facts or payload a text stands, whatever its case. p_statuses: names with commas between them. Null filters nothing; the newest 20000 events that the filters leave are looked at.';

COMMENT ON FUNCTION "public"."start_replay"(text) IS 'Has a stage decide anew about events of the caller (or of the owner of the endpoint, for an admin) that are through it. p_replay: JSON {stage: classify | prepare | rules, is_dry_run (true unless given), endpoint_id, entity_table, since, until}. Answers the row of event_replays.';

COMMENT ON FUNCTION "public"."test_webhook"(uuid, text, text) IS 'Queues a test for a webhook of the caller, be it on or off: of a given type (or the first it subscribes to) with given data (or the type''s example). It is tried once and counts for nothing else. Answers {event_id, delivery_id, type, data}.';

COMMENT ON FUNCTION "public"."update_webhook"(uuid, text, text) IS 'Changes a webhook of the caller in one transaction. p_changes: JSON with the columns to set; p_secrets: see private.store_webhook_secrets.';

COMMENT ON TABLE "private"."webhook_secrets" IS 'What a delivery needs and nobody may read, encrypted by the application (Fernet): keys that sign, values of headers, addresses that are secrets.';

COMMENT ON TABLE "private"."webhook_states" IS 'How deliveries to a webhook have gone of late, and how many its current minute has had. Written by claims and finishes only.';

COMMENT ON TABLE "public"."classification_overrides" IS 'What users decided in the queue, remembered for later events of the same endpoint and event type. Deleting a row takes the decision back.';

COMMENT ON TABLE "public"."endpoint_reconciliations" IS 'How far the last fetching of missed events came, per endpoint. Written by reconcile_endpoint only.';

COMMENT ON TABLE "public"."event_replay_differences" IS 'What would come out differently: the first 10,000 of each replay.';

COMMENT ON TABLE "public"."event_replays" IS 'A stage run anew over a range of events, and how far it has come.';

COMMENT ON TABLE "public"."event_types" IS 'Outgoing events by name. Types without a user_id are shipped; a user''s own type hides a shipped one of the same name. Events without a type may be published too.';

COMMENT ON TABLE "public"."published_events" IS 'The outbox: every event that was published, once, whoever received it.';

COMMENT ON TABLE "public"."webhook_deliveries" IS 'One row per event and webhook that subscribes to it: the queue that dispatch works through.';

COMMENT ON TABLE "public"."webhook_logs" IS 'What happened: one row per attempt, also per attempt of a worker that did not live to tell.';

COMMENT ON TABLE "public"."webhook_refusals" IS 'Requests that were refused, with the reason: the last 100 of each endpoint.';

COMMENT ON TABLE "public"."webhooks" IS 'Registrations of receivers: which events go where.';

COMMENT ON TYPE "private"."delivery_result" IS 'What became of one attempt; see public.finish_deliveries.';

COMMENT ON TYPE "private"."outgoing_event" IS 'An event to be published; see private.publish.';

COMMENT ON TYPE "private"."preparation" IS 'An event while it is prepared: with the person and the record of an earlier try at first, then with its own.';

COMMENT ON TYPE "private"."prepare_result" IS 'What a worker made of one event; see public.finish_prepare.';

COMMENT ON TYPE "private"."record_draft" IS 'What an event says of a record. Before it is written, id is the record of an earlier try, if there was one; after, it is the record''s, and is_new and found_by say how that came to be. place orders the drafts of a batch.';

COMMENT ON TYPE "private"."step" IS 'A step of the pipeline that succeeded; null for nothing to say.';

REVOKE ALL ON FUNCTION "private"."add_deliveries"(uuid[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."add_deliveries"(uuid[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."add_webhook_state"() FROM PUBLIC;

REVOKE ALL ON FUNCTION "private"."apply_action"(public.webhook_events, uuid, text, jsonb) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."apply_action"(public.webhook_events, uuid, text, jsonb) TO "service_role";

REVOKE ALL ON FUNCTION "private"."are_event_patterns"(text[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."are_event_patterns"(text[]) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."body_facts"(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."body_facts"(uuid) TO "authenticated";

REVOKE ALL ON FUNCTION "private"."call_function"(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."call_function"(text) TO "service_role";

REVOKE ALL ON FUNCTION "private"."claimed_deliveries"(uuid, public.webhook_deliveries[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."claimed_deliveries"(uuid, public.webhook_deliveries[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."classified_anew"(public.webhook_events, jsonb) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."classified_anew"(public.webhook_events, jsonb) TO "service_role";

REVOKE ALL ON FUNCTION "private"."comparable"(json) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."comparable"(json) TO "service_role";

REVOKE ALL ON FUNCTION "private"."delete_old"(integer, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."delete_old"(integer, integer) TO "service_role";

REVOKE ALL ON FUNCTION "private"."delete_old_events"(timestamp with time zone, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."delete_old_events"(timestamp with time zone, integer) TO "service_role";

REVOKE ALL ON FUNCTION "private"."delete_old_published_events"(timestamp with time zone, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."delete_old_published_events"(timestamp with time zone, integer) TO "service_role";

REVOKE ALL ON FUNCTION "private"."disable_webhook"(uuid, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."disable_webhook"(uuid, text) TO "service_role";

REVOKE ALL ON FUNCTION "private"."due_deliveries"(public.webhooks, private.webhook_states, integer, integer, uuid[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."due_deliveries"(public.webhooks, private.webhook_states, integer, integer, uuid[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."entity_type"(uuid, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."entity_type"(uuid, text) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."fetched_events"(public.webhook_endpoints, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."fetched_events"(public.webhook_endpoints, text) TO "service_role";

REVOKE ALL ON FUNCTION "private"."find_person"(public.people, uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."find_person"(public.people, uuid) TO "service_role";

REVOKE ALL ON FUNCTION "private"."find_records"(public.entity_types, private.record_draft[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."find_records"(public.entity_types, private.record_draft[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."finish_preparations"(private.preparation[], private.step[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."finish_preparations"(private.preparation[], private.step[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."first_id_at"(timestamp with time zone) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."first_id_at"(timestamp with time zone) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."functions_are_known"() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."functions_are_known"() TO "service_role";

REVOKE ALL ON FUNCTION "private"."give_back_tokens"(uuid[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."give_back_tokens"(uuid[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."has_foreign_triggers"(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."has_foreign_triggers"(text) TO "service_role";

REVOKE ALL ON FUNCTION "private"."is_deliverable"(json) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."is_deliverable"(json) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."is_event_name"(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."is_event_name"(text) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."lease_deliveries"(uuid[], uuid, integer, boolean) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."lease_deliveries"(uuid[], uuid, integer, boolean) TO "service_role";

REVOKE ALL ON FUNCTION "private"."lease_replay"(public.webhook_event_stage, integer, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."lease_replay"(public.webhook_event_stage, integer, integer) TO "service_role";

REVOKE ALL ON FUNCTION "private"."lend_endpoint_secret"(uuid, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."lend_endpoint_secret"(uuid, text) TO "authenticated";

REVOKE ALL ON FUNCTION "private"."log_actions"(public.webhook_event_logs[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."log_actions"(public.webhook_event_logs[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."log_attempts"(private.delivery_result[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."log_attempts"(private.delivery_result[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."log_steps"(private.step[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."log_steps"(private.step[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."max_delivery_attempts"() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."max_delivery_attempts"() TO "service_role";

REVOKE ALL ON FUNCTION "private"."merge_person"(public.people, public.people, boolean) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."merge_person"(public.people, public.people, boolean) TO "service_role";

REVOKE ALL ON FUNCTION "private"."next_concurrency"(integer, integer, integer, numeric) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."next_concurrency"(integer, integer, integer, numeric) TO "service_role";

REVOKE ALL ON FUNCTION "private"."next_delivery_at"() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."next_delivery_at"() TO "service_role";

REVOKE ALL ON FUNCTION "private"."note_outcomes"(private.delivery_result[], uuid[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."note_outcomes"(private.delivery_result[], uuid[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."note_silence"(uuid[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."note_silence"(uuid[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."parse_data"(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."parse_data"(text) TO "service_role";

REVOKE ALL ON FUNCTION "private"."patterns_of"(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."patterns_of"(text) TO "service_role";

REVOKE ALL ON FUNCTION "private"."pick_deliveries"(integer, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."pick_deliveries"(integer, integer) TO "service_role";

REVOKE ALL ON FUNCTION "private"."prepare_events"(private.prepare_result[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."prepare_events"(private.prepare_result[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."prepare_person"(private.preparation) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."prepare_person"(private.preparation) TO "service_role";

REVOKE ALL ON FUNCTION "private"."prepare_records"(private.preparation[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."prepare_records"(private.preparation[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."prepared_anew"(public.webhook_events, jsonb) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."prepared_anew"(public.webhook_events, jsonb) TO "service_role";

REVOKE ALL ON FUNCTION "private"."publish"(private.outgoing_event[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."publish"(private.outgoing_event[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."publish_because_of"(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."publish_because_of"(uuid) TO "service_role";

REVOKE ALL ON FUNCTION "private"."publish_event"(text, text, uuid, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."publish_event"(text, text, uuid, text) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."publish_rows"() FROM PUBLIC;

REVOKE ALL ON FUNCTION "private"."queue_depth"(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."queue_depth"(uuid) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."readable"(jsonb) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."readable"(jsonb) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."reconcile_endpoint"(uuid, text, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."reconcile_endpoint"(uuid, text, text) TO "authenticated";

REVOKE ALL ON FUNCTION "private"."record_alone"(json) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."record_alone"(json) TO "service_role";

REVOKE ALL ON FUNCTION "private"."record_attempts"(json) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."record_attempts"(json) TO "service_role";

REVOKE ALL ON FUNCTION "private"."records"(uuid[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."records"(uuid[]) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."recover_webhook"(uuid, timestamp with time zone, timestamp with time zone) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."recover_webhook"(uuid, timestamp with time zone, timestamp with time zone) TO "authenticated";

REVOKE ALL ON FUNCTION "private"."replay_batch"(public.webhook_event_stage, uuid[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."replay_batch"(public.webhook_event_stage, uuid[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."replay_candidates"(public.event_replays, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."replay_candidates"(public.event_replays, integer) TO "service_role";

REVOKE ALL ON FUNCTION "private"."replay_difference"(public.webhook_event_stage, public.webhook_events, jsonb) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."replay_difference"(public.webhook_event_stage, public.webhook_events, jsonb) TO "service_role";

REVOKE ALL ON FUNCTION "private"."replay_event"(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."replay_event"(uuid) TO "authenticated";

REVOKE ALL ON FUNCTION "private"."replay_function"(public.webhook_event_stage) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."replay_function"(public.webhook_event_stage) TO "service_role";

REVOKE ALL ON FUNCTION "private"."requeue"(uuid[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."requeue"(uuid[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."requeue_events"(public.event_replays, uuid[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."requeue_events"(public.event_replays, uuid[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."retry_delivery"(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."retry_delivery"(uuid) TO "authenticated";

REVOKE ALL ON FUNCTION "private"."rotate_webhook_secret"(uuid, text, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."rotate_webhook_secret"(uuid, text, integer) TO "authenticated";

REVOKE ALL ON FUNCTION "private"."row_as_data"(text, json, jsonb) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."row_as_data"(text, json, jsonb) TO "service_role";

REVOKE ALL ON FUNCTION "private"."ruled_anew"(public.webhook_events, jsonb) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."ruled_anew"(public.webhook_events, jsonb) TO "service_role";

REVOKE ALL ON FUNCTION "private"."rules_batch"(uuid[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."rules_batch"(uuid[]) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."run_action"(public.webhook_events, jsonb) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."run_action"(public.webhook_events, jsonb) TO "service_role";

REVOKE ALL ON FUNCTION "private"."run_actions"(public.webhook_events, jsonb) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."run_actions"(public.webhook_events, jsonb) TO "service_role";

REVOKE ALL ON FUNCTION "private"."schedule"(integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION "private"."settle_failures"(public.webhook_event_stage, uuid[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."settle_failures"(public.webhook_event_stage, uuid[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."settle_webhook"() FROM PUBLIC;

REVOKE ALL ON FUNCTION "private"."start_replay"(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."start_replay"(text) TO "authenticated";

REVOKE ALL ON FUNCTION "private"."store_webhook_secrets"(uuid, jsonb) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."store_webhook_secrets"(uuid, jsonb) TO "authenticated";

REVOKE ALL ON FUNCTION "private"."streak"(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."streak"(uuid) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."sweep"() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."sweep"() TO "service_role";

REVOKE ALL ON FUNCTION "private"."take_delivery_tokens"(public.webhooks, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."take_delivery_tokens"(public.webhooks, integer) TO "service_role";

REVOKE ALL ON FUNCTION "private"."test_webhook"(uuid, text, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."test_webhook"(uuid, text, text) TO "authenticated";

REVOKE ALL ON FUNCTION "private"."time_ordered_id"() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."time_ordered_id"() TO "service_role";

REVOKE ALL ON FUNCTION "private"."trace_deliveries"(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."trace_deliveries"(uuid) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."trace_finding"(public.webhook_events, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."trace_finding"(public.webhook_events, text) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."trace_label"(public.webhook_events) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."trace_label"(public.webhook_events) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."trace_outgoing"(public.webhook_events) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."trace_outgoing"(public.webhook_events) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."trace_rules"(public.webhook_events) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."trace_rules"(public.webhook_events) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."trace_step"(public.webhook_event_logs) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."trace_step"(public.webhook_event_logs) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."track_table"(regclass, text, jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION "private"."try_to_prepare"(private.prepare_result[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."try_to_prepare"(private.prepare_result[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."upsert_person"(public.people, uuid, boolean) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."upsert_person"(public.people, uuid, boolean) TO "service_role";

REVOKE ALL ON FUNCTION "private"."upsert_records"(public.entity_types, private.record_draft[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."upsert_records"(public.entity_types, private.record_draft[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."wake"(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."wake"(text) TO "service_role";

REVOKE ALL ON FUNCTION "private"."webhooks_with_deliveries"(uuid, integer, boolean) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."webhooks_with_deliveries"(uuid, integer, boolean) TO "service_role";

REVOKE ALL ON FUNCTION "private"."within_bytes"(uuid[], bigint) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."within_bytes"(uuid[], bigint) TO "service_role";

REVOKE ALL ON FUNCTION "private"."write_records"(public.entity_types, text[], private.record_draft[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."write_records"(public.entity_types, text[], private.record_draft[]) TO "service_role";

REVOKE ALL ON FUNCTION "public"."claim_deliveries"(integer, integer, integer, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."claim_deliveries"(integer, integer, integer, text) TO "service_role";

REVOKE ALL ON FUNCTION "public"."claim_replay"(text, integer, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."claim_replay"(text, integer, integer) TO "service_role";

REVOKE ALL ON FUNCTION "public"."create_webhook"(text, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."create_webhook"(text, text) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."finish_deliveries"(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."finish_deliveries"(text) TO "service_role";

REVOKE ALL ON FUNCTION "public"."finish_replay"(uuid, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."finish_replay"(uuid, text) TO "service_role";

REVOKE ALL ON FUNCTION "public"."get_endpoint_activity"(text, timestamp with time zone) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."get_endpoint_activity"(text, timestamp with time zone) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."get_event_trace"(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."get_event_trace"(uuid) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."get_events_for_rules"(uuid, text, uuid, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."get_events_for_rules"(uuid, text, uuid, integer) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."get_navigation"() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."get_navigation"() TO "authenticated";

REVOKE ALL ON FUNCTION "public"."get_overview"(timestamp with time zone, timestamp with time zone, integer, boolean) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."get_overview"(timestamp with time zone, timestamp with time zone, integer, boolean) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."get_webhook_health"(text, timestamp with time zone) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."get_webhook_health"(text, timestamp with time zone) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."get_webhook_stats"(uuid, timestamp with time zone, timestamp with time zone, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."get_webhook_stats"(uuid, timestamp with time zone, timestamp with time zone, integer) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."lend_endpoint_secret"(uuid, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."lend_endpoint_secret"(uuid, text) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."publish_event"(text, text, uuid, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."publish_event"(text, text, uuid, text) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "public"."reconcile_endpoint"(uuid, text, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."reconcile_endpoint"(uuid, text, text) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."record_refusals"(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."record_refusals"(text) TO "service_role";

REVOKE ALL ON FUNCTION "public"."recover_webhook"(uuid, timestamp with time zone, timestamp with time zone) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."recover_webhook"(uuid, timestamp with time zone, timestamp with time zone) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."replay_event"(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."replay_event"(uuid) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."retry_delivery"(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."retry_delivery"(uuid) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."rotate_webhook_secret"(uuid, text, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."rotate_webhook_secret"(uuid, text, integer) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."search_events"(text, text, uuid, text, timestamp with time zone, timestamp with time zone, uuid, boolean, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."search_events"(text, text, uuid, text, timestamp with time zone, timestamp with time zone, uuid, boolean, integer) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."start_replay"(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."start_replay"(text) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."test_webhook"(uuid, text, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."test_webhook"(uuid, text, text) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."update_webhook"(uuid, text, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."update_webhook"(uuid, text, text) TO "authenticated";

GRANT SELECT ON TABLE "private"."webhook_secrets" TO "service_role";

GRANT INSERT, SELECT, UPDATE ON TABLE "private"."webhook_states" TO "service_role";

GRANT DELETE, SELECT ON TABLE "public"."classification_overrides" TO "authenticated";

GRANT SELECT ON TABLE "public"."classification_overrides" TO "service_role";

GRANT SELECT ON TABLE "public"."endpoint_reconciliations" TO "authenticated", "service_role";

GRANT SELECT ON TABLE "public"."event_replay_differences" TO "authenticated";

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "public"."event_replay_differences" TO "service_role";

GRANT DELETE, SELECT ON TABLE "public"."event_replays" TO "authenticated";

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "public"."event_replays" TO "service_role";

GRANT INSERT ("description"), UPDATE ("description") ON TABLE "public"."event_types" TO "authenticated";

GRANT INSERT ("example"), UPDATE ("example") ON TABLE "public"."event_types" TO "authenticated";

GRANT INSERT ("name"), UPDATE ("name") ON TABLE "public"."event_types" TO "authenticated";

GRANT INSERT ("schema"), UPDATE ("schema") ON TABLE "public"."event_types" TO "authenticated";

GRANT DELETE, SELECT ON TABLE "public"."event_types" TO "authenticated";

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "public"."event_types" TO "service_role";

GRANT SELECT ON TABLE "public"."published_events" TO "authenticated";

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "public"."published_events" TO "service_role";

GRANT SELECT ON TABLE "public"."webhook_deliveries" TO "authenticated";

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "public"."webhook_deliveries" TO "service_role";

GRANT SELECT ON TABLE "public"."webhook_logs" TO "authenticated";

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "public"."webhook_logs" TO "service_role";

GRANT SELECT ON TABLE "public"."webhook_refusals" TO "authenticated";

GRANT DELETE, INSERT, SELECT ON TABLE "public"."webhook_refusals" TO "service_role";

GRANT INSERT ("active"), UPDATE ("active") ON TABLE "public"."webhooks" TO "authenticated";

GRANT INSERT ("body_style"), UPDATE ("body_style") ON TABLE "public"."webhooks" TO "authenticated";

GRANT INSERT ("description"), UPDATE ("description") ON TABLE "public"."webhooks" TO "authenticated";

GRANT INSERT ("events"), UPDATE ("events") ON TABLE "public"."webhooks" TO "authenticated";

GRANT INSERT ("filter"), UPDATE ("filter") ON TABLE "public"."webhooks" TO "authenticated";

GRANT INSERT ("kind"), UPDATE ("kind") ON TABLE "public"."webhooks" TO "authenticated";

GRANT INSERT ("name"), UPDATE ("name") ON TABLE "public"."webhooks" TO "authenticated";

GRANT INSERT ("rate_limit_per_minute"), UPDATE ("rate_limit_per_minute") ON TABLE "public"."webhooks" TO "authenticated";

GRANT INSERT ("signature_profile"), UPDATE ("signature_profile") ON TABLE "public"."webhooks" TO "authenticated";

GRANT INSERT ("signature_settings"), UPDATE ("signature_settings") ON TABLE "public"."webhooks" TO "authenticated";

GRANT INSERT ("slack_settings"), UPDATE ("slack_settings") ON TABLE "public"."webhooks" TO "authenticated";

GRANT INSERT ("timeout_seconds"), UPDATE ("timeout_seconds") ON TABLE "public"."webhooks" TO "authenticated";

GRANT INSERT ("url"), UPDATE ("url") ON TABLE "public"."webhooks" TO "authenticated";

GRANT DELETE, SELECT ON TABLE "public"."webhooks" TO "authenticated";

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "public"."webhooks" TO "service_role";

ALTER TABLE "public"."event_replays" ADD COLUMN "id" uuid NOT NULL DEFAULT private.time_ordered_id();

ALTER TABLE "public"."event_replays" ADD CONSTRAINT "event_replays_pkey" PRIMARY KEY (id);

ALTER TABLE "public"."event_replay_differences" ADD CONSTRAINT "event_replay_differences_replay_id_fkey" FOREIGN KEY (replay_id) REFERENCES public.event_replays(id) ON DELETE CASCADE;

CREATE INDEX event_replays_user_id_idx ON public.event_replays USING btree (user_id, id);

ALTER TABLE "public"."event_types" ADD CONSTRAINT "event_types_user_id_fkey" FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE;

CREATE POLICY "everyone signed in reads shipped event types and their own" ON "public"."event_types" FOR SELECT TO "authenticated" USING (((user_id IS NULL) OR (user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

CREATE POLICY "owners and admins add event types" ON "public"."event_types" FOR INSERT TO "authenticated" WITH CHECK (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

CREATE POLICY "owners and admins change event types" ON "public"."event_types" FOR UPDATE TO "authenticated" USING (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin))) WITH CHECK (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

CREATE POLICY "owners and admins delete event types" ON "public"."event_types" FOR DELETE TO "authenticated" USING (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

ALTER TABLE "public"."published_events" ADD COLUMN "id" uuid NOT NULL DEFAULT private.time_ordered_id();

ALTER TABLE "public"."published_events" ADD CONSTRAINT "published_events_pkey" PRIMARY KEY (id);

ALTER TABLE "public"."webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_published_event_id_fkey" FOREIGN KEY (published_event_id) REFERENCES public.published_events(id) ON DELETE CASCADE;

CREATE INDEX published_events_user_id_id_idx ON public.published_events USING btree (user_id, id);

ALTER TABLE "public"."webhook_deliveries" ADD COLUMN "id" uuid NOT NULL DEFAULT private.time_ordered_id();

ALTER TABLE "public"."webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_pkey" PRIMARY KEY (id);

ALTER TABLE "public"."webhook_logs" ADD CONSTRAINT "webhook_logs_delivery_id_fkey" FOREIGN KEY (delivery_id) REFERENCES public.webhook_deliveries(id) ON DELETE CASCADE;

CREATE INDEX webhook_deliveries_user_id_idx ON public.webhook_deliveries USING btree (user_id, id);

CREATE INDEX webhook_deliveries_webhook_id_idx ON public.webhook_deliveries USING btree (webhook_id, id);

ALTER TABLE "public"."webhook_logs" ADD COLUMN "id" uuid NOT NULL DEFAULT private.time_ordered_id();

ALTER TABLE "public"."webhook_logs" ADD CONSTRAINT "webhook_logs_pkey" PRIMARY KEY (id);

CREATE INDEX webhook_logs_user_id_idx ON public.webhook_logs USING btree (user_id, id);

CREATE INDEX webhook_logs_webhook_id_idx ON public.webhook_logs USING btree (webhook_id, id);

COMMENT ON COLUMN "public"."webhook_logs"."id" IS 'The attempt''s id, as the receiver got it.';

ALTER TABLE "public"."webhooks" ADD CONSTRAINT "webhooks_created_by_fkey" FOREIGN KEY (created_by) REFERENCES auth.users(id) ON DELETE CASCADE;

CREATE INDEX webhooks_active_idx ON public.webhooks USING btree (created_by) WHERE active;

CREATE INDEX webhooks_created_by_idx ON public.webhooks USING btree (created_by, created_at DESC, id DESC);

CREATE POLICY "owners and admins manage webhooks" ON "public"."webhooks" FOR ALL TO "authenticated" USING (((created_by = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin))) WITH CHECK (((created_by = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

ALTER TABLE "public"."event_types" ADD CONSTRAINT "examples_are_small_objects" CHECK ((private.is_deliverable(example) AND (octet_length((example)::text) <= 65536)));

ALTER TABLE "public"."event_types" ADD CONSTRAINT "names_are_event_names" CHECK (private.is_event_name(name));

ALTER TABLE "public"."event_types" ADD CONSTRAINT "schemas_are_small_objects" CHECK ((private.is_deliverable(schema) AND (octet_length((schema)::text) <= 65536)));

ALTER TABLE "public"."published_events" ADD CONSTRAINT "data_is_deliverable" CHECK (private.is_deliverable(data));

ALTER TABLE "public"."published_events" ADD CONSTRAINT "types_are_event_names" CHECK (private.is_event_name(type));

ALTER TABLE "public"."webhooks" ADD CONSTRAINT "events_are_patterns" CHECK (COALESCE(private.are_event_patterns(events), false));
