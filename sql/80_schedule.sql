-- What keeps a hosted project going by itself: pg_net calls a function as soon as it has work, pg_cron sweeps for what no
-- call came for, counts what came and went, and deletes what is old. Where an extension is not there, its part does nothing.
--
-- Vault holds where the functions are and how to call them:
--   switchhook_functions_url       where all are; a function is under /functions/v1/<deployed name>
--   switchhook_<function>_url      where one is that has an address of its own, such as switchhook_process_rules_url
--   switchhook_functions_secret    what FUNCTIONS_SECRET says

create function private.functions_are_known() returns boolean
language plpgsql stable security invoker set search_path = ''
as $$
begin
  return to_regclass('net.http_request_queue') is not null and to_regclass('vault.decrypted_secrets') is not null;
end
$$;
comment on function private.functions_are_known() is 'Whether pg_net and Vault are there, so that the database can call functions.';
revoke execute on function private.functions_are_known() from public, anon, authenticated;
grant execute on function private.functions_are_known() to service_role;

-- Security definer: whoever writes an event may have its worker called, and read nothing in Vault.
create function private.call_function(p_function text) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_called text := 'switchhook.called_' || p_function;
  v_url text;
  v_secret text;
begin
  -- One call is enough for a transaction, as one notification is, however many statements wake the function.
  if not private.functions_are_known() or current_setting(v_called, true) = 'true' then
    return false;
  end if;
  select coalesce(
      rtrim(max(s.decrypted_secret) filter (where s.name = format('switchhook_%s_url', p_function)), '/'),
      rtrim(max(s.decrypted_secret) filter (where s.name = 'switchhook_functions_url'), '/')
        || '/functions/v1/' || replace(p_function, '_', '-')),
    max(s.decrypted_secret) filter (where s.name = 'switchhook_functions_secret')
  into v_url, v_secret
  from vault.decrypted_secrets s
  where s.name in (format('switchhook_%s_url', p_function), 'switchhook_functions_url', 'switchhook_functions_secret');
  if v_url is null or v_secret is null then
    return false;
  end if;
  -- This writes one row; pg_net posts after the commit. It hangs up after 5 seconds and gets on with other calls, which
  -- does not end what the function is doing.
  perform net.http_post(
    url := v_url, body := '{}'::jsonb, timeout_milliseconds := 5000,
    headers := jsonb_build_object('Content-Type', 'application/json', 'Authorization', 'Bearer ' || v_secret));
  perform set_config(v_called, 'true', true);
  return true;
exception when others then
  -- A call that is not made costs one sweep's interval; an error here would cost the caller its transaction.
  return false;
end
$$;
comment on function private.call_function(text) is
  'Has pg_net call a function after the commit, if Vault says where it is. Whether it will; never raises.';
revoke execute on function private.call_function(text) from public, anon, authenticated;
grant execute on function private.call_function(text) to service_role;

create function private.sweep() returns text[]
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_due text[];
begin
  select array_agg(f.name order by f.name) into v_due from (
    select stages.name from (values
      ('classify'::public.webhook_event_stage, 'classify'), ('prepare', 'prepare_for_rules'), ('rules', 'process_rules')) as stages (stage, name)
    where exists (select from private.owners_with_due_work(stages.stage, '00000000-0000-0000-0000-000000000000', 1))
    union all
    select 'dispatch' where exists (select from private.webhooks_with_deliveries('00000000-0000-0000-0000-000000000000', 1, true))) f;
  perform private.wake(name) from unnest(v_due) name;
  return coalesce(v_due, '{}');
end
$$;
comment on function private.sweep() is
  'Wakes the functions that have something due: what a lost call left, what is tried again, what a dead worker had leased. Their names.';
revoke execute on function private.sweep() from public, anon, authenticated;
grant execute on function private.sweep() to service_role;

