-- Finding events by what they are and what stands in them, and deliveries by what became of them.
--
-- No index over payloads: each event that comes in would pay for it, and ingest is what has to be fast. Instead a call looks
-- through a stretch of the owner's events, newest first, and says how far back it came; the next call goes on from there. So
-- an answer takes the same time however many events there are, and going on finds every event.

create function public.search_events(
  p_text text, p_statuses text, p_endpoint_id uuid, p_entity_table text, p_since timestamptz, p_until timestamptz, p_before uuid,
  p_everybody boolean, p_limit integer, p_look integer)
returns jsonb
-- Made anew with the values at hand: a plan for all of them would not use the index that suits these.
language plpgsql stable security invoker set search_path = '' set plan_cache_mode = 'force_custom_plan'
as $$
declare
  v_user uuid := case when p_everybody then null else auth.uid() end;
  v_wanted text := lower(p_text);
  v_named uuid := case when p_text ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then p_text::uuid end;
  v_statuses text[] := string_to_array(p_statuses, ',');
  -- A minute more, for clocks that differ.
  v_first uuid := private.first_id_at(coalesce(p_since - interval '1 minute', 'epoch'));
  v_before uuid := least(p_before, case when p_until is not null then private.first_id_at(p_until + interval '1 minute') end);
  v_began timestamptz := clock_timestamp();
  v_left integer := p_look;
  v_chunk integer := 100;
  v_ids uuid[] := '{}';
  v_piece uuid[];
  v_looked integer;
  v_oldest uuid;
  v_back_to timestamptz;
begin
  if p_limit is null or p_limit not between 1 and 100 or length(p_text) not between 1 and 200
    or p_look is null or p_look not between 1 and 100000 then
    raise exception 'The text has 1 to 200 characters' using errcode = 'PT400', detail = 'WH001';
  end if;
  -- Whose id is named is told at once, and left out of the search.
  if p_before is null and v_named is not null then
    select coalesce(array_agg(e.id), '{}') into v_ids from public.webhook_events e
    where e.id = v_named and (v_user is null or e.user_id = v_user) and e.status::text = any (v_statuses)
      and (p_endpoint_id is null or e.endpoint_id = p_endpoint_id) and (p_entity_table is null or e.entity_table = p_entity_table)
      and (p_since is null or e.created_at >= p_since) and (p_until is null or e.created_at < p_until);
  end if;
  loop
    v_chunk := least(v_chunk, v_left);
    -- The stretch is cut before it is filtered, or one with nothing to be found would have no end.
    with looked as materialized (
      select e.id, e.created_at,
        e.status::text = any (v_statuses) and (p_entity_table is null or e.entity_table = p_entity_table)
        and (p_since is null or e.created_at >= p_since) and (p_until is null or e.created_at < p_until)
        and case when v_wanted is null then true when e.id = v_named then false else
          position(v_wanted in lower(concat_ws(' ', e.id, e.event_type, e.external_id, e.error_message))) > 0
          or position(v_wanted in lower(e.payload::text)) > 0 end as fits
      from (
        select n.* from public.webhook_events n
        where (v_user is null or n.user_id = v_user) and (p_endpoint_id is null or n.endpoint_id = p_endpoint_id)
          and n.id >= v_first and (v_before is null or n.id < v_before)
        order by n.id desc limit v_chunk) e
    )
    select coalesce(array_agg(l.id order by l.id desc) filter (where l.fits), '{}'), count(*), (array_agg(l.id order by l.id))[1], min(l.created_at)
    into v_piece, v_looked, v_oldest, v_back_to from looked l;
    v_ids := v_ids || v_piece;
    if cardinality(v_ids) > p_limit then
      return jsonb_build_object('ids', to_jsonb(v_ids[1:p_limit]), 'next', v_ids[p_limit], 'looked_back_to', null);
    end if;
    v_left := v_left - v_looked;
    if v_looked < v_chunk then
      return jsonb_build_object('ids', to_jsonb(v_ids), 'next', null, 'looked_back_to', null);
    end if;
    if v_left = 0 or clock_timestamp() - v_began > interval '500 milliseconds' then
      return jsonb_build_object('ids', to_jsonb(v_ids), 'next', v_oldest, 'looked_back_to', v_back_to);
    end if;
    v_before := v_oldest;
    v_chunk := least(v_chunk * 4, 5000);
  end loop;
end
$$;
comment on function public.search_events(text, text, uuid, text, timestamptz, timestamptz, uuid, boolean, integer, integer) is
  'Events of the caller, or with p_everybody of all that they may see, newest first and older than p_before, that meet the filters and in whose facts or payload a text stands, whatever its case: {ids[up to p_limit, 1 to 100], next, looked_back_to}. p_statuses: names with commas between them. Null filters nothing. Looks at up to p_look events (1 to 100000), and no longer than about half a second: looked_back_to is then the time that it came to. next is p_before of the next call, null where there is no more.';
revoke execute on function public.search_events(text, text, uuid, text, timestamptz, timestamptz, uuid, boolean, integer, integer) from public, anon;
grant execute on function public.search_events(text, text, uuid, text, timestamptz, timestamptz, uuid, boolean, integer, integer) to authenticated;

create function public.find_deliveries(
  p_webhook_id uuid, p_status public.webhook_delivery_status, p_before uuid, p_limit integer, p_look integer)
returns jsonb
language plpgsql stable security invoker set search_path = '' set plan_cache_mode = 'force_custom_plan'
as $$
declare
  v_ids uuid[];
  v_looked integer;
  v_oldest uuid;
  v_back_to timestamptz;
begin
  if p_limit is null or p_limit not between 1 and 100 or p_look is null or p_look not between 1 and 100000 then
    raise exception 'The limit is 1 to 100' using errcode = 'PT400', detail = 'WH001';
  end if;
  with looked as materialized (
    select d.id, d.created_at, d.status = p_status as fits from public.webhook_deliveries d
    where d.webhook_id = p_webhook_id and (p_before is null or d.id < p_before)
    order by d.id desc limit p_look
  )
  select coalesce(array_agg(l.id order by l.id desc) filter (where l.fits), '{}'), count(*), (array_agg(l.id order by l.id))[1], min(l.created_at)
  into v_ids, v_looked, v_oldest, v_back_to from looked l;
  if cardinality(v_ids) > p_limit then
    return jsonb_build_object('ids', to_jsonb(v_ids[1:p_limit]), 'next', v_ids[p_limit], 'looked_back_to', null);
  end if;
  if v_looked < p_look then
    return jsonb_build_object('ids', to_jsonb(v_ids), 'next', null, 'looked_back_to', null);
  end if;
  return jsonb_build_object('ids', to_jsonb(v_ids), 'next', v_oldest, 'looked_back_to', v_back_to);
end
$$;
comment on function public.find_deliveries(uuid, public.webhook_delivery_status, uuid, integer, integer) is
  'Deliveries to a webhook of the caller with a status, newest first and older than p_before: {ids[up to p_limit, 1 to 100], next, looked_back_to}. Looks at p_look (1 to 100000): looked_back_to is the time that it came to, if there is more. next is p_before of the next call, null where there is no more.';
revoke execute on function public.find_deliveries(uuid, public.webhook_delivery_status, uuid, integer, integer) from public, anon;
grant execute on function public.find_deliveries(uuid, public.webhook_delivery_status, uuid, integer, integer) to authenticated;
