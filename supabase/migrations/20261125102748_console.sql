-- Written by `make migration` from sql/. Never edited once it has shipped.

set local check_function_bodies = off;

REVOKE ALL ON FUNCTION "public"."get_endpoint_activity"(text, timestamp with time zone) FROM "anon";

REVOKE ALL ON FUNCTION "public"."get_navigation"() FROM "anon";

REVOKE ALL ON FUNCTION "public"."get_overview"(timestamp with time zone, timestamp with time zone, integer, boolean) FROM "anon";

REVOKE ALL ON FUNCTION "public"."get_webhook_health"(text, timestamp with time zone) FROM "anon";

REVOKE ALL ON FUNCTION "public"."lend_endpoint_secret"(uuid, text) FROM "anon";

REVOKE ALL ON FUNCTION "public"."search_events"(text, text, uuid, text, timestamp with time zone, timestamp with time zone, uuid, boolean, integer) FROM "anon";
