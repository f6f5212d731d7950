/**
 * What is open in a namespace can be counted up to a bound: for quotas. A partial index has what is open and nothing else. What
 * waits is counted in `task_waiting`.
 */
export const OPEN_COUNTS = `
create index execution_open on execution (namespace) where status in ('running', 'parked');
create index task_delayed on task (namespace) where status = 'delayed';
`
