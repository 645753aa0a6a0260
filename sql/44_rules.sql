-- Automation rules, and the tables that only their actions write to.

create table public.entity_automation_rules (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  entity_table text not null,
  name text not null constraint names_are_short check (length(name) between 1 and 200),
  description text,
  condition text not null default '' constraint conditions_are_bounded check (length(condition) <= 2000),
  priority integer not null default 100,
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint entity_automation_rules_user_id_id_key unique (user_id, id)
);
comment on table public.entity_automation_rules is 'What to do with every event of an entity type. Rules with a lower priority number run first, of two with the same the older.';
comment on column public.entity_automation_rules.condition is 'CEL over event, person, entity and endpoint; empty means always.';
create index entity_automation_rules_active_idx on public.entity_automation_rules (user_id, entity_table) where is_active;

create trigger touch_updated_at before update on public.entity_automation_rules
  for each row execute function private.touch_updated_at();
alter table public.entity_automation_rules enable row level security;
create policy "owners and admins manage rules" on public.entity_automation_rules for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));

create table public.entity_rule_actions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid(),
  rule_id uuid not null,
  position integer not null,
  action_type text not null constraint action_types_are_names check (action_type ~ '^[a-z_]{1,50}$'),
  action_config jsonb not null default '{}' constraint action_configs_are_a_small_shallow_object
    check (jsonb_typeof(action_config) = 'object' and not jsonb_path_exists(action_config, '$.**{8}') and pg_column_size(action_config) <= 65536),
  constraint entity_rule_actions_rule_id_position_key unique (rule_id, position) deferrable initially deferred,
  constraint entity_rule_actions_rule_fkey foreign key (user_id, rule_id)
    references public.entity_automation_rules (user_id, id) on delete cascade
);
comment on table public.entity_rule_actions is 'The actions of a rule, in order of position.';
create index entity_rule_actions_rule_idx on public.entity_rule_actions (user_id, rule_id);
alter table public.entity_rule_actions enable row level security;
create policy "owners and admins manage rule actions" on public.entity_rule_actions for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));

revoke all on table public.entity_automation_rules, public.entity_rule_actions from public, anon, authenticated, service_role;
grant select, insert, update, delete on table public.entity_automation_rules, public.entity_rule_actions to authenticated, service_role;

create function public.save_rule(p_rule_id uuid, p_rule text) returns jsonb
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  v_new jsonb := p_rule::jsonb;
  v_rule public.entity_automation_rules;
  v_table text;
  v_problem text;
