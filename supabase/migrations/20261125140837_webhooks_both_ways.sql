-- Written by `make migration` from sql/. Never edited once it has shipped.

set local check_function_bodies = off;

REVOKE ALL ON FUNCTION "public"."claim_deliveries"(integer, integer, integer, text) FROM "anon";

REVOKE ALL ON FUNCTION "public"."claim_deliveries"(integer, integer, integer, text) FROM "authenticated";

REVOKE ALL ON FUNCTION "public"."claim_replay"(text, integer, integer) FROM "anon";

REVOKE ALL ON FUNCTION "public"."claim_replay"(text, integer, integer) FROM "authenticated";

REVOKE ALL ON FUNCTION "public"."create_webhook"(text, text) FROM "anon";

REVOKE ALL ON FUNCTION "public"."finish_deliveries"(text) FROM "anon";

REVOKE ALL ON FUNCTION "public"."finish_deliveries"(text) FROM "authenticated";

REVOKE ALL ON FUNCTION "public"."finish_replay"(uuid, text) FROM "anon";

REVOKE ALL ON FUNCTION "public"."finish_replay"(uuid, text) FROM "authenticated";

REVOKE ALL ON FUNCTION "public"."get_endpoint_activity"(text, timestamp with time zone) FROM "anon";

REVOKE ALL ON FUNCTION "public"."get_event_trace"(uuid) FROM "anon";

REVOKE ALL ON FUNCTION "public"."get_events_for_rules"(uuid, text, uuid, integer) FROM "anon";

REVOKE ALL ON FUNCTION "public"."get_navigation"() FROM "anon";

REVOKE ALL ON FUNCTION "public"."get_overview"(timestamp with time zone, timestamp with time zone, integer, boolean) FROM "anon";

REVOKE ALL ON FUNCTION "public"."get_webhook_health"(text, timestamp with time zone) FROM "anon";

REVOKE ALL ON FUNCTION "public"."get_webhook_stats"(uuid, timestamp with time zone, timestamp with time zone, integer) FROM "anon";

REVOKE ALL ON FUNCTION "public"."lend_endpoint_secret"(uuid, text) FROM "anon";

REVOKE ALL ON FUNCTION "public"."publish_event"(text, text, uuid, text) FROM "anon";

REVOKE ALL ON FUNCTION "public"."reconcile_endpoint"(uuid, text, text) FROM "anon";

REVOKE ALL ON FUNCTION "public"."record_refusals"(text) FROM "anon";

REVOKE ALL ON FUNCTION "public"."record_refusals"(text) FROM "authenticated";

REVOKE ALL ON FUNCTION "public"."recover_webhook"(uuid, timestamp with time zone, timestamp with time zone) FROM "anon";

REVOKE ALL ON FUNCTION "public"."replay_event"(uuid) FROM "anon";

REVOKE ALL ON FUNCTION "public"."retry_delivery"(uuid) FROM "anon";

REVOKE ALL ON FUNCTION "public"."rotate_webhook_secret"(uuid, text, integer) FROM "anon";

REVOKE ALL ON FUNCTION "public"."search_events"(text, text, uuid, text, timestamp with time zone, timestamp with time zone, uuid, boolean, integer) FROM "anon";

REVOKE ALL ON FUNCTION "public"."start_replay"(text) FROM "anon";

REVOKE ALL ON FUNCTION "public"."test_webhook"(uuid, text, text) FROM "anon";

REVOKE ALL ON FUNCTION "public"."update_webhook"(uuid, text, text) FROM "anon";

REVOKE ALL ON TABLE "public"."classification_overrides" FROM "anon";

REVOKE ALL ON TABLE "public"."endpoint_reconciliations" FROM "anon";

REVOKE ALL ON TABLE "public"."event_replay_differences" FROM "anon";

REVOKE ALL ON TABLE "public"."event_replays" FROM "anon";

REVOKE ALL ON TABLE "public"."event_types" FROM "anon";

REVOKE ALL ON TABLE "public"."published_events" FROM "anon";

REVOKE ALL ON TABLE "public"."webhook_deliveries" FROM "anon";

REVOKE ALL ON TABLE "public"."webhook_logs" FROM "anon";

REVOKE ALL ON TABLE "public"."webhook_refusals" FROM "anon";

REVOKE ALL ON TABLE "public"."webhooks" FROM "anon";

REVOKE ALL ON TABLE "public"."classification_overrides" FROM "authenticated";

GRANT DELETE, SELECT ON TABLE "public"."classification_overrides" TO "authenticated";

REVOKE ALL ON TABLE "public"."classification_overrides" FROM "service_role";

GRANT SELECT ON TABLE "public"."classification_overrides" TO "service_role";

REVOKE ALL ON TABLE "public"."endpoint_reconciliations" FROM "authenticated";

GRANT SELECT ON TABLE "public"."endpoint_reconciliations" TO "authenticated";

REVOKE ALL ON TABLE "public"."endpoint_reconciliations" FROM "service_role";

GRANT SELECT ON TABLE "public"."endpoint_reconciliations" TO "service_role";

REVOKE ALL ON TABLE "public"."event_replay_differences" FROM "authenticated";

GRANT SELECT ON TABLE "public"."event_replay_differences" TO "authenticated";

REVOKE ALL ON TABLE "public"."event_replay_differences" FROM "service_role";

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "public"."event_replay_differences" TO "service_role";

REVOKE ALL ON TABLE "public"."event_replays" FROM "authenticated";

GRANT DELETE, SELECT ON TABLE "public"."event_replays" TO "authenticated";

REVOKE ALL ON TABLE "public"."event_replays" FROM "service_role";

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "public"."event_replays" TO "service_role";

REVOKE ALL ON TABLE "public"."event_types" FROM "authenticated";

GRANT DELETE, SELECT ON TABLE "public"."event_types" TO "authenticated";

REVOKE ALL ON TABLE "public"."event_types" FROM "service_role";

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "public"."event_types" TO "service_role";

REVOKE ALL ON TABLE "public"."published_events" FROM "authenticated";

GRANT SELECT ON TABLE "public"."published_events" TO "authenticated";

REVOKE ALL ON TABLE "public"."published_events" FROM "service_role";

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "public"."published_events" TO "service_role";

REVOKE ALL ON TABLE "public"."webhook_deliveries" FROM "authenticated";

GRANT SELECT ON TABLE "public"."webhook_deliveries" TO "authenticated";

REVOKE ALL ON TABLE "public"."webhook_deliveries" FROM "service_role";

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "public"."webhook_deliveries" TO "service_role";

REVOKE ALL ON TABLE "public"."webhook_logs" FROM "authenticated";

GRANT SELECT ON TABLE "public"."webhook_logs" TO "authenticated";

REVOKE ALL ON TABLE "public"."webhook_logs" FROM "service_role";

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "public"."webhook_logs" TO "service_role";

REVOKE ALL ON TABLE "public"."webhook_refusals" FROM "authenticated";

GRANT SELECT ON TABLE "public"."webhook_refusals" TO "authenticated";

REVOKE ALL ON TABLE "public"."webhook_refusals" FROM "service_role";

GRANT DELETE, INSERT, SELECT ON TABLE "public"."webhook_refusals" TO "service_role";

REVOKE ALL ON TABLE "public"."webhooks" FROM "authenticated";

GRANT DELETE, SELECT ON TABLE "public"."webhooks" TO "authenticated";

REVOKE ALL ON TABLE "public"."webhooks" FROM "service_role";

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "public"."webhooks" TO "service_role";
