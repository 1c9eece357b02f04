-- Whoever is a student of a class shows its tutors all their sessions. A tutor sees the staff of the
-- organisation, and could make students of them: only those whom one teaches already may be added as that,
-- and by an admin anybody. Staff who want to learn join with the code, as `fynq_door`.
ALTER POLICY added ON public.class_members WITH CHECK (
    (
        class_id IN (SELECT fynq.classes_i_teach())
        OR class_id IN (SELECT c.id FROM public.classes c WHERE c.org_id = (SELECT fynq.org_i_run()))
    )
    AND user_id IN (SELECT u.id FROM public.users u WHERE u.org_id = (SELECT fynq.my_org()))
    AND (
        member_as = 'tutor'
        OR (SELECT fynq.org_i_run()) IS NOT NULL
        OR user_id IN (SELECT fynq.students_i_teach())
    )
);
