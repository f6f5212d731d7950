/** How a task tells its parent something before it has its answer. */
export type Say = (note: string, content?: object) => void
