-- Written by `make migration` from sql/. Never edited once it has shipped.

set local check_function_bodies = off;

REVOKE ALL ON FUNCTION "public"."find_deliveries"(uuid, public.webhook_delivery_status, uuid, integer, integer) FROM "anon";

REVOKE ALL ON FUNCTION "public"."get_overview"(integer, timestamp with time zone, integer, boolean) FROM "anon";

REVOKE ALL ON FUNCTION "public"."get_retention"() FROM "anon";

REVOKE ALL ON FUNCTION "public"."get_webhook_activity"(uuid, integer, timestamp with time zone, integer) FROM "anon";

REVOKE ALL ON FUNCTION "public"."search_events"(text, text, uuid, text, timestamp with time zone, timestamp with time zone, uuid, boolean, integer, integer) FROM "anon";

REVOKE ALL ON FUNCTION "public"."set_retention"(integer) FROM "anon";

REVOKE ALL ON TABLE "public"."activity" FROM "anon";

REVOKE ALL ON TABLE "public"."activity" FROM "authenticated";

GRANT SELECT ON TABLE "public"."activity" TO "authenticated";

REVOKE ALL ON TABLE "public"."activity" FROM "service_role";

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "public"."activity" TO "service_role";

-- By hand: calling is nothing that a difference of schemas shows. Does nothing where pg_cron is not there.
select private.schedule();
