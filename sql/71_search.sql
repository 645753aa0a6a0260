-- Finding events by what stands in them.

create function public.search_events(
  p_text text, p_statuses text, p_endpoint_id uuid, p_entity_table text, p_since timestamptz, p_until timestamptz, p_before uuid,
  p_everybody boolean, p_limit integer)
returns jsonb
language plpgsql stable security invoker set search_path = ''
as $$
declare
  v_user uuid := case when p_everybody then null else auth.uid() end;
  v_wanted text := lower(p_text);
  v_statuses text[] := string_to_array(p_statuses, ',');
begin
  if p_limit is null or p_limit not between 1 and 101 or coalesce(length(p_text), 0) not between 1 and 200 then
    raise exception 'The text has 1 to 200 characters' using errcode = 'PT400', detail = 'WH001';
  end if;
  return coalesce((
    select jsonb_agg(f.id order by f.id desc) from (
      select e.id from (
        select n.* from public.webhook_events n
        where (v_user is null or n.user_id = v_user) and n.status::text = any (v_statuses)
          and (p_endpoint_id is null or n.endpoint_id = p_endpoint_id)
          and (p_entity_table is null or n.entity_table = p_entity_table)
          and (p_since is null or (n.id >= private.first_id_at(p_since - interval '1 minute') and n.created_at >= p_since))
          and (p_until is null or n.created_at < p_until)
          and (p_before is null or n.id < p_before)
        order by n.id desc limit 20000) e
      where position(v_wanted in lower(concat_ws(' ', e.id, e.event_type, e.external_id, e.error_message))) > 0
        or position(v_wanted in lower(e.payload::text)) > 0
      order by e.id desc limit p_limit) f), '[]');
end
$$;
comment on function public.search_events(text, text, uuid, text, timestamptz, timestamptz, uuid, boolean, integer) is
  'Ids of up to p_limit (1 to 101) events of the caller, or with p_everybody of all that they may see, newest first and older than p_before, in whose facts or payload a text stands, whatever its case. p_statuses: names with commas between them. Null filters nothing; the newest 20000 events that the filters leave are looked at.';
revoke execute on function public.search_events(text, text, uuid, text, timestamptz, timestamptz, uuid, boolean, integer) from public, anon;
grant execute on function public.search_events(text, text, uuid, text, timestamptz, timestamptz, uuid, boolean, integer) to authenticated;
