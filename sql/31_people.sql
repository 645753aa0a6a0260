-- How the person that an event speaks of is found, made, or told more of.

create function private.find_person(p_new public.people, p_earlier_id uuid, out person_id uuid, out found_by text)
language plpgsql stable security invoker set search_path = ''
as $$
begin
  -- Compared as rows, which is equality that one index alone can answer, and the least id without "order by". As long as there are
  -- few people, PostgreSQL sees no difference to reading all of the user's, and keeps to what it chose when there are many.
  if p_earlier_id is not null then
    select p.id, 'earlier_try' into person_id, found_by from public.people p where p.id = p_earlier_id;
  end if;
  if person_id is null and p_new.email is not null then
    select p.id, 'email' into person_id, found_by from public.people p
    where (lower(p.email), p.user_id) between (lower(p_new.email), p_new.user_id) and (lower(p_new.email), p_new.user_id);
  end if;
  if person_id is null and p_new.phone is not null then
    select p.id, 'phone' into person_id, found_by from public.people p
    where p.id = (
      select min(n.id::text)::uuid from public.people n
      where (n.phone, n.user_id) between (p_new.phone, p_new.user_id) and (p_new.phone, p_new.user_id) and n.phone is not null);
  end if;
  if person_id is null and p_new.external_id is not null then
    select p.id, 'external_id' into person_id, found_by from public.people p
    where p.id = (
      select min(n.id::text)::uuid from public.people n
      where (n.endpoint_id, n.user_id, n.external_id) between (p_new.endpoint_id, p_new.user_id, p_new.external_id)
        and (p_new.endpoint_id, p_new.user_id, p_new.external_id));
  end if;
end
$$;
comment on function private.find_person(public.people, uuid) is
  'The person that is meant, and by what: the one of an earlier try, else by email, then phone, then the source''s own id; null where nobody matches.';
revoke execute on function private.find_person(public.people, uuid) from public, anon, authenticated;
grant execute on function private.find_person(public.people, uuid) to service_role;

create function private.merge_person(p_old public.people, p_new public.people, p_is_news boolean) returns public.people
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_merged public.people := p_old;
begin
  if p_old.email is null and p_new.email is not null and not exists (
      select from public.people o
      where (lower(o.email), o.user_id) between (lower(p_new.email), p_old.user_id) and (lower(p_new.email), p_old.user_id)) then
    v_merged.email := p_new.email;
  end if;
  v_merged.phone := coalesce(p_old.phone, p_new.phone);
  -- The id and the source that it is from go together.
  if p_old.external_id is null and p_new.external_id is not null then
    v_merged.endpoint_id := p_new.endpoint_id;
    v_merged.external_id := p_new.external_id;
  end if;
  if p_is_news then
    v_merged.name := coalesce(p_new.name, p_old.name);
    v_merged.first_name := coalesce(p_new.first_name, p_old.first_name);
    v_merged.last_name := coalesce(p_new.last_name, p_old.last_name);
    v_merged.company := coalesce(p_new.company, p_old.company);
    v_merged.title := coalesce(p_new.title, p_old.title);
  else
    v_merged.name := coalesce(p_old.name, p_new.name);
    v_merged.first_name := coalesce(p_old.first_name, p_new.first_name);
    v_merged.last_name := coalesce(p_old.last_name, p_new.last_name);
    v_merged.company := coalesce(p_old.company, p_new.company);
    v_merged.title := coalesce(p_old.title, p_new.title);
  end if;
  return v_merged;
end
$$;
comment on function private.merge_person(public.people, public.people, boolean) is
  'What is known of a person after an event. p_is_news: what it says replaces what was known; else it fills in what was not.';
revoke execute on function private.merge_person(public.people, public.people, boolean) from public, anon, authenticated;
grant execute on function private.merge_person(public.people, public.people, boolean) to service_role;

create function private.upsert_person(p_new public.people, p_earlier_id uuid, p_is_news boolean, out person_id uuid, out found_by text)
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_old public.people;
  v_merged public.people;
begin
  select f.person_id, f.found_by into person_id, found_by from private.find_person(p_new, p_earlier_id) f;
  if person_id is not null then
    select p.* into v_old from public.people p where p.id = person_id;
    v_merged := private.merge_person(v_old, p_new, p_is_news);
    -- Most events say of a person what is known already.
    if v_merged is distinct from v_old then
      update public.people p
      set email = v_merged.email, phone = v_merged.phone, endpoint_id = v_merged.endpoint_id, external_id = v_merged.external_id,
        name = v_merged.name, first_name = v_merged.first_name, last_name = v_merged.last_name, company = v_merged.company,
        title = v_merged.title
      where p.id = person_id;
    end if;
  elsif coalesce(p_new.email, p_new.phone, p_new.external_id, p_new.name) is not null then
    insert into public.people (user_id, endpoint_id, kind, email, phone, name, first_name, last_name, company, title, external_id)
    values (p_new.user_id, p_new.endpoint_id, p_new.kind, p_new.email, p_new.phone, p_new.name, p_new.first_name, p_new.last_name,
      p_new.company, p_new.title, p_new.external_id)
    returning id into person_id;
  end if;
end
$$;
comment on function private.upsert_person(public.people, uuid, boolean) is
  'Finds a person and tells it what is new, or makes it. found_by: null for one that was made; person_id: null where nothing says who it is. See private.merge_person for p_is_news.';
revoke execute on function private.upsert_person(public.people, uuid, boolean) from public, anon, authenticated;
grant execute on function private.upsert_person(public.people, uuid, boolean) to service_role;
