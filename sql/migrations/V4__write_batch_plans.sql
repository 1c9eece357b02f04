-- The plans of the writer's batch are made once for each connection. The planner cannot know how many
-- rows an array holds, takes plans made for the arrays of the moment to be cheaper, and would make
-- seven of them for every batch: that was half of what a batch cost. And a plan made while the tables
-- were still empty reads them from end to end until statistics come. All rows are found by their key.
ALTER FUNCTION write_batch SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION write_batch SET enable_seqscan = off;
ALTER FUNCTION write_batch SET enable_hashjoin = off;
ALTER FUNCTION write_batch SET enable_mergejoin = off;