begin
  if p_rule_id is null then
    insert into public.entity_automation_rules (entity_table, name, description, condition, priority, is_active)
    select r.entity_table, r.name, r.description, coalesce(r.condition, ''), coalesce(r.priority, 100), coalesce(r.is_active, true)
    from jsonb_populate_record(null::public.entity_automation_rules, v_new) r
    returning * into v_rule;
  else
    update public.entity_automation_rules t
    set entity_table = r.entity_table, name = r.name, description = r.description, condition = coalesce(r.condition, ''),
      priority = coalesce(r.priority, 100), is_active = coalesce(r.is_active, true)
    from jsonb_populate_record(null::public.entity_automation_rules, v_new) r
    where t.id = p_rule_id
    returning t.* into v_rule;
    if v_rule.id is null then
      raise exception 'No such rule' using errcode = 'PT404', detail = 'WH007';
    end if;
  end if;
  v_table := (private.entity_type(v_rule.user_id, v_rule.entity_table)).target_table;
  select p.problem into v_problem
  from jsonb_array_elements(v_new -> 'actions') with ordinality as i (value, position)
  cross join lateral (select private.no_such_field(v_table, i.value #>> '{action_config,field}') as problem) p
  where i.value ->> 'action_type' = 'set_field' and p.problem is not null
  order by i.position limit 1;
  if v_problem is not null then
    raise exception '%', v_problem using errcode = 'PT400', detail = 'WH001';
  end if;
  -- An action keeps its id, by which it is known what has already been done for an event.
  delete from public.entity_rule_actions a
  where a.rule_id = v_rule.id
    and a.id not in (select i.id from jsonb_to_recordset(v_new -> 'actions') as i (id uuid) where i.id is not null);
  update public.entity_rule_actions a
  set position = i.position, action_type = i.value ->> 'action_type', action_config = coalesce(i.value -> 'action_config', '{}')
  from jsonb_array_elements(v_new -> 'actions') with ordinality as i (value, position)
  where a.rule_id = v_rule.id and a.id = (i.value ->> 'id')::uuid;
  insert into public.entity_rule_actions (user_id, rule_id, position, action_type, action_config)
  select v_rule.user_id, v_rule.id, i.position, i.value ->> 'action_type', coalesce(i.value -> 'action_config', '{}')
  from jsonb_array_elements(v_new -> 'actions') with ordinality as i (value, position)
  where not exists (select from public.entity_rule_actions a where a.rule_id = v_rule.id and a.id = (i.value ->> 'id')::uuid);
  return to_jsonb(v_rule) || jsonb_build_object('actions', coalesce((
    select jsonb_agg(jsonb_build_object('id', a.id, 'action_type', a.action_type, 'action_config', a.action_config) order by a.position)
    from public.entity_rule_actions a where a.rule_id = v_rule.id), '[]'));
end
$$;
comment on function public.save_rule(uuid, text) is
  'Makes (p_rule_id null) or replaces a rule of the caller with its actions, at once. p_rule: JSON {entity_table, name, description, condition, priority, is_active, actions[{id?, action_type, action_config}]}. A set_field of a field that no rule may set is refused.';
revoke execute on function public.save_rule(uuid, text) from public, anon;
grant execute on function public.save_rule(uuid, text) to authenticated;

create table public.notifications (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  webhook_event_id uuid references public.webhook_events (id) on delete set null,
  title text not null,
  body text,
  read_at timestamptz,
  created_at timestamptz not null default now()
);
comment on table public.notifications is 'Messages to users of the console.';
create index notifications_user_id_idx on public.notifications (user_id, created_at desc);
create index notifications_webhook_event_id_idx on public.notifications (webhook_event_id);
alter table public.notifications enable row level security;
create policy "owners and admins manage notifications" on public.notifications for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));

create table public.chat_messages (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  webhook_event_id uuid,
  entity_id uuid,
  person_id uuid,
  conversation_id text,
  external_id text,
  direction text not null default 'inbound' constraint directions_are_known check (direction in ('inbound', 'outbound')),
  sender text,
  content text not null,
  created_at timestamptz not null default now(),
  constraint chat_messages_webhook_event_fkey foreign key (user_id, webhook_event_id)
    references public.webhook_events (user_id, id) on delete set null (webhook_event_id),
  constraint chat_messages_entity_fkey foreign key (user_id, entity_id)
    references public.entities (user_id, id) on delete set null (entity_id),
  constraint chat_messages_person_fkey foreign key (user_id, person_id)
    references public.people (user_id, id) on delete set null (person_id)
);
comment on table public.chat_messages is 'Messages of conversations, as sources told of them.';
create index chat_messages_conversation_idx on public.chat_messages (user_id, conversation_id, created_at);
create index chat_messages_entity_idx on public.chat_messages (user_id, entity_id);
create index chat_messages_person_idx on public.chat_messages (user_id, person_id);
create index chat_messages_webhook_event_idx on public.chat_messages (user_id, webhook_event_id);
alter table public.chat_messages enable row level security;
create policy "owners and admins manage chat messages" on public.chat_messages for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));

revoke all on table public.notifications, public.chat_messages from public, anon, authenticated, service_role;
grant select, delete, update (read_at) on table public.notifications to authenticated;
grant select, insert, update, delete on table public.chat_messages to authenticated;
grant select, insert, update, delete on table public.notifications, public.chat_messages to service_role;
