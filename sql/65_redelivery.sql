-- What users ask of deliveries: try a webhook, retry, recover, replay. Each decision but a test is audited.
-- The private functions are security definers because users may not write deliveries; each checks the owner of every row it touches.

-- Security definer: see the head of this file.
create function private.test_webhook(p_webhook_id uuid, p_type text, p_data text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_webhook public.webhooks;
  v_type text := p_type;
  v_data json;
  v_event_id uuid;
  v_delivery_id uuid;
begin
  select w.* into v_webhook from public.webhooks w where w.id = p_webhook_id and private.owns(w.created_by) for key share;
  if v_webhook.id is null then
    raise exception 'No such webhook' using errcode = 'PT404', detail = 'WH007';
  end if;
  -- Without a type: the first event that the webhook subscribes to by name.
  v_type := coalesce(v_type, (select e from unnest(v_webhook.events) with ordinality as n (e, place) where e not like '%*' order by place limit 1), 'webhook.test');
  v_data := coalesce(case when p_data is not null then private.parse_data(p_data) end, (
    select t.example from public.event_types t
    where t.name = v_type and (t.user_id = v_webhook.created_by or t.user_id is null)
    order by t.user_id nulls last limit 1), '{"message": "This is a test."}');
  if not private.is_event_name(v_type) then
    raise exception 'The type is the name of an event' using errcode = 'PT400', detail = 'WH001';
  end if;
  insert into public.published_events (user_id, type, data, is_test) values (v_webhook.created_by, v_type, v_data, true) returning id into v_event_id;
  perform private.wake('dispatch');
  -- Somebody waits for it, so it goes before what waits there already.
  insert into public.webhook_deliveries (published_event_id, webhook_id, user_id, is_test, run_after)
  values (v_event_id, p_webhook_id, v_webhook.created_by, true, now() - interval '1 hour') returning id into v_delivery_id;
  return jsonb_build_object('event_id', v_event_id, 'delivery_id', v_delivery_id, 'type', v_type, 'data', v_data);
end
$$;
comment on function private.test_webhook(uuid, text, text) is 'See public.test_webhook.';
revoke execute on function private.test_webhook(uuid, text, text) from public, anon;
grant execute on function private.test_webhook(uuid, text, text) to authenticated;

create function public.test_webhook(p_webhook_id uuid, p_type text default null, p_data text default null) returns jsonb
language sql volatile security invoker set search_path = ''
as $$
  select private.test_webhook(p_webhook_id, p_type, p_data)
$$;
comment on function public.test_webhook(uuid, text, text) is
  'Queues a test for a webhook of the caller, be it on or off: of a given type (or the first it subscribes to) with given data (or the type''s example). It is tried once and counts for nothing else. Answers {event_id, delivery_id, type, data}.';
revoke execute on function public.test_webhook(uuid, text, text) from public, anon;
grant execute on function public.test_webhook(uuid, text, text) to authenticated;

create function private.requeue(p_delivery_ids uuid[]) returns uuid[]
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_queued uuid[];
begin
  with finished as (
    select d.id from public.webhook_deliveries d
    where d.id = any (p_delivery_ids) and d.status in ('delivered', 'failed', 'filtered')
    order by d.id
    for no key update
  ), queued as (
    update public.webhook_deliveries d
    set status = 'pending', run_after = now(), attempts_before = d.attempts, finished_at = null
    from finished f
    where d.id = f.id
    returning d.id
  )
  select coalesce(array_agg(q.id), '{}') into v_queued from queued q;
  if cardinality(v_queued) > 0 then
    perform private.wake('dispatch');
  end if;
  return v_queued;
end
$$;
comment on function private.requeue(uuid[]) is 'Puts finished deliveries back into the queue, with all their attempts ahead of them; those that were.';
revoke execute on function private.requeue(uuid[]) from public, anon, authenticated;
grant execute on function private.requeue(uuid[]) to service_role;

-- Security definer: see the head of this file.
create function private.retry_delivery(p_delivery_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_delivery public.webhook_deliveries;
begin
  select d.* into v_delivery from public.webhook_deliveries d where d.id = p_delivery_id and private.owns(d.user_id);
  if v_delivery.id is null then
    raise exception 'No such delivery' using errcode = 'PT404', detail = 'WH007';
  end if;
  -- One that waits for its next attempt gets it now.
  update public.webhook_deliveries d set run_after = now() where d.id = p_delivery_id and d.status = 'pending' and d.run_after > clock_timestamp();
  if found then
    perform private.wake('dispatch');
  elsif cardinality(private.requeue(array[p_delivery_id])) = 0 then
    raise exception 'This delivery is still under way' using errcode = 'PT409', detail = 'WH017';
  end if;
  insert into public.audit_logs (user_id, actor_id, action, target_id)
  values (v_delivery.user_id, (select auth.uid()), 'delivery.retry', p_delivery_id);
  return jsonb_build_object('id', p_delivery_id, 'status', 'pending');
end
$$;
comment on function private.retry_delivery(uuid) is 'See public.retry_delivery.';
revoke execute on function private.retry_delivery(uuid) from public, anon;
grant execute on function private.retry_delivery(uuid) to authenticated;

create function public.retry_delivery(p_delivery_id uuid) returns jsonb
language sql volatile security invoker set search_path = ''
as $$
  select private.retry_delivery(p_delivery_id)
$$;
comment on function public.retry_delivery(uuid) is
  'Queues a finished delivery of the caller once more, under the same event id; one that waits for its next attempt gets it at once. Of two such calls at once, one is refused.';
revoke execute on function public.retry_delivery(uuid) from public, anon;
grant execute on function public.retry_delivery(uuid) to authenticated;

-- Security definer: see the head of this file.
create function private.recover_webhook(p_webhook_id uuid, p_since timestamptz, p_until timestamptz) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_owner uuid;
  v_queued uuid[];
begin
  select w.created_by into v_owner from public.webhooks w where w.id = p_webhook_id and private.owns(w.created_by);
  if v_owner is null then
    raise exception 'No such webhook' using errcode = 'PT404', detail = 'WH007';
  end if;
  if p_since is null then
    raise exception 'Say since when' using errcode = 'PT400', detail = 'WH001';
  end if;
  v_queued := private.requeue(array(
    select d.id from public.webhook_deliveries d
    where d.webhook_id = p_webhook_id and d.status = 'failed' and d.created_at >= p_since and d.created_at < coalesce(p_until, 'infinity')
      and not d.is_test));
  insert into public.audit_logs (user_id, actor_id, action, target_id, details)
  values (v_owner, (select auth.uid()), 'webhook.recover', p_webhook_id,
    jsonb_build_object('since', p_since, 'until', p_until, 'queued', cardinality(v_queued)));
  return jsonb_build_object('queued', cardinality(v_queued));
end
$$;
comment on function private.recover_webhook(uuid, timestamptz, timestamptz) is 'See public.recover_webhook.';
revoke execute on function private.recover_webhook(uuid, timestamptz, timestamptz) from public, anon;
grant execute on function private.recover_webhook(uuid, timestamptz, timestamptz) to authenticated;

create function public.recover_webhook(p_webhook_id uuid, p_since timestamptz, p_until timestamptz default null) returns jsonb
language sql volatile security invoker set search_path = ''
as $$
  select private.recover_webhook(p_webhook_id, p_since, p_until)
$$;
comment on function public.recover_webhook(uuid, timestamptz, timestamptz) is
  'Queues everything once more that failed for a webhook of the caller and was published since p_since (and before p_until). Answers {queued: how many}.';
revoke execute on function public.recover_webhook(uuid, timestamptz, timestamptz) from public, anon;
grant execute on function public.recover_webhook(uuid, timestamptz, timestamptz) to authenticated;

-- Security definer: see the head of this file.
create function private.replay_event(p_event_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_event public.published_events;
  v_queued uuid[];
  v_added integer;
begin
  select e.* into v_event from public.published_events e where e.id = p_event_id and private.owns(e.user_id);
  if v_event.id is null then
    raise exception 'No such event' using errcode = 'PT404', detail = 'WH007';
  end if;
  v_queued := private.requeue(array(
    select d.id from public.webhook_deliveries d where d.published_event_id = p_event_id));
  v_added := case when v_event.is_test then 0 else private.add_deliveries(array[p_event_id]) end;
  insert into public.audit_logs (user_id, actor_id, action, target_id, details)
  values (v_event.user_id, (select auth.uid()), 'event.replay', p_event_id,
    jsonb_build_object('queued', cardinality(v_queued), 'added', v_added));
  return jsonb_build_object('id', p_event_id, 'queued', cardinality(v_queued) + v_added);
end
$$;
comment on function private.replay_event(uuid) is 'See public.replay_event.';
revoke execute on function private.replay_event(uuid) from public, anon;
grant execute on function private.replay_event(uuid) to authenticated;

create function public.replay_event(p_event_id uuid) returns jsonb
language sql volatile security invoker set search_path = ''
as $$
  select private.replay_event(p_event_id)
$$;
comment on function public.replay_event(uuid) is
  'Delivers a published event of the caller once more, under the same id: to all who had it and are not about to have it, and to webhooks that have come to subscribe to it since. Answers {id, queued: how many deliveries}.';
revoke execute on function public.replay_event(uuid) from public, anon;
grant execute on function public.replay_event(uuid) to authenticated;
