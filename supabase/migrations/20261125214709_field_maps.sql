-- Written by `make migration` from sql/. Never edited once it has shipped.

set local check_function_bodies = off;

CREATE OR REPLACE FUNCTION private.check_field_maps()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
$function$;

ALTER FUNCTION "private"."check_field_maps"() OWNER TO "postgres";

CREATE TRIGGER check_changed_field_maps BEFORE UPDATE OF field_maps ON public.webhook_endpoints FOR EACH ROW WHEN ((new.field_maps IS DISTINCT FROM old.field_maps)) EXECUTE FUNCTION private.check_field_maps();

CREATE TRIGGER check_field_maps BEFORE INSERT ON public.webhook_endpoints FOR EACH ROW EXECUTE FUNCTION private.check_field_maps();

COMMENT ON FUNCTION "private"."check_field_maps"() IS 'Refuses an endpoint whose field maps fill columns that their types do not have.';

REVOKE ALL ON FUNCTION "private"."check_field_maps"() FROM PUBLIC;
