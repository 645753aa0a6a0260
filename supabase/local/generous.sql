-- What projects made before 30 May 2026 did with everything new in `public`, and what a project may
-- still be told to do: grant all of it to the API's roles by name. Here a revoke that only names
-- `public` shows.
alter default privileges for role postgres in schema public
  grant all on tables to anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant all on sequences to anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant all on routines to anon, authenticated, service_role;
