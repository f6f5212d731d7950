/**
 * Keys that tasks hold, for deduplication and debouncing, and dead letters. Both indexes are partial: a task without a key
 * that does not fail costs them nothing.
 *
 * `task_dedupe` is not unique: a task that is retried takes its key again, whoever holds it by then.
 * `task_failed` finds the dead letters among a million completed tasks, newest first, for lists and for retries in bulk.
 */
export const TASK_KEYS = `
alter table task add column dedupe text;

create index task_dedupe on task (namespace, dedupe, seq) where dedupe is not null;
create index task_failed on task (seq) where status = 'failed';
`
