-- Written by `make migration` from sql/. Never edited once it has shipped.

set local check_function_bodies = off;

REVOKE ALL ON FUNCTION "public"."get_action_problems"(text, text, text) FROM "anon";
