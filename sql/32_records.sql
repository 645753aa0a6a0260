-- How records of an entity type are found and written: many in a statement, as each statement that names a table of the user's
-- choice is planned anew.

create type private.record_draft as (
  place integer,
  event_id uuid,
  user_id uuid,
  id uuid,
  fields jsonb,
  is_new boolean,
  found_by text[]
);
comment on type private.record_draft is
  'What an event says of a record. Before it is written, id is the record of an earlier try, if there was one; after, it is the record''s, and is_new and found_by say how that came to be. place orders the drafts of a batch.';

create function private.find_records(p_type public.entity_types, p_drafts private.record_draft[]) returns private.record_draft[]
language plpgsql stable security invoker set search_path = ''
as $$
declare
  -- $1: the drafts, $2: the entity type's name, $3: its match columns.
  v_query constant text := $query$
    with known as materialized (
      select d.place, d.event_id, d.user_id, d.fields, d.id as tried_id,%1$s
        coalesce(
          -- The record of an earlier try, unless it was deleted or the event was classified anew as something else.
          (select t.id from public.%2$I t where t.id = d.id and t.user_id = d.user_id
            and exists (select from public.entities e where e.id = d.id and e.entity_table = $2)),
          %3$s) as id
      from unnest($1) d, jsonb_populate_record(null::public.%2$I, d.fields) r
    ), ordered as (
      -- Of those that mean the same record, one at a time: the second finds what the first has made.
      select k.*, row_number() over (partition by k.id, case when k.id is null then k.user_id end, %4$s order by k.place) as turn
      from known k
    )
    select array_agg(row(o.place, o.event_id, o.user_id, coalesce(o.id, gen_random_uuid()), o.fields, o.id is null,
      case when o.id = o.tried_id then array['earlier_try'] when o.id is not null then $3 end)::private.record_draft order by o.place)
    from ordered o where o.turn = 1
  $query$;
  v_keys text := '';
  v_match text := 'null';
  v_turns text := 'case when k.id is null then k.place end';
  v_found private.record_draft[];
begin
  if cardinality(p_type.match_columns) > 0 then
    select string_agg(format(' r.%I as key_%s,', m.name, m.place), ''),
      -- The least id without "order by", which would make an index of all ids look good.
      format('(select min(t.id::text)::uuid from public.%I t where t.user_id = d.user_id and %s)', p_type.target_table,
        string_agg(format('t.%I = r.%I', m.name, m.name), ' and ')),
      string_agg(format('case when k.id is null then k.key_%s end', m.place), ', ')
        || format(', case when k.id is null and (%s) then k.place end', string_agg(format('k.key_%s is null', m.place), ' or '))
    into v_keys, v_match, v_turns
    from unnest(p_type.match_columns) with ordinality as m (name, place);
  end if;
  execute format(v_query, v_keys, p_type.target_table, v_match, v_turns) into v_found using p_drafts, p_type.name, p_type.match_columns;
  return v_found;
end
$$;
comment on function private.find_records(public.entity_types, private.record_draft[]) is
  'Drafts whose turn it is, each with the record that it is about: that of an earlier try, else the one with the same match columns, else a new id. Of several about the same record, the first.';
revoke execute on function private.find_records(public.entity_types, private.record_draft[]) from public, anon, authenticated;
grant execute on function private.find_records(public.entity_types, private.record_draft[]) to service_role;

create function private.write_records(p_type public.entity_types, p_columns text[], p_drafts private.record_draft[]) returns void
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_group record;
begin
  insert into public.entities (id, user_id, entity_table)
  select d.id, d.user_id, p_type.name from unnest(p_drafts) d where d.is_new;
  -- What a draft does not name keeps its value, or gets the table's default.
  for v_group in
    select d.is_new, c.names, array_agg(d order by d.place) as drafts
    from unnest(p_drafts) d
    cross join lateral (select coalesce(array_agg(n order by n), '{}') as names from unnest(p_columns) n where d.fields ->> n is not null) c
    group by d.is_new, c.names
  loop
    if v_group.is_new then
      execute format('insert into public.%1$I (id, user_id%2$s)
        select d.id, d.user_id%3$s from unnest($1) d, jsonb_populate_record(null::public.%1$I, d.fields) r order by d.place',
        p_type.target_table,
        (select string_agg(format(', %I', n), '') from unnest(v_group.names) n),
        (select string_agg(format(', r.%I', n), '') from unnest(v_group.names) n))
      using v_group.drafts;
    elsif v_group.names <> '{}' then
      execute format('update public.%1$I t set %2$s from unnest($1) d, jsonb_populate_record(null::public.%1$I, d.fields) r
        where t.id = d.id and t.user_id = d.user_id',
        p_type.target_table,
        (select string_agg(format('%I = r.%I', n, n), ', ') from unnest(v_group.names) n))
      using v_group.drafts;
    end if;
  end loop;
end
$$;
comment on function private.write_records(public.entity_types, text[], private.record_draft[]) is
  'Inserts or updates found drafts, each about another record. Only the columns that are given are touched.';
revoke execute on function private.write_records(public.entity_types, text[], private.record_draft[]) from public, anon, authenticated;
grant execute on function private.write_records(public.entity_types, text[], private.record_draft[]) to service_role;

create function private.has_foreign_triggers(p_table text) returns boolean
language sql stable security invoker set search_path = ''
as $$
  select exists (
    select from pg_catalog.pg_trigger t
    join pg_catalog.pg_class c on c.oid = t.tgrelid
    join pg_catalog.pg_proc f on f.oid = t.tgfoid
    where c.relnamespace = 'public'::regnamespace and c.relname = p_table and not t.tgisinternal
      and (f.pronamespace <> 'private'::regnamespace or f.proname = 'publish_rows'))
$$;
comment on function private.has_foreign_triggers(text) is 'Whether changes of a table set something off that may publish events.';
revoke execute on function private.has_foreign_triggers(text) from public, anon, authenticated;
grant execute on function private.has_foreign_triggers(text) to service_role;

create function private.upsert_records(p_type public.entity_types, p_drafts private.record_draft[]) returns private.record_draft[]
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_columns text[] := private.writable_columns(p_type.target_table);
  -- What a trigger publishes is put down to one event.
  v_one_by_one boolean := private.has_foreign_triggers(p_type.target_table) or private.has_foreign_triggers('entities');
  v_left private.record_draft[] := p_drafts;
  v_found private.record_draft[];
  v_done private.record_draft[] := '{}';
begin
  while cardinality(v_left) > 0 loop
    v_found := private.find_records(p_type, case when v_one_by_one then v_left[1:1] else v_left end);
    perform private.publish_because_of(case when cardinality(v_found) = 1 then v_found[1].event_id end);
    perform private.write_records(p_type, v_columns, v_found);
    v_done := v_done || v_found;
    v_left := array(
      select l from unnest(v_left) l where l.place not in (select f.place from unnest(v_found) f) order by l.place);
  end loop;
  return v_done;
end
$$;
comment on function private.upsert_records(public.entity_types, private.record_draft[]) is
  'Finds and updates, or makes, the records that drafts are about, in their order; the drafts with their records.';
revoke execute on function private.upsert_records(public.entity_types, private.record_draft[]) from public, anon, authenticated;
grant execute on function private.upsert_records(public.entity_types, private.record_draft[]) to service_role;
