-- Written by `make migration` from sql/. Never edited once it has shipped.

REVOKE ALL ("description") ON TABLE "public"."event_types" FROM "authenticated";

GRANT INSERT ("description"), UPDATE ("description") ON TABLE "public"."event_types" TO "authenticated";

REVOKE ALL ("example") ON TABLE "public"."event_types" FROM "authenticated";

GRANT INSERT ("example"), UPDATE ("example") ON TABLE "public"."event_types" TO "authenticated";

REVOKE ALL ("name") ON TABLE "public"."event_types" FROM "authenticated";

GRANT INSERT ("name"), UPDATE ("name") ON TABLE "public"."event_types" TO "authenticated";

REVOKE ALL ("schema") ON TABLE "public"."event_types" FROM "authenticated";

GRANT INSERT ("schema"), UPDATE ("schema") ON TABLE "public"."event_types" TO "authenticated";

REVOKE ALL ("active") ON TABLE "public"."webhooks" FROM "authenticated";

GRANT INSERT ("active"), UPDATE ("active") ON TABLE "public"."webhooks" TO "authenticated";

REVOKE ALL ("body_style") ON TABLE "public"."webhooks" FROM "authenticated";

GRANT INSERT ("body_style"), UPDATE ("body_style") ON TABLE "public"."webhooks" TO "authenticated";

REVOKE ALL ("description") ON TABLE "public"."webhooks" FROM "authenticated";

GRANT INSERT ("description"), UPDATE ("description") ON TABLE "public"."webhooks" TO "authenticated";

REVOKE ALL ("events") ON TABLE "public"."webhooks" FROM "authenticated";

GRANT INSERT ("events"), UPDATE ("events") ON TABLE "public"."webhooks" TO "authenticated";

REVOKE ALL ("filter") ON TABLE "public"."webhooks" FROM "authenticated";

GRANT INSERT ("filter"), UPDATE ("filter") ON TABLE "public"."webhooks" TO "authenticated";

REVOKE ALL ("kind") ON TABLE "public"."webhooks" FROM "authenticated";

GRANT INSERT ("kind"), UPDATE ("kind") ON TABLE "public"."webhooks" TO "authenticated";

REVOKE ALL ("name") ON TABLE "public"."webhooks" FROM "authenticated";

GRANT INSERT ("name"), UPDATE ("name") ON TABLE "public"."webhooks" TO "authenticated";

REVOKE ALL ("rate_limit_per_minute") ON TABLE "public"."webhooks" FROM "authenticated";

GRANT INSERT ("rate_limit_per_minute"), UPDATE ("rate_limit_per_minute") ON TABLE "public"."webhooks" TO "authenticated";

REVOKE ALL ("signature_profile") ON TABLE "public"."webhooks" FROM "authenticated";

GRANT INSERT ("signature_profile"), UPDATE ("signature_profile") ON TABLE "public"."webhooks" TO "authenticated";

REVOKE ALL ("signature_settings") ON TABLE "public"."webhooks" FROM "authenticated";

GRANT INSERT ("signature_settings"), UPDATE ("signature_settings") ON TABLE "public"."webhooks" TO "authenticated";

REVOKE ALL ("slack_settings") ON TABLE "public"."webhooks" FROM "authenticated";

GRANT INSERT ("slack_settings"), UPDATE ("slack_settings") ON TABLE "public"."webhooks" TO "authenticated";

REVOKE ALL ("timeout_seconds") ON TABLE "public"."webhooks" FROM "authenticated";

GRANT INSERT ("timeout_seconds"), UPDATE ("timeout_seconds") ON TABLE "public"."webhooks" TO "authenticated";

REVOKE ALL ("url") ON TABLE "public"."webhooks" FROM "authenticated";

GRANT INSERT ("url"), UPDATE ("url") ON TABLE "public"."webhooks" TO "authenticated";

-- By hand: calling is nothing that a difference of schemas shows. Does nothing where pg_cron is not there.
select private.schedule();
