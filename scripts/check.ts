// `npm run check`: what to run before every commit. Types, lint and format, then the quick tests.

import { lintPart, printResults, runParts, testFilesOf, testPart, typesPart } from './parts.ts'

const budgetMs = 2 * 60_000

const files = testFilesOf(['src/**/*.test.ts', 'test/architecture.test.ts', 'test/contract/**/*.test.ts'])

const results = await runParts([
  typesPart,
  lintPart,
  testPart('unit, architecture and contract tests', files),
])

if (!printResults(results)) process.exitCode = 1

const tookMs = results.reduce((sum, result) => sum + result.tookMs, 0)
if (tookMs > budgetMs) {
  console.log(
    `\nThis took more than ${budgetMs / 1000} s, which is what the check may take on two quiet cores.`,
  )
}
