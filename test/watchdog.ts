// Loaded into every test process. `--test-timeout` fails a test that hangs, but the process then lives on for as long
// as something keeps it alive (a timer, a socket, a child). This ends it and says what it was.

const limitMs = 10 * 60_000

const timer = setTimeout(() => {
  const resources = process.getActiveResourcesInfo().join(', ')
  console.error(
    `${process.argv[1]} still runs after ${limitMs / 60_000} minutes, kept alive by: ${resources}`,
  )
  process.exit(1)
}, limitMs)
timer.unref()
