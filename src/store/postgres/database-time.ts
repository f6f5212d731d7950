/** SQL: ms since 1970, by the clock of the database, when it is evaluated. */
export const DATABASE_MS = '(extract(epoch from clock_timestamp()) * 1000)::int8'
