-- A mark may say that somebody has dealt with what was signalled: until then everybody was told of it, and what
-- was said before then is told no more.
ALTER TABLE public.signal_marks ADD COLUMN dealt_at timestamptz;
GRANT UPDATE (dealt_at) ON public.signal_marks TO fynq_user;
-- A session that wakes hears its old questions again.
GRANT SELECT ON public.signal_marks TO fynq_task;
CREATE POLICY woken ON public.signal_marks FOR SELECT TO fynq_task USING (true);
