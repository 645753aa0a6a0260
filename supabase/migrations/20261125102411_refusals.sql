-- Written by `make migration` from sql/. Never edited once it has shipped.

set local check_function_bodies = off;

CREATE TABLE "public"."webhook_refusals" ("id" uuid NOT NULL, "endpoint_id" uuid NOT NULL, "user_id" uuid NOT NULL, "status" integer NOT NULL, "code" text NOT NULL, "reason" text NOT NULL, "method" text NOT NULL, "headers" jsonb NOT NULL, "body_bytes" integer, "body_start" text, "created_at" timestamp with time zone NOT NULL, CONSTRAINT "body_starts_are_bounded" CHECK ((length(body_start) <= 22000)), CONSTRAINT "codes_are_names" CHECK ((code ~ '^[a-z_]{1,50}$'::text)), CONSTRAINT "headers_are_a_bounded_object" CHECK (((jsonb_typeof(headers) = 'object'::text) AND (length((headers)::text) <= 32768))), CONSTRAINT "methods_are_short" CHECK ((length(method) <= 20)), CONSTRAINT "reasons_are_bounded" CHECK ((length(reason) <= 500)), CONSTRAINT "refusals_are_the_senders_fault" CHECK (((status >= 400) AND (status <= 499))), CONSTRAINT "webhook_refusals_pkey" PRIMARY KEY (id));

ALTER TABLE "public"."webhook_refusals" ENABLE ROW LEVEL SECURITY;

ALTER TABLE "public"."webhook_refusals" OWNER TO "postgres";

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

ALTER TABLE "public"."webhook_refusals" ADD CONSTRAINT "webhook_refusals_endpoint_id_fkey" FOREIGN KEY (endpoint_id) REFERENCES public.webhook_endpoints(id) ON DELETE CASCADE;

CREATE INDEX webhook_refusals_endpoint_id_idx ON public.webhook_refusals USING btree (endpoint_id, id);

CREATE INDEX webhook_refusals_user_id_idx ON public.webhook_refusals USING btree (user_id);

CREATE POLICY "owners and admins read refusals" ON "public"."webhook_refusals" FOR SELECT TO "authenticated" USING (((user_id = ( SELECT auth.uid() AS uid)) OR ( SELECT private.is_admin() AS is_admin)));

COMMENT ON COLUMN "public"."webhook_refusals"."body_bytes" IS 'Size of the body, if it was read.';

COMMENT ON COLUMN "public"."webhook_refusals"."body_start" IS 'Base64 of the body''s beginning, only where the signature was genuine and the content was not.';

COMMENT ON COLUMN "public"."webhook_refusals"."headers" IS 'Request headers without credentials.';

COMMENT ON COLUMN "public"."webhook_refusals"."id" IS 'UUIDv7 made by ingest, so ids sort by time.';

COMMENT ON COLUMN "public"."webhook_refusals"."reason" IS 'For the owner: more than the sender was told.';

COMMENT ON COLUMN "public"."webhook_refusals"."user_id" IS 'Owner of the endpoint, kept here so that the policy needs no join.';

COMMENT ON FUNCTION "public"."record_refusals"(text) IS 'Keeps refused requests for the owners of their endpoints. p_refusals: JSON array of {id, endpoint_id, status, code, reason, method, headers, body_bytes, body_start, created_at}. Of each endpoint the newest 100 stay. Answers {recorded}.';

COMMENT ON TABLE "public"."webhook_refusals" IS 'Requests that were refused, with the reason: the last 100 of each endpoint.';

REVOKE ALL ON FUNCTION "public"."record_refusals"(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION "public"."record_refusals"(text) TO "service_role";

GRANT SELECT ON TABLE "public"."webhook_refusals" TO "authenticated";

GRANT DELETE, INSERT, SELECT ON TABLE "public"."webhook_refusals" TO "service_role";
