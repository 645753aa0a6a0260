-- The registry of what an event can become. Shipped types have no owner; a user adds one row per table of their own.

create table public.entity_types (
  id uuid primary key default gen_random_uuid(),
  user_id uuid default auth.uid() references auth.users (id) on delete cascade,
  name text not null constraint names_are_identifiers check (name ~ '^[a-z][a-z0-9_]{0,49}$'),
  description text not null constraint descriptions_are_bounded check (length(description) between 1 and 4000),
  target_table text not null,
  match_columns text[] not null default '{}',
  field_map jsonb not null default '{}' constraint field_maps_are_a_shallow_object
    check (jsonb_typeof(field_map) = 'object' and not jsonb_path_exists(field_map, '$.**{8}')),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint entity_types_user_id_name_key unique nulls not distinct (user_id, name)
);
comment on table public.entity_types is 'What an event can become. Types without a user_id are shipped; a user''s own type hides a shipped one of the same name.';
comment on column public.entity_types.description is 'Words that the classifier compares an event with.';
comment on column public.entity_types.target_table is 'Table in public with the columns id uuid and user_id uuid and row level security.';
comment on column public.entity_types.match_columns is 'Columns that together find a record again; with any of them null a new record is made.';
comment on column public.entity_types.field_map is 'JMESPath by column, over {event, payload, data}.';

create function private.check_entity_type() returns trigger
language plpgsql security invoker set search_path = ''
as $$
declare
  v_table oid;
  v_column text;
begin
  select c.oid into v_table
  from pg_catalog.pg_class c
  where c.relnamespace = 'public'::regnamespace and c.relname = new.target_table and c.relkind in ('r', 'p')
    and c.relrowsecurity;
  -- Switchhook's own bookkeeping would let a payload write rules, events or links; what users may write to by hand decides the rest.
  if v_table is null or new.target_table in ('webhook_endpoints', 'webhook_events', 'webhook_event_logs', 'entity_types', 'entities',
      'entity_automation_rules', 'entity_rule_actions', 'people_entities', 'entity_tags', 'entity_roles', 'notifications', 'audit_logs')
    or exists (select from unnest(array['authenticated', 'service_role']) r, unnest(array['select', 'insert', 'update']) p
      where not pg_catalog.has_table_privilege(r, v_table, p)) then
    raise exception 'target_table must be a table in public with row level security that authenticated and service_role may read and write'
      using errcode = 'PT400', detail = 'WH001';
  end if;
  if (select count(*) from pg_catalog.pg_attribute a
      where a.attrelid = v_table and a.attname in ('id', 'user_id') and a.atttypid = 'uuid'::regtype and not a.attisdropped) <> 2 then
    raise exception 'target_table must have the columns id uuid and user_id uuid' using errcode = 'PT400', detail = 'WH001';
  end if;
  for v_column in select jsonb_object_keys(new.field_map) union select unnest(new.match_columns) loop
    if not v_column = any (private.writable_columns(new.target_table)) then
      raise exception 'target_table has no column % to write to', quote_ident(v_column) using errcode = 'PT400', detail = 'WH001';
    end if;
  end loop;
  new.updated_at := now();
  return new;
end
$$;
comment on function private.check_entity_type() is 'Refuses an entity type that does not fit its target table.';
revoke execute on function private.check_entity_type() from public;

create function private.writable_columns(p_table text) returns text[]
language sql stable security invoker set search_path = ''
as $$
  select coalesce(array_agg(a.attname::text), '{}')
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_class c on c.oid = a.attrelid
  where c.relnamespace = 'public'::regnamespace and c.relname = p_table and a.attnum > 0 and not a.attisdropped
    and a.attgenerated = '' and a.attname not in ('id', 'user_id', 'endpoint_id', 'created_at', 'updated_at')
$$;
comment on function private.writable_columns(text) is 'Columns of a table in public that a payload may fill: all but ids of ours, the owner and our own times.';
revoke execute on function private.writable_columns(text) from public, anon;
grant execute on function private.writable_columns(text) to authenticated, service_role;

create function private.check_field_maps() returns trigger
language plpgsql security invoker set search_path = ''
as $$
declare
  v_type text;
  v_column text;
begin
  select m.type, c.name into v_type, v_column
  from (
    select m.key as type, (private.entity_type(new.created_by, m.key)).target_table, m.value as map
    from jsonb_each(case jsonb_typeof(new.field_maps) when 'object' then new.field_maps else '{}' end) m) m
  cross join lateral jsonb_object_keys(case jsonb_typeof(m.map) when 'object' then m.map else '{}' end) as c (name)
  where m.target_table is not null and not c.name = any (private.writable_columns(m.target_table))
  order by m.type, c.name limit 1;
  if found then
    raise exception 'fieldMaps.%: there is no column % to write to', left(v_type, 100), left(quote_ident(v_column), 100)
      using errcode = 'PT400', detail = 'WH001';
  end if;
  return new;
end
$$;
comment on function private.check_field_maps() is 'Refuses an endpoint whose field maps fill columns that their types do not have.';
revoke execute on function private.check_field_maps() from public;

create trigger check_field_maps before insert on public.webhook_endpoints
  for each row execute function private.check_field_maps();
-- Only new maps: an endpoint stays as it is when a column goes.
create trigger check_changed_field_maps before update of field_maps on public.webhook_endpoints
  for each row when (new.field_maps is distinct from old.field_maps) execute function private.check_field_maps();

create trigger check_entity_type before insert or update on public.entity_types
  for each row execute function private.check_entity_type();

alter table public.entity_types enable row level security;
create policy "everyone signed in reads shipped types and their own" on public.entity_types for select to authenticated
  using (user_id is null or user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins add types" on public.entity_types for insert to authenticated
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins change types" on public.entity_types for update to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins delete types" on public.entity_types for delete to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.entity_types from public, anon, authenticated, service_role;
grant select, delete on table public.entity_types to authenticated;
grant insert (name, description, target_table, match_columns, field_map), update (name, description, target_table, match_columns, field_map)
  on table public.entity_types to authenticated;
grant select, insert, update, delete on table public.entity_types to service_role;

create function private.entity_type(p_user_id uuid, p_name text) returns public.entity_types
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_type public.entity_types;
begin
  select t.* into v_type from public.entity_types t
  where t.name = p_name and (t.user_id = p_user_id or t.user_id is null)
  order by t.user_id nulls last
  limit 1;
  return v_type;
end
$$;
comment on function private.entity_type(uuid, text) is 'The entity type that a name means for a user: their own, else the shipped one; null where there is none.';
revoke execute on function private.entity_type(uuid, text) from public, anon;
grant execute on function private.entity_type(uuid, text) to authenticated, service_role;

create function private.entity_types_of(p_user_ids uuid[]) returns jsonb
language sql stable security invoker set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object('user_id', t.user_id, 'name', t.name, 'description', t.description,
    'target_table', t.target_table, 'match_columns', t.match_columns, 'field_map', t.field_map) order by t.name, t.id), '[]')
  from public.entity_types t
  where t.user_id is null or t.user_id = any (p_user_ids)
$$;
comment on function private.entity_types_of(uuid[]) is 'The shipped entity types and these users'' own, as workers receive them.';
revoke execute on function private.entity_types_of(uuid[]) from public, anon, authenticated;
grant execute on function private.entity_types_of(uuid[]) to service_role;
