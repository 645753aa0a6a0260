-- Written by `make migration` from sql/. Never edited once it has shipped.

set local check_function_bodies = off;

REVOKE ALL ON FUNCTION "public"."claim_replay"(text, integer, integer) FROM "anon";

REVOKE ALL ON FUNCTION "public"."claim_replay"(text, integer, integer) FROM "authenticated";

REVOKE ALL ON FUNCTION "public"."finish_replay"(uuid, text) FROM "anon";

REVOKE ALL ON FUNCTION "public"."finish_replay"(uuid, text) FROM "authenticated";

REVOKE ALL ON FUNCTION "public"."get_event_trace"(uuid) FROM "anon";

REVOKE ALL ON FUNCTION "public"."get_events_for_rules"(uuid, text, uuid, integer) FROM "anon";

REVOKE ALL ON FUNCTION "public"."start_replay"(text) FROM "anon";

REVOKE ALL ON TABLE "public"."event_replay_differences" FROM "anon";

REVOKE ALL ON TABLE "public"."event_replays" FROM "anon";

REVOKE ALL ON TABLE "public"."event_replay_differences" FROM "authenticated";

GRANT SELECT ON TABLE "public"."event_replay_differences" TO "authenticated";

REVOKE ALL ON TABLE "public"."event_replay_differences" FROM "service_role";

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "public"."event_replay_differences" TO "service_role";

REVOKE ALL ON TABLE "public"."event_replays" FROM "authenticated";

GRANT DELETE, SELECT ON TABLE "public"."event_replays" TO "authenticated";

REVOKE ALL ON TABLE "public"."event_replays" FROM "service_role";

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "public"."event_replays" TO "service_role";
