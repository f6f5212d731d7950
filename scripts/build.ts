// `npm run build`: makes dist/ from src/ and checks the package as npm would publish it.

import { chmodSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import manifest from '../package.json' with { type: 'json' }
import { printResults, root, runParts, typesPart } from './parts.ts'

rmSync(join(root, 'dist'), { recursive: true, force: true })

const buildConfig = join(root, 'scripts', 'tsconfig.build.json')
const compile = { name: 'compile', args: [...typesPart.args, '--project', buildConfig] }
if (!printResults(await runParts([compile]))) process.exit(1)

for (const file of Object.values(manifest.bin)) {
  const path = join(root, file)
  if (existsSync(path)) chmodSync(path, 0o755)
}

const { messages } = await publint({ pkgDir: root, level: 'warning', strict: true, pack: 'npm' })
for (const message of messages) {
  console.error(`${message.type}: ${formatMessage(message, manifest, { color: false }) ?? message.code}`)
}
if (messages.length > 0) process.exit(1)
console.log('dist/ is built, and publint finds no fault.')
