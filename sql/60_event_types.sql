-- The catalogue of outgoing events: what there is to subscribe to, what it looks like, and what it must look like.

create function private.is_event_name(p_name text) returns boolean
language sql immutable security invoker set search_path = ''
as $$
  select length(p_name) <= 128 and p_name ~ '^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$'
$$;
comment on function private.is_event_name(text) is 'Whether a text is the name of an event: words of letters, digits, _ and -, with dots between them.';
revoke execute on function private.is_event_name(text) from public, anon;
grant execute on function private.is_event_name(text) to authenticated, service_role;

create function private.is_deliverable(p_data json) returns boolean
language plpgsql immutable security invoker set search_path = ''
as $$
begin
  -- As jsonb: what json lets through and parsers further on refuse (NUL, half a surrogate pair) is found here. A number that
  -- is too large for them has very many digits, or an exponent of three.
  return json_typeof(p_data) = 'object' and octet_length(p_data::text) <= 1048576 and not jsonb_path_exists(p_data::jsonb, '$.**{64}')
    and (p_data::text !~ '[0-9]{255}|[eE][+]?[0-9]{3}' or not jsonb_path_exists(p_data::jsonb, '$.** ? (@ > 1e308 || @ < -1e308)'));
exception
  when data_exception or statement_too_complex or program_limit_exceeded then
    return false;
end
$$;
comment on function private.is_deliverable(json) is 'Whether data is an object that every receiver can parse: at most 1 MiB, 64 levels deep, with numbers within ±1e308, without NUL or half a surrogate pair.';
revoke execute on function private.is_deliverable(json) from public, anon;
grant execute on function private.is_deliverable(json) to authenticated, service_role;

create function private.parse_data(p_data text) returns json
language plpgsql immutable security invoker set search_path = ''
as $$
begin
  if private.is_deliverable(p_data::json) then
    return p_data;
  end if;
  raise invalid_text_representation;
exception
  when data_exception or statement_too_complex then
    raise exception 'The data is a JSON object of at most 1 MiB and 64 levels, with numbers within ±1e308, without NUL or half a surrogate pair'
      using errcode = 'PT400', detail = 'WH001';
end
$$;
comment on function private.parse_data(text) is 'Data of an event out of its text; refuses what private.is_deliverable does.';
revoke execute on function private.parse_data(text) from public, anon, authenticated;
grant execute on function private.parse_data(text) to service_role;

create table public.event_types (
  id uuid primary key default gen_random_uuid(),
  user_id uuid default auth.uid() references auth.users (id) on delete cascade,
  name text not null constraint names_are_event_names check (private.is_event_name(name)),
  description text not null default '' constraint descriptions_are_bounded check (length(description) <= 2000),
  schema json constraint schemas_are_small_objects check (private.is_deliverable(schema) and octet_length(schema::text) <= 65536),
  example json constraint examples_are_small_objects check (private.is_deliverable(example) and octet_length(example::text) <= 65536),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint event_types_user_id_name_key unique nulls not distinct (user_id, name)
);
comment on table public.event_types is 'Outgoing events by name. Types without a user_id are shipped; a user''s own type hides a shipped one of the same name. Events without a type may be published too.';
comment on column public.event_types.schema is 'JSON Schema that an event''s data must meet; null allows any object.';
comment on column public.event_types.example is 'Data of such an event, for the documentation and for test sends.';

create trigger touch_updated_at before update on public.event_types
  for each row execute function private.touch_updated_at();
alter table public.event_types enable row level security;
create policy "everyone signed in reads shipped event types and their own" on public.event_types for select to authenticated
  using (user_id is null or user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins add event types" on public.event_types for insert to authenticated
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins change event types" on public.event_types for update to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins delete event types" on public.event_types for delete to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.event_types from public, anon, authenticated, service_role;
grant select, delete on table public.event_types to authenticated;
grant insert (name, description, schema, example), update (name, description, schema, example) on table public.event_types to authenticated;
grant select, insert, update, delete on table public.event_types to service_role;
