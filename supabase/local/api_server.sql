-- The local API server, which connects as the superuser, grants the API's roles everything on every table of
-- every schema that has row level security, once in its life: with its first request. Hosted projects grant
-- nothing, and there a grant that a migration lacks is missed. So it is not let, here either. It goes on without,
-- and only that first request fails, which is the stack's own (api_server.py).
create or replace function extensions.refuse_grants_of_the_api_server() returns event_trigger
language plpgsql
set search_path = ''
as $$
begin
  if session_user = 'supabase_admin' then
    raise exception 'Migrations grant what the roles of the API may do' using errcode = '42501';
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_event_trigger where evtname = 'refuse_grants') then
    create event trigger refuse_grants on ddl_command_start
      when tag in ('GRANT', 'ALTER DEFAULT PRIVILEGES')
      execute function extensions.refuse_grants_of_the_api_server();
  end if;
end
$$;
