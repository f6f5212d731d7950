import { UsageError } from './usage-error.ts'

/** @throws UsageError if it is not a URL that a command can connect to; the message shows no password */
export function checkedEngineUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed !== undefined && (parsed.username !== '' || parsed.password !== ''))
    throw new UsageError(
      'the URL of the engine holds a user or a password',
      'Credentials are an API key or token: --token-file, PERDURE_TOKEN, or a profile.',
    )
  if (parsed === undefined || !/^wss?:$/.test(parsed.protocol))
    throw new UsageError(`--url ${url} is not a URL like ws://127.0.0.1:7233`)
  return url
}
