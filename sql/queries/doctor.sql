SELECT current_setting('server_version_num')::int,
       current_setting('synchronous_commit'),
       pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool
