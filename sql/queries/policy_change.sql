-- NULL leaves a value as it is; of the age, which may be NULL itself, $4 says whether it is set.
UPDATE organisations
SET consent_required = coalesce($1, consent_required),
    consent_version = coalesce($2, consent_version),
    show_watchers = coalesce($3, show_watchers),
    consent_below = CASE WHEN $4 THEN $5 ELSE consent_below END
WHERE id = fynq.org_i_run()
RETURNING id, consent_required, consent_below, consent_version, show_watchers
