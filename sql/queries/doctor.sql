SELECT current_setting('server_version_num')::int,
       current_setting('synchronous_commit'),
       pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool,
       -- Whether a statement outside of every role's transaction would see what nobody may.
       r.rolsuper OR r.rolbypassrls OR r.rolinherit AND coalesce(
           (SELECT c.relowner = r.oid FROM pg_class c WHERE c.oid = to_regclass('public.users')), false)
FROM pg_roles r WHERE r.rolname = current_user
