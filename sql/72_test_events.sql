-- Trying an endpoint: nobody can read its secret back, so a test is signed with one that is good for a moment.

-- Security definer: see private.store_endpoint_secret.
create function private.lend_endpoint_secret(p_endpoint_id uuid, p_ciphertext text) returns timestamptz
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_expires_at timestamptz := now() + interval '2 minutes';
begin
  perform from public.webhook_endpoints e where e.id = p_endpoint_id and private.owns(e.created_by) for update;
  if not found then
    raise exception 'No such endpoint' using errcode = 'PT404', detail = 'WH007';
  end if;
  delete from private.endpoint_secrets s where s.endpoint_id = p_endpoint_id and s.expires_at <= now();
  if (select count(*) from private.endpoint_secrets s where s.endpoint_id = p_endpoint_id) >= 20 then
    raise exception 'There were many tests just now; wait two minutes' using errcode = 'PT429', detail = 'WH014';
  end if;
  -- Older than all, since the newest secret is the one that the source has.
  insert into private.endpoint_secrets (endpoint_id, ciphertext, created_at, expires_at)
  values (p_endpoint_id, p_ciphertext, '-infinity', v_expires_at);
  return v_expires_at;
end
$$;
comment on function private.lend_endpoint_secret(uuid, text) is 'See public.lend_endpoint_secret.';
revoke execute on function private.lend_endpoint_secret(uuid, text) from public, anon;
grant execute on function private.lend_endpoint_secret(uuid, text) to authenticated;

create function public.lend_endpoint_secret(p_endpoint_id uuid, p_secret_ciphertext text) returns jsonb
language sql volatile security invoker set search_path = ''
as $$
  select jsonb_build_object('expires_at', private.lend_endpoint_secret(p_endpoint_id, p_secret_ciphertext))
$$;
comment on function public.lend_endpoint_secret(uuid, text) is
  'Lets an encrypted secret verify at an endpoint of the caller for two minutes, beside its own, so that a test event can be signed. Answers {expires_at}.';
revoke execute on function public.lend_endpoint_secret(uuid, text) from public, anon;
grant execute on function public.lend_endpoint_secret(uuid, text) to authenticated;
