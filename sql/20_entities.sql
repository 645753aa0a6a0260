-- What an event becomes: people, records of the shipped entity types, and what hangs on them.
-- `entities` indexes every record of every type; a typed row shares its id, so tags, roles and links work for all types.
-- Foreign keys to people and entities carry the owner: a row can not point into another tenant. So do keys that are made of
-- them: a conflict would tell of another tenant's row.

create table public.entities (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  entity_table text not null,
  created_at timestamptz not null default now(),
  constraint entities_user_id_id_key unique (user_id, id)
);
comment on table public.entities is 'One row for every record of every entity type, under the id of the typed row.';
comment on column public.entities.entity_table is 'Name of the entity type.';
alter table public.entities enable row level security;
create policy "owners and admins manage entities" on public.entities for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.entities from public, anon, authenticated, service_role;
grant select, insert, update, delete on table public.entities to authenticated, service_role;

create function private.register_entity() returns trigger
language plpgsql security invoker set search_path = ''
as $$
begin
  insert into public.entities (id, user_id, entity_table) values (new.id, new.user_id, tg_argv[0]) on conflict (id) do nothing;
  return new;
end
$$;
comment on function private.register_entity() is 'Gives a row of a typed table its row in public.entities. Argument: the entity type''s name.';
revoke execute on function private.register_entity() from public;

create function private.unregister_entity() returns trigger
language plpgsql security invoker set search_path = ''
as $$
begin
  delete from public.entities e where e.id = old.id;
  return null;
end
$$;
comment on function private.unregister_entity() is 'Takes a deleted typed row out of public.entities too.';
revoke execute on function private.unregister_entity() from public;

create table public.people (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid(),
  endpoint_id uuid,
  kind text not null default 'person' constraint kinds_are_known check (kind in ('person', 'automated')),
  email text,
  phone text,
  name text,
  first_name text,
  last_name text,
  company text,
  title text,
  external_id text,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint people_user_id_id_key unique (user_id, id),
  constraint people_entity_fkey foreign key (user_id, id) references public.entities (user_id, id) on delete cascade,
  constraint people_endpoint_fkey foreign key (endpoint_id, user_id)
    references public.webhook_endpoints (id, created_by) on delete set null (endpoint_id)
);
comment on table public.people is 'People, and automated senders, found or made from events.';
comment on column public.people.endpoint_id is 'The endpoint that external_id comes from; without one, the endpoint that first told of this person.';
-- What is asked for comes first, see private.find_person.
create unique index people_email_idx on public.people (lower(email), user_id);
create index people_phone_idx on public.people (phone, user_id) where phone is not null;
create index people_external_id_idx on public.people (endpoint_id, user_id, external_id);

create table public.influencers (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid(),
  external_id text,
  name text,
  handle text,
  platform text,
  email text,
  followers integer,
  profile_url text,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint influencers_entity_fkey foreign key (user_id, id) references public.entities (user_id, id) on delete cascade
);
comment on table public.influencers is 'Creators and partners who promote the owner''s brand.';
create index influencers_user_id_idx on public.influencers (user_id, id);
create index influencers_handle_idx on public.influencers (user_id, handle, platform);

create table public.subscriptions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid(),
  external_id text,
  customer_external_id text,
  customer_email text,
  plan text,
  status text,
  amount numeric,
  currency text,
  current_period_end timestamptz,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint subscriptions_entity_fkey foreign key (user_id, id) references public.entities (user_id, id) on delete cascade
);
comment on table public.subscriptions is 'Recurring plans of customers.';
comment on column public.subscriptions.amount is 'In whole units of the currency, not in cents.';
create index subscriptions_user_id_idx on public.subscriptions (user_id, id);
create index subscriptions_external_id_idx on public.subscriptions (user_id, external_id);

create table public.orders (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid(),
  external_id text,
  order_number text,
  customer_email text,
  status text,
  total numeric,
  currency text,
  ordered_at timestamptz,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint orders_entity_fkey foreign key (user_id, id) references public.entities (user_id, id) on delete cascade
);
comment on table public.orders is 'Purchases.';
comment on column public.orders.total is 'In whole units of the currency, not in cents.';
create index orders_user_id_idx on public.orders (user_id, id);
create index orders_external_id_idx on public.orders (user_id, external_id);

create table public.invoices (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid(),
  external_id text,
  number text,
  customer_email text,
  status text,
  amount numeric,
  currency text,
  issued_at timestamptz,
  due_at timestamptz,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint invoices_entity_fkey foreign key (user_id, id) references public.entities (user_id, id) on delete cascade
);
comment on table public.invoices is 'Bills, sent or received.';
comment on column public.invoices.amount is 'In whole units of the currency, not in cents.';
create index invoices_user_id_idx on public.invoices (user_id, id);
create index invoices_external_id_idx on public.invoices (user_id, external_id);

create table private.ticket_counters (
  user_id uuid not null references auth.users (id) on delete cascade,
  year integer not null,
  last_number integer not null,
  primary key (user_id, year)
);
comment on table private.ticket_counters is 'The last ticket number given, per user and year.';
alter table private.ticket_counters enable row level security;
revoke all on table private.ticket_counters from public, anon, authenticated, service_role;

create table public.tickets (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid(),
  external_id text,
  ticket_number text not null,
  subject text,
  message text,
  status text not null default 'new',
  priority text not null default 'medium' constraint priorities_are_known check (priority in ('low', 'medium', 'high', 'urgent')),
  category text,
  customer_email text,
  customer_name text,
  url text,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint tickets_ticket_number_key unique (user_id, ticket_number),
  constraint tickets_entity_fkey foreign key (user_id, id) references public.entities (user_id, id) on delete cascade
);
comment on table public.tickets is 'Support requests. ticket_number (TKT-2026-001) is given by the database where the source has none, or one that is taken.';
create index tickets_user_id_idx on public.tickets (user_id, id);
create index tickets_external_id_idx on public.tickets (user_id, external_id);

-- Security definer: numbering writes a private counter for whoever inserts the ticket.
create function private.complete_ticket() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  v_year integer := extract(year from now());
  v_number integer;
begin
  new.status := coalesce(new.status, 'new');
  new.priority := coalesce(new.priority, 'medium');
  -- A number that a source gave may be one that was given here, and the other way round.
  while new.ticket_number is null
    or exists (select from public.tickets t where t.user_id = new.user_id and t.ticket_number = new.ticket_number)
  loop
    insert into private.ticket_counters as c (user_id, year, last_number) values (new.user_id, v_year, 1)
    on conflict (user_id, year) do update set last_number = c.last_number + 1
    returning last_number into v_number;
    new.ticket_number := format('TKT-%s-%s', v_year, lpad(v_number::text, greatest(3, length(v_number::text)), '0'));
  end loop;
  return new;
end
$$;
comment on function private.complete_ticket() is 'Fills in what a source may leave out: status, priority and the ticket number.';
revoke execute on function private.complete_ticket() from public;
create trigger complete_ticket before insert on public.tickets
  for each row execute function private.complete_ticket();

create trigger register_entity before insert on public.people for each row execute function private.register_entity('person');
create trigger register_entity before insert on public.influencers for each row execute function private.register_entity('influencer');
create trigger register_entity before insert on public.subscriptions for each row execute function private.register_entity('subscription');
create trigger register_entity before insert on public.orders for each row execute function private.register_entity('order');
create trigger register_entity before insert on public.invoices for each row execute function private.register_entity('invoice');
create trigger register_entity before insert on public.tickets for each row execute function private.register_entity('ticket');

create trigger unregister_entity after delete on public.people for each row execute function private.unregister_entity();
create trigger unregister_entity after delete on public.influencers for each row execute function private.unregister_entity();
create trigger unregister_entity after delete on public.subscriptions for each row execute function private.unregister_entity();
create trigger unregister_entity after delete on public.orders for each row execute function private.unregister_entity();
create trigger unregister_entity after delete on public.invoices for each row execute function private.unregister_entity();
create trigger unregister_entity after delete on public.tickets for each row execute function private.unregister_entity();

create trigger touch_updated_at before update on public.people for each row execute function private.touch_updated_at();
create trigger touch_updated_at before update on public.influencers for each row execute function private.touch_updated_at();
create trigger touch_updated_at before update on public.subscriptions for each row execute function private.touch_updated_at();
create trigger touch_updated_at before update on public.orders for each row execute function private.touch_updated_at();
create trigger touch_updated_at before update on public.invoices for each row execute function private.touch_updated_at();
create trigger touch_updated_at before update on public.tickets for each row execute function private.touch_updated_at();

alter table public.people enable row level security;
alter table public.influencers enable row level security;
alter table public.subscriptions enable row level security;
alter table public.orders enable row level security;
alter table public.invoices enable row level security;
alter table public.tickets enable row level security;

create policy "owners and admins manage people" on public.people for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins manage influencers" on public.influencers for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins manage subscriptions" on public.subscriptions for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins manage orders" on public.orders for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins manage invoices" on public.invoices for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins manage tickets" on public.tickets for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));

revoke all on table public.people, public.influencers, public.subscriptions, public.orders, public.invoices, public.tickets
  from public, anon, authenticated, service_role;
grant select, insert, update, delete
  on table public.people, public.influencers, public.subscriptions, public.orders, public.invoices, public.tickets
  to authenticated, service_role;

create table public.people_entities (
  user_id uuid not null default auth.uid(),
  person_id uuid not null,
  entity_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (user_id, person_id, entity_id),
  constraint people_entities_person_fkey foreign key (user_id, person_id) references public.people (user_id, id) on delete cascade,
  constraint people_entities_entity_fkey foreign key (user_id, entity_id) references public.entities (user_id, id) on delete cascade
);
comment on table public.people_entities is 'Which person a record belongs to.';
create index people_entities_entity_idx on public.people_entities (user_id, entity_id);

create table public.entity_tags (
  user_id uuid not null default auth.uid(),
  entity_id uuid not null,
  tag text not null constraint tags_are_short check (length(tag) between 1 and 100),
  created_at timestamptz not null default now(),
  primary key (user_id, entity_id, tag),
  constraint entity_tags_entity_fkey foreign key (user_id, entity_id) references public.entities (user_id, id) on delete cascade
);
comment on table public.entity_tags is 'Tags on any record, people among them.';

create table public.entity_roles (
  user_id uuid not null default auth.uid(),
  entity_id uuid not null,
  role text not null constraint roles_are_short check (length(role) between 1 and 100),
  created_at timestamptz not null default now(),
  primary key (user_id, entity_id, role),
  constraint entity_roles_entity_fkey foreign key (user_id, entity_id) references public.entities (user_id, id) on delete cascade
);
comment on table public.entity_roles is 'Roles of any record, such as customer or lead.';

alter table public.people_entities enable row level security;
alter table public.entity_tags enable row level security;
alter table public.entity_roles enable row level security;
create policy "owners and admins manage links" on public.people_entities for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins manage tags" on public.entity_tags for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
create policy "owners and admins manage roles" on public.entity_roles for all to authenticated
  using (user_id = (select auth.uid()) or (select private.is_admin()))
  with check (user_id = (select auth.uid()) or (select private.is_admin()));
revoke all on table public.people_entities, public.entity_tags, public.entity_roles from public, anon, authenticated, service_role;
grant select, insert, update, delete on table public.people_entities, public.entity_tags, public.entity_roles
  to authenticated, service_role;
