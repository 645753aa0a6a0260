-- What every database of the local stack has before any migration, as on a hosted project: schemas
-- that belong to Supabase's services, and `postgres` with the rights to build on them.
create schema auth authorization supabase_admin;
create schema extensions authorization postgres;

grant usage on schema auth to postgres, anon, authenticated, service_role;
grant usage on schema extensions to anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema auth grant all on tables to postgres;
alter default privileges for role supabase_admin in schema auth grant all on sequences to postgres;
alter default privileges for role supabase_admin in schema auth grant all on routines to postgres;

-- `public` belongs to postgres, who may create there; everybody else may only look things up.
alter schema public owner to postgres;
revoke create on schema public from public;
grant usage on schema public to anon, authenticated, service_role;

-- Where the Supabase CLI notes which migrations ran. It would make this itself, but the local API
-- server makes it first, as a table of the superuser's that migrations could not write to.
create schema supabase_migrations authorization postgres;
create table supabase_migrations.schema_migrations (
  version text primary key,
  statements text[],
  name text,
  created_by text,
  idempotency_key text unique,
  rollback text[]
);
alter table supabase_migrations.schema_migrations owner to postgres;
