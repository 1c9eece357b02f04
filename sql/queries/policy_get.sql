SELECT id, consent_required, consent_below, consent_version, show_watchers
FROM organisations
WHERE id = fynq.org_i_run()
