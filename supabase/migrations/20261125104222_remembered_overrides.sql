-- Written by `make migration` from sql/. Never edited once it has shipped.

set local check_function_bodies = off;

CREATE TABLE "public"."classification_overrides" ("id" uuid NOT NULL DEFAULT gen_random_uuid(), "user_id" uuid NOT NULL, "endpoint_id" uuid NOT NULL, "event_type" text NOT NULL, "entity_table" text, "is_person" boolean, "decided_by" uuid NOT NULL, "created_at" timestamp with time zone NOT NULL DEFAULT now(), "updated_at" timestamp with time zone NOT NULL DEFAULT now(), CONSTRAINT "classification_overrides_endpoint_id_event_type_key" UNIQUE (endpoint_id, event_type), CONSTRAINT "classification_overrides_pkey" PRIMARY KEY (id), CONSTRAINT "overrides_are_of_a_named_type" CHECK ((event_type <> 'unknown'::text)), CONSTRAINT "overrides_say_something" CHECK (((entity_table IS NOT NULL) OR (is_person IS NOT NULL))));

ALTER TABLE "public"."classification_overrides" ENABLE ROW LEVEL SECURITY;

ALTER TABLE "public"."classification_overrides" OWNER TO "postgres";

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
  perform private.log_step(v_event, 'override', jsonb_build_object('entity_table', p_entity_table, 'is_person', p_is_person), null);
  insert into public.audit_logs (user_id, actor_id, action, target_id, details)
  values (v_event.user_id, (select auth.uid()), 'event.override', v_event.id,
    jsonb_build_object('entity_table', p_entity_table, 'is_person', p_is_person));
  return jsonb_build_object('id', v_event.id, 'entity_table', v_event.entity_table, 'is_person', v_event.is_person);
end
$function$;

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
  from private.lease_events('classify', p_limit, p_lease_seconds, p_event_ids, v_lease_id) e
  join public.webhook_endpoints p on p.id = e.endpoint_id
  left join public.classification_overrides o on o.endpoint_id = e.endpoint_id and o.event_type = e.event_type;
  return jsonb_build_object('lease_id', v_lease_id, 'events', coalesce(v_events, '[]'),
    'entity_types', case when v_events is null then '[]' else private.entity_types_of(v_user_ids) end);
end
$function$;

ALTER TABLE "public"."classification_overrides" ADD CONSTRAINT "classification_overrides_endpoint_id_fkey" FOREIGN KEY (endpoint_id) REFERENCES public.webhook_endpoints(id) ON DELETE CASCADE;

CREATE INDEX classification_overrides_user_id_idx ON public.classification_overrides USING btree (user_id, updated_at DESC, id DESC);

CREATE TRIGGER touch_updated_at BEFORE UPDATE ON public.classification_overrides FOR EACH ROW EXECUTE FUNCTION private.touch_updated_at();

CREATE POLICY "owners and admins read remembered overrides" ON "public"."classification_overrides" FOR SELECT TO "authenticated" USING (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

CREATE POLICY "owners and admins take overrides back" ON "public"."classification_overrides" FOR DELETE TO "authenticated" USING (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

COMMENT ON COLUMN "public"."classification_overrides"."decided_by" IS 'Who decided last: the owner or an admin.';

COMMENT ON COLUMN "public"."classification_overrides"."entity_table" IS 'Entity type that such events become; null leaves it to the classifier.';

COMMENT ON COLUMN "public"."classification_overrides"."is_person" IS 'Whether a person is behind such events; null leaves it to the classifier.';

COMMENT ON FUNCTION "public"."claim_classify"(integer, integer, text) IS 'Leases up to p_limit events that wait for classification: {lease_id, events[], entity_types[]}. An event''s override is what a user decided before about its endpoint and type: {id, entity_table, is_person}, or null. p_event_ids: a JSON array, to claim only those.';

COMMENT ON FUNCTION "public"."override_event"(uuid, text, boolean) IS 'Corrects the entity type and whether a person is behind an event that waits for review or has failed. Null leaves a value as it is. Remembered for the endpoint and event type; see public.classification_overrides.';

COMMENT ON TABLE "public"."classification_overrides" IS 'What users decided in the queue, remembered for later events of the same endpoint and event type. Deleting a row takes the decision back.';

GRANT DELETE, SELECT ON TABLE "public"."classification_overrides" TO "authenticated";

GRANT SELECT ON TABLE "public"."classification_overrides" TO "service_role";

REVOKE ALL ON TABLE "public"."classification_overrides" FROM "anon";

REVOKE ALL ON TABLE "public"."classification_overrides" FROM "authenticated";

GRANT DELETE, SELECT ON TABLE "public"."classification_overrides" TO "authenticated";

REVOKE ALL ON TABLE "public"."classification_overrides" FROM "service_role";

GRANT SELECT ON TABLE "public"."classification_overrides" TO "service_role";