create function private.delete_old_events(p_before timestamptz, p_limit integer) returns integer
language sql volatile security invoker set search_path = ''
as $$
  -- What is locked is left for the next time: nothing here waits. Bodies and logs go with their events.
  with old as (
    select e.id from public.webhook_events e
    where e.id < private.first_id_at(p_before) and e.status in ('processed', 'failed') and coalesce(e.processed_at, e.run_after) < p_before
    order by e.id limit p_limit
    for update skip locked
  ), gone as (
    delete from public.webhook_events e using old where e.id = old.id returning e.id
  )
  select count(*)::integer from gone
$$;
comment on function private.delete_old_events(timestamptz, integer) is
  'Deletes up to p_limit events that came in and were finished before a time; how many. What waits for review stays.';
revoke execute on function private.delete_old_events(timestamptz, integer) from public, anon, authenticated;
grant execute on function private.delete_old_events(timestamptz, integer) to service_role;

create function private.delete_old_published_events(p_before timestamptz, p_limit integer) returns integer
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_ids uuid[];
  v_deleted integer;
begin
  -- Locked first, so that no delivery is added meanwhile; then what has an unfinished, a recent or a locked one is left alone.
  select array_agg(old.id) into v_ids from (
    select p.id from public.published_events p
    where p.id < private.first_id_at(p_before) and not exists (
      select from public.webhook_deliveries d
      where d.published_event_id = p.id and (d.finished_at is null or d.finished_at >= p_before))
    order by p.id limit p_limit
    for update of p skip locked) old;
  delete from public.webhook_deliveries d
  where d.id in (
    select o.id from public.webhook_deliveries o
    where o.published_event_id = any (v_ids) and o.finished_at < p_before
    order by o.id
    for update skip locked);
  delete from public.published_events p
  where p.id = any (v_ids) and not exists (select from public.webhook_deliveries d where d.published_event_id = p.id);
  get diagnostics v_deleted = row_count;
  return v_deleted;
end
$$;
comment on function private.delete_old_published_events(timestamptz, integer) is
  'Deletes up to p_limit published events, with deliveries and their logs, that were made and finished before a time; how many.';
revoke execute on function private.delete_old_published_events(timestamptz, integer) from public, anon, authenticated;
grant execute on function private.delete_old_published_events(timestamptz, integer) to service_role;

create function private.delete_old(p_days integer, p_limit integer default 1000) returns jsonb
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_before timestamptz := now() - make_interval(days => p_days);
begin
  if p_days is null or p_days < 0 or p_limit is null or p_limit not between 1 and 10000 then
    raise exception 'Days are 0 (keep all) or more, the limit is 1 to 10000' using errcode = 'PT400', detail = 'WH001';
  end if;
  if p_days = 0 then
    return jsonb_build_object('events', 0, 'published_events', 0);
  end if;
  return jsonb_build_object(
    'events', private.delete_old_events(v_before, p_limit),
    'published_events', private.delete_old_published_events(v_before, p_limit));
end
$$;
comment on function private.delete_old(integer, integer) is
  'Deletes one small batch of what has been finished for p_days: events with bodies and logs, published events with deliveries and logs. How many: {events, published_events}. Called again until both are 0.';
revoke execute on function private.delete_old(integer, integer) from public, anon, authenticated;
grant execute on function private.delete_old(integer, integer) to service_role;

create function private.schedule(p_keep_days integer default null) returns jsonb
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_days integer;
begin
  if to_regclass('cron.job') is null then
    return jsonb_build_object('scheduled', false, 'reason', 'The extension pg_cron is not there', 'calls', private.functions_are_known());
  end if;
  -- What somebody chose holds until they choose again: a migration schedules without saying how long.
  v_days := coalesce(p_keep_days, private.retention(), 90);
  begin
    perform cron.schedule('switchhook-sweep', '5 seconds', 'select private.sweep()');
  exception when others then
    -- pg_cron before 1.5 knows whole minutes only.
    perform cron.schedule('switchhook-sweep', '* * * * *', 'select private.sweep()');
  end;
  perform cron.schedule('switchhook-retention', '* * * * *', format('select private.delete_old(%s)', greatest(0, v_days)));
  perform cron.schedule('switchhook-activity', '* * * * *', 'select private.count_activity()');
  perform cron.schedule('switchhook-history', '17 * * * *',
    'delete from cron.job_run_details d using cron.job j where j.jobid = d.jobid and j.jobname like ''switchhook-%'' and d.end_time < now() - interval ''1 day''');
  return jsonb_build_object('scheduled', true, 'keep_days', greatest(0, v_days), 'calls', private.functions_are_known());
