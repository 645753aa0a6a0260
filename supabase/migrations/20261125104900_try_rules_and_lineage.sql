-- Written by `make migration` from sql/. Never edited once it has shipped.

set local check_function_bodies = off;

CREATE TABLE "public"."event_replay_differences" ("replay_id" uuid NOT NULL, "webhook_event_id" uuid NOT NULL, "user_id" uuid NOT NULL, "before" jsonb NOT NULL, "after" jsonb NOT NULL, CONSTRAINT "event_replay_differences_pkey" PRIMARY KEY (replay_id, webhook_event_id));

ALTER TABLE "public"."event_replay_differences" ENABLE ROW LEVEL SECURITY;

ALTER TABLE "public"."event_replay_differences" OWNER TO "postgres";

CREATE TABLE "public"."event_replays" ("user_id" uuid NOT NULL, "stage" public.webhook_event_stage NOT NULL, "is_dry_run" boolean NOT NULL, "endpoint_id" uuid, "entity_table" text, "since" timestamp with time zone, "until" timestamp with time zone, "total" integer NOT NULL DEFAULT 0, "examined" integer NOT NULL DEFAULT 0, "different" integer NOT NULL DEFAULT 0, "failing" integer NOT NULL DEFAULT 0, "requeued" integer NOT NULL DEFAULT 0, "after_id" uuid NOT NULL, "batch_id" uuid, "last_id" uuid NOT NULL, "status" text NOT NULL DEFAULT 'pending'::text, "error_message" text, "attempts" integer NOT NULL DEFAULT 0, "run_after" timestamp with time zone NOT NULL DEFAULT now(), "lease_id" uuid, "leased_until" timestamp with time zone, "created_at" timestamp with time zone NOT NULL DEFAULT now(), "finished_at" timestamp with time zone, CONSTRAINT "failed_replays_say_why" CHECK (((status <> 'failed'::text) OR (error_message IS NOT NULL))), CONSTRAINT "finished_replays_say_when" CHECK (((status = ANY (ARRAY['done'::text, 'failed'::text])) = (finished_at IS NOT NULL))), CONSTRAINT "leased_replays_have_a_lease" CHECK ((((lease_id IS NULL) = (leased_until IS NULL)) AND ((lease_id IS NULL) = (batch_id IS NULL)))), CONSTRAINT "stages_can_be_replayed" CHECK ((stage = ANY (ARRAY['classify'::public.webhook_event_stage, 'prepare'::public.webhook_event_stage, 'rules'::public.webhook_event_stage]))), CONSTRAINT "statuses_are_known" CHECK ((status = ANY (ARRAY['pending'::text, 'running'::text, 'done'::text, 'failed'::text]))), "id" uuid NOT NULL DEFAULT private.time_ordered_id(), CONSTRAINT "event_replays_pkey" PRIMARY KEY (id));

ALTER TABLE "public"."event_replays" ENABLE ROW LEVEL SECURITY;

ALTER TABLE "public"."event_replays" OWNER TO "postgres";

ALTER TABLE "public"."published_events" ADD COLUMN "webhook_event_id" uuid;

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

CREATE OR REPLACE FUNCTION private.publish_because_of(p_event_id uuid)
 RETURNS void
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select pg_catalog.set_config('switchhook.webhook_event_id', coalesce(p_event_id::text, ''), true)
$function$;

ALTER FUNCTION "private"."publish_because_of"(uuid) OWNER TO "postgres";

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
      'endpoint', jsonb_build_object('id', p.id, 'slug', p.slug, 'name', p.name, 'scheme', p.scheme, 'field_maps', p.field_maps,
        'allowed_object_types', p.allowed_object_types, 'default_entity_table', p.default_entity_table)) order by e.id)
  into v_events
  from public.webhook_events e
  join public.webhook_endpoints p on p.id = e.endpoint_id
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

CREATE OR REPLACE FUNCTION private.replay_function(p_stage public.webhook_event_stage)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select case p_stage when 'classify' then 'classify' when 'prepare' then 'prepare_for_rules' else 'process_rules' end
$function$;

