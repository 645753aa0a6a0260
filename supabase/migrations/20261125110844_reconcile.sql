-- Written by `make migration` from sql/. Never edited once it has shipped.

set local check_function_bodies = off;

REVOKE ALL ON FUNCTION "public"."reconcile_endpoint"(uuid, text, text) FROM "anon";

REVOKE ALL ON TABLE "public"."endpoint_reconciliations" FROM "anon";

REVOKE ALL ON TABLE "public"."endpoint_reconciliations" FROM "authenticated";

GRANT SELECT ON TABLE "public"."endpoint_reconciliations" TO "authenticated";

REVOKE ALL ON TABLE "public"."endpoint_reconciliations" FROM "service_role";

GRANT SELECT ON TABLE "public"."endpoint_reconciliations" TO "service_role";
