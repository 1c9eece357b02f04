-- NULL leaves a value as it is.
UPDATE organisations
SET consent_required = coalesce($1, consent_required),
    consent_version = coalesce($2, consent_version),
    show_watchers = coalesce($3, show_watchers)
WHERE id = fynq.org_i_run()
RETURNING id, consent_required, consent_version, show_watchers
