"""Who may do what in a database, from the catalogue: all of it, so that two databases can be compared."""

from __future__ import annotations

from tests.database.rpcs import Connection

SCHEMAS = ("public", "private")

_RIGHTS = """
with schemas as (select oid, nspname from pg_namespace where nspname = any (%(schemas)s)),
rights (subject, owner, acl) as (
  select format('schema %%s', nspname), nspowner, coalesce(nspacl, acldefault('n', nspowner))
  from pg_namespace where nspname = any (%(schemas)s || array['auth', 'extensions'])
  union all
  select format('relation %%s', c.oid::regclass), c.relowner,
    coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))
  from pg_class c join schemas s on s.oid = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  union all
  select format('row security of %%s is %%s', c.oid::regclass, c.relrowsecurity), c.relowner, '{}'
  from pg_class c join schemas s on s.oid = c.relnamespace where c.relkind in ('r', 'p')
  union all
  select format('column %%s.%%s', c.oid::regclass, a.attname), c.relowner, a.attacl
  from pg_attribute a join pg_class c on c.oid = a.attrelid join schemas s on s.oid = c.relnamespace
  where a.attacl is not null
  union all
  select format('function %%s', p.oid::regprocedure), p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
  from pg_proc p join schemas s on s.oid = p.pronamespace
  union all
  select format('type %%s', t.oid::regtype), t.typowner, coalesce(t.typacl, acldefault('T', t.typowner))
  from pg_type t join schemas s on s.oid = t.typnamespace where t.typtype in ('e', 'd', 'r')
  union all
  select format('default in %%s for %%s', coalesce(defaclnamespace::regnamespace::text, 'all'), defaclobjtype),
    defaclrole, defaclacl
  from pg_default_acl
)
select subject || ' of ' || owner::regrole as subject,
  array(select item::text from unnest(acl) item order by 1) as acl
from rights
"""


def rights(database: Connection) -> dict[str, list[str]]:
    """By object and owner: what it grants to whom, as PostgreSQL writes it down."""
    rows = database.execute(_RIGHTS, {"schemas": list(SCHEMAS)}).fetchall()
    return {row["subject"]: row["acl"] for row in rows}