exception when others then
  return jsonb_build_object('scheduled', false, 'reason', sqlerrm, 'calls', private.functions_are_known());
end
$$;
comment on function private.schedule(integer) is
  'Has pg_cron sweep every 5 seconds, count activity every minute and delete what has been finished for p_keep_days (0 keeps all; null leaves it as it is, at first 90). Call it again after enabling pg_cron. {scheduled, keep_days or reason, calls: whether pg_net and Vault are there}; never raises.';
revoke execute on function private.schedule(integer) from public, anon, authenticated;

-- Security definer: whoever is signed in may know how long things are kept, and nobody of them reads pg_cron's tables.
create function private.retention() returns integer
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_days integer;
begin
  if to_regclass('cron.job') is null then
    return null;
  end if;
  select max(substring(j.command from 'delete_old\((\d+)\)')::integer) into v_days from cron.job j where j.jobname = 'switchhook-retention';
  return v_days;
end
$$;
comment on function private.retention() is 'For how many days what has been finished is kept; 0: always; null: nothing deletes by itself.';
revoke execute on function private.retention() from public, anon;
grant execute on function private.retention() to authenticated;

create function public.get_retention() returns jsonb
language sql stable security invoker set search_path = ''
as $$
  select jsonb_build_object('keep_days', private.retention())
$$;
comment on function public.get_retention() is
  'For how long what has been finished is kept: {keep_days}; 0: always; null: nothing deletes by itself, as pg_cron is not there.';
revoke execute on function public.get_retention() from public, anon;
grant execute on function public.get_retention() to authenticated;

-- Security definer: an admin's choice is kept by pg_cron, whose tables no user may write.
create function private.set_retention(p_keep_days integer) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_told jsonb;
begin
  if not private.is_admin() then
    raise exception 'Only admins choose how long events are kept' using errcode = 'PT403', detail = 'WH006';
  end if;
  if p_keep_days is null or p_keep_days not between 0 and 3650 then
    raise exception 'Events are kept for 1 to 3650 days, or (0) always' using errcode = 'PT400', detail = 'WH001';
  end if;
  if private.retention() is null then
    raise exception 'Nothing deletes by itself here: pg_cron is not there' using errcode = 'PT409', detail = 'WH011';
  end if;
  v_told := private.schedule(p_keep_days);
  if not (v_told ->> 'scheduled')::boolean then
    raise exception 'pg_cron does not take it: %', v_told ->> 'reason' using errcode = 'PT409', detail = 'WH011';
  end if;
  return jsonb_build_object('keep_days', private.retention());
end
$$;
comment on function private.set_retention(integer) is 'See public.set_retention.';
revoke execute on function private.set_retention(integer) from public, anon;
grant execute on function private.set_retention(integer) to authenticated;

create function public.set_retention(p_keep_days integer) returns jsonb
language sql volatile security invoker set search_path = ''
as $$
  select private.set_retention(p_keep_days)
$$;
comment on function public.set_retention(integer) is
  'Chooses for how many days (1 to 3650; 0: always) what has been finished is kept. For admins, where pg_cron is there. Answers {keep_days}.';
revoke execute on function public.set_retention(integer) from public, anon;
grant execute on function public.set_retention(integer) to authenticated;

-- Where pg_cron is there already.
select private.schedule();
