-- Written by `make migration` from sql/. Never edited once it has shipped.

set local check_function_bodies = off;

REVOKE ALL ON FUNCTION "public"."record_refusals"(text) FROM "anon";

REVOKE ALL ON FUNCTION "public"."record_refusals"(text) FROM "authenticated";

REVOKE ALL ON TABLE "public"."webhook_refusals" FROM "anon";

REVOKE ALL ON TABLE "public"."webhook_refusals" FROM "authenticated";

GRANT SELECT ON TABLE "public"."webhook_refusals" TO "authenticated";

REVOKE ALL ON TABLE "public"."webhook_refusals" FROM "service_role";

GRANT DELETE, INSERT, SELECT ON TABLE "public"."webhook_refusals" TO "service_role";