ALTER FUNCTION "private"."replay_function"(public.webhook_event_stage) OWNER TO "postgres";

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
begin
  select jsonb_agg(jsonb_build_object('id', e.id, 'user_id', e.user_id, 'event_type', e.event_type, 'external_id', e.external_id,
      'payload', e.payload, 'entity_table', e.entity_table, 'is_person', e.is_person, 'confidence', e.ai_confidence,
      'created_at', e.created_at,
      'endpoint', jsonb_build_object('id', p.id, 'slug', p.slug, 'name', p.name, 'scheme', p.scheme),
      'person', (select private.readable(to_jsonb(h) - 'user_id') from public.people h where h.id = e.person_id and h.user_id = e.user_id),
      'entity', private.record(e.user_id, e.entity_table, e.entity_id),
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

CREATE OR REPLACE FUNCTION private.upsert_person(p_event public.webhook_events, p_person jsonb, p_kind text)
 RETURNS uuid
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_new public.people := jsonb_populate_record(null::public.people, p_person);
  v_id uuid := private.find_person(p_event, p_person);
  v_key text;
  -- An event about the person tells news of them; one about an order only fills in what was not known.
  v_is_about boolean := (private.entity_type(p_event.user_id, p_event.entity_table)).target_table = 'people';
begin
  if v_id is not null then
    select case
        when p.id = p_event.person_id then 'earlier_try'
        when lower(p.email) = lower(v_new.email) then 'email'
        when p.phone = v_new.phone then 'phone'
        else 'external_id' end
    into v_key from public.people p where p.id = v_id;
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
    perform private.log_step(p_event, 'update_person', p_person, jsonb_build_object('person_id', v_id, 'found_by', array[v_key]));
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
$function$;

CREATE OR REPLACE FUNCTION private.upsert_record(p_event public.webhook_events, p_type public.entity_types, p_fields jsonb)
 RETURNS uuid
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_found uuid := private.find_record(p_event, p_type, p_fields);
  v_id uuid := coalesce(v_found, gen_random_uuid());
begin
  perform private.write_record(p_event.user_id, p_type, v_id, p_fields, v_found is null);
  perform private.log_step(p_event, case when v_found is null then 'create_entity' else 'update_entity' end, p_fields,
    jsonb_build_object('entity_id', v_id, 'entity_table', p_type.name) || case when v_found is null then '{}'
      else jsonb_build_object('found_by', case when v_found = p_event.entity_id then array['earlier_try'] else p_type.match_columns end) end);
  return v_id;
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

CREATE OR REPLACE FUNCTION public.finish_prepare(p_lease_id uuid, p_results text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
    perform private.publish_because_of(v_result.id);
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
  perform private.publish_because_of(null);

  if v_prepared > 0 then
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
AS $function$
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
    perform private.publish_because_of(v_event.id);
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
  perform private.publish_because_of(null);
  return private.finished(v_asked, v_held);
end
$function$;

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

CREATE OR REPLACE FUNCTION public.start_replay(p_replay text)
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.start_replay(p_replay)
$function$;

ALTER FUNCTION "public"."start_replay"(text) OWNER TO "postgres";

ALTER TABLE "public"."event_replay_differences" ADD CONSTRAINT "event_replay_differences_webhook_event_fkey" FOREIGN KEY (user_id, webhook_event_id) REFERENCES public.webhook_events(user_id, id) ON DELETE CASCADE;

ALTER TABLE "public"."event_replays" ADD CONSTRAINT "event_replays_endpoint_id_fkey" FOREIGN KEY (endpoint_id) REFERENCES public.webhook_endpoints(id) ON DELETE CASCADE;

ALTER TABLE "public"."event_replays" ADD CONSTRAINT "event_replays_user_id_fkey" FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE;

ALTER TABLE "public"."published_events" ADD CONSTRAINT "published_events_webhook_event_fkey" FOREIGN KEY (user_id, webhook_event_id) REFERENCES public.webhook_events(user_id, id) ON DELETE SET NULL (webhook_event_id);

CREATE INDEX event_replay_differences_webhook_event_idx ON public.event_replay_differences USING btree (user_id, webhook_event_id);

CREATE INDEX event_replays_due_idx ON public.event_replays USING btree (stage, COALESCE(leased_until, run_after)) WHERE (finished_at IS NULL);

CREATE INDEX event_replays_endpoint_id_idx ON public.event_replays USING btree (endpoint_id);

CREATE INDEX published_events_webhook_event_idx ON public.published_events USING btree (user_id, webhook_event_id) WHERE (webhook_event_id IS NOT NULL);

CREATE POLICY "owners and admins read differences" ON "public"."event_replay_differences" FOR SELECT TO "authenticated" USING (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

CREATE POLICY "owners and admins delete replays" ON "public"."event_replays" FOR DELETE TO "authenticated" USING (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

CREATE POLICY "owners and admins read replays" ON "public"."event_replays" FOR SELECT TO "authenticated" USING (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

COMMENT ON COLUMN "public"."event_replays"."after_id" IS 'All events up to this one have been looked at.';

COMMENT ON COLUMN "public"."event_replays"."batch_id" IS 'Last event of the batch that is leased.';

COMMENT ON COLUMN "public"."event_replays"."different" IS 'Of these, those that would not come out as they are.';

COMMENT ON COLUMN "public"."event_replays"."examined" IS 'Of these, those that have been decided about anew.';

COMMENT ON COLUMN "public"."event_replays"."failing" IS 'Of these, those about which nothing can be decided.';

COMMENT ON COLUMN "public"."event_replays"."last_id" IS 'Events after this one are not in the range: what came when it had begun.';

COMMENT ON COLUMN "public"."event_replays"."requeued" IS 'Events put back into the queue; none in a dry run.';

COMMENT ON COLUMN "public"."event_replays"."total" IS 'Events in the range when it began, counted up to a million.';

COMMENT ON COLUMN "public"."published_events"."webhook_event_id" IS 'The event that came in and led to this one, by a rule or by the record that was made of it; null where none did.';

COMMENT ON FUNCTION "private"."body_facts"(uuid) IS 'Size, SHA-256 and content type of the body of an event of the caller, as it came; null where there is none.';

COMMENT ON FUNCTION "private"."classified_anew"(public.webhook_events, jsonb) IS 'What a classification would change: another label, a failure gone, or a review spared. Another confidence alone is nothing.';

COMMENT ON FUNCTION "private"."lease_replay"(public.webhook_event_stage, integer, integer) IS 'Leases the replay of a stage that has waited longest; null where none is due.';

COMMENT ON FUNCTION "private"."prepared_anew"(public.webhook_events, jsonb) IS 'What preparing an event would change: other values read from its payload, a record that is gone made again, or a failure gone.';

COMMENT ON FUNCTION "private"."publish_because_of"(uuid) IS 'What is published in the rest of this transaction, be it by a trigger, is put down to this event; to none after null.';

COMMENT ON FUNCTION "private"."replay_batch"(public.webhook_event_stage, uuid[]) IS 'Events as the worker of a stage needs them to decide about them.';

COMMENT ON FUNCTION "private"."replay_candidates"(public.event_replays, integer) IS 'The next events in the range of a replay''s ids, and whether each is one that it is about.';

COMMENT ON FUNCTION "private"."replay_difference"(public.webhook_event_stage, public.webhook_events, jsonb) IS 'How an event would come out of a stage that decided so: {before, after}; null where it would be as it is.';

COMMENT ON FUNCTION "private"."replay_function"(public.webhook_event_stage) IS 'The function that works on a stage, as private.wake names it.';

COMMENT ON FUNCTION "private"."requeue_events"(public.event_replays, uuid[]) IS 'Puts events of a replay back into the queue, at its stage; how many that were.';

COMMENT ON FUNCTION "private"."ruled_anew"(public.webhook_events, jsonb) IS 'Which actions would be done for an event that were not, and which would be tried again; null where there is none.';

COMMENT ON FUNCTION "private"."rules_batch"(uuid[]) IS 'Events with their person and record, and what decides about them: {events[], rules[], invoice_field_maps[]}. Changes nothing; a user gets what row level security lets them see.';

COMMENT ON FUNCTION "private"."start_replay"(text) IS 'See public.start_replay.';

COMMENT ON FUNCTION "private"."trace_deliveries"(uuid) IS 'The first hundred deliveries of a published event.';

COMMENT ON FUNCTION "private"."trace_finding"(public.webhook_events, text) IS 'How the person or entity of an event was come by: made, or found, and by which keys; null where there is none.';

COMMENT ON FUNCTION "private"."trace_label"(public.webhook_events) IS 'What an event was taken for, by whom and how surely, and what people decided about that.';

COMMENT ON FUNCTION "private"."trace_outgoing"(public.webhook_events) IS 'What was published because of an event (the first hundred), by which action of a rule where one did, and who received it.';

COMMENT ON FUNCTION "private"."trace_rules"(public.webhook_events) IS 'What each rule did for an event; a rule that is no longer there has no name.';

COMMENT ON FUNCTION "private"."trace_step"(public.webhook_event_logs) IS 'One entry of the log as a step of a trace.';

COMMENT ON FUNCTION "public"."claim_replay"(text, integer, integer) IS 'Leases a replay of a stage to one worker: {lease_id, events[] …} with up to p_limit events as the stage''s own claim hands them out. No event is leased or changed.';

COMMENT ON FUNCTION "public"."finish_replay"(uuid, text) IS 'Takes what finish_<stage> would take: lists what would be different and, unless it is a dry run, puts these events back into the queue. Answers {examined, is_lost: the lease went to another worker, and nothing was done}.';

COMMENT ON FUNCTION "public"."get_event_trace"(uuid) IS 'The way of an event of the caller: {received, verification, label, person, entity, steps[], rules[{actions[]}], outgoing[{deliveries[]}]}, each with its time.';

COMMENT ON FUNCTION "public"."get_events_for_rules"(uuid, text, uuid, integer) IS 'Events of a user (the caller, or anybody''s for an admin) as claim_rules hands them out, with status and stage, newest first: {events[], invoice_field_maps[]}. Either the one that is named, or the last of an entity type that are prepared, up to p_limit (100 at most).';

COMMENT ON FUNCTION "public"."start_replay"(text) IS 'Has a stage decide anew about events of the caller (or of the owner of the endpoint, for an admin) that are through it. p_replay: JSON {stage: classify | prepare | rules, is_dry_run (true unless given), endpoint_id, entity_table, since, until}. Answers the row of event_replays.';

COMMENT ON TABLE "public"."event_replay_differences" IS 'What would come out differently: the first 10,000 of each replay.';

COMMENT ON TABLE "public"."event_replays" IS 'A stage run anew over a range of events, and how far it has come.';

REVOKE ALL ON FUNCTION "private"."body_facts"(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."body_facts"(uuid) TO "authenticated";

REVOKE ALL ON FUNCTION "private"."classified_anew"(public.webhook_events, jsonb) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."classified_anew"(public.webhook_events, jsonb) TO "service_role";

REVOKE ALL ON FUNCTION "private"."lease_replay"(public.webhook_event_stage, integer, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."lease_replay"(public.webhook_event_stage, integer, integer) TO "service_role";

REVOKE ALL ON FUNCTION "private"."prepared_anew"(public.webhook_events, jsonb) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."prepared_anew"(public.webhook_events, jsonb) TO "service_role";

REVOKE ALL ON FUNCTION "private"."publish_because_of"(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."publish_because_of"(uuid) TO "service_role";

REVOKE ALL ON FUNCTION "private"."readable"(jsonb) FROM "authenticated";

GRANT EXECUTE ON FUNCTION "private"."readable"(jsonb) TO "authenticated";

REVOKE ALL ON FUNCTION "private"."record"(uuid, text, uuid) FROM "authenticated";

GRANT EXECUTE ON FUNCTION "private"."record"(uuid, text, uuid) TO "authenticated";

REVOKE ALL ON FUNCTION "private"."replay_batch"(public.webhook_event_stage, uuid[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."replay_batch"(public.webhook_event_stage, uuid[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."replay_candidates"(public.event_replays, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."replay_candidates"(public.event_replays, integer) TO "service_role";

REVOKE ALL ON FUNCTION "private"."replay_difference"(public.webhook_event_stage, public.webhook_events, jsonb) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."replay_difference"(public.webhook_event_stage, public.webhook_events, jsonb) TO "service_role";

REVOKE ALL ON FUNCTION "private"."replay_function"(public.webhook_event_stage) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."replay_function"(public.webhook_event_stage) TO "service_role";

REVOKE ALL ON FUNCTION "private"."requeue_events"(public.event_replays, uuid[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."requeue_events"(public.event_replays, uuid[]) TO "service_role";

REVOKE ALL ON FUNCTION "private"."ruled_anew"(public.webhook_events, jsonb) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."ruled_anew"(public.webhook_events, jsonb) TO "service_role";

REVOKE ALL ON FUNCTION "private"."rules_batch"(uuid[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."rules_batch"(uuid[]) TO "authenticated", "service_role";

REVOKE ALL ON FUNCTION "private"."start_replay"(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "private"."start_replay"(text) TO "authenticated";

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

REVOKE ALL ON FUNCTION "public"."claim_replay"(text, integer, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."claim_replay"(text, integer, integer) TO "service_role";

REVOKE ALL ON FUNCTION "public"."finish_replay"(uuid, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."finish_replay"(uuid, text) TO "service_role";

REVOKE ALL ON FUNCTION "public"."get_event_trace"(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."get_event_trace"(uuid) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."get_events_for_rules"(uuid, text, uuid, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."get_events_for_rules"(uuid, text, uuid, integer) TO "authenticated";

REVOKE ALL ON FUNCTION "public"."start_replay"(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."start_replay"(text) TO "authenticated";

GRANT SELECT ON TABLE "public"."event_replay_differences" TO "authenticated";

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "public"."event_replay_differences" TO "service_role";

GRANT DELETE, SELECT ON TABLE "public"."event_replays" TO "authenticated";

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "public"."event_replays" TO "service_role";

ALTER TABLE "public"."event_replay_differences" ADD CONSTRAINT "event_replay_differences_replay_id_fkey" FOREIGN KEY (replay_id) REFERENCES public.event_replays(id) ON DELETE CASCADE;

CREATE INDEX event_replays_user_id_idx ON public.event_replays USING btree (user_id, id);
