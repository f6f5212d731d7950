/** `perdure completion`, in the real shells. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { COMMANDS } from '../../src/cli/program.ts'
import { debianProgram } from '../debian-program.ts'
import { perdure, temporaryDirectory } from './store-fixture.ts'

const zsh = debianProgram('/usr/bin/zsh', 'zsh')
const fish = debianProgram('/usr/bin/fish', 'fish')
const directory = temporaryDirectory()
before(async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout, stderr } = await perdure(['completion', shell])
    assert.equal(code, 0, stderr)
    writeFileSync(join(directory.path, `perdure.${shell}`), stdout)
  }
  writeFileSync(join(directory.path, 'my orders.db'), '')
  mkdirSync(join(directory.path, 'keys'))
})
after(() => directory.remove())

function run(program: string, args: readonly string[]): string {
  const env = { PATH: process.env.PATH, HOME: directory.path, TERM: 'dumb', LC_ALL: 'C.UTF-8' }
  const { stdout, stderr, status, error } = spawnSync(program, args, {
    cwd: directory.path,
    env,
    encoding: 'utf8',
    timeout: 60_000,
  })
  assert.equal(status, 0, `${error?.message ?? ''}${stderr}`)
  assert.equal(stderr, '')
  return stdout
}

const listOptions = Object.keys(COMMANDS.find(({ name }) => name === 'list')?.options ?? {})

function inBash(words: readonly string[]): string[] {
  const line = words.map((word) => `'${word}'`).join(' ')
  const script = `source perdure.bash; COMP_WORDS=(perdure ${line}); COMP_CWORD=${words.length}; _perdure; printf '%s\\n' "\${COMPREPLY[@]}"`
  return run('/bin/bash', ['--norc', '-c', script])
    .split('\n')
    .filter((each) => each !== '')
}

describe('bash', () => {
  test('commands, options, actions and files', () => {
    assert.deepEqual(
      inBash(['']).toSorted(),
      [...COMMANDS.map(({ name }) => name), 'help', '--help', '--version'].toSorted(),
    )
    assert.deepEqual(inBash(['li']), ['list'])
    assert.deepEqual(
      inBash(['list', '--']),
      listOptions.map((name) => `--${name}`),
    )
    assert.deepEqual(inBash(['list', '--sta']), ['--status'])
    assert.deepEqual(inBash(['queues', 'pa']), ['pause'])
    assert.deepEqual(inBash(['access', 'ro']), ['roles'])
    assert.deepEqual(inBash(['access', 'keys', 'r']), ['rotate', 'revoke'])
    assert.deepEqual(inBash(['access', 'policies', 'put', 'night', 'my']), ['my orders.db'])
    assert.deepEqual(inBash(['completion', '']), ['bash', 'zsh', 'fish'])
    assert.deepEqual(inBash(['help', 'dev']), ['dev'])
    assert.deepEqual(inBash(['list', '--store', 'my']), ['my orders.db'])
    assert.deepEqual(inBash(['doctor', 'ke']), ['keys'])
    assert.deepEqual(inBash(['list', '--limit', '']), [])
    assert.deepEqual(inBash(['frobnicate', '']), [])
  })

  test('it is registered for perdure', () => {
    assert.equal(
      run('/bin/bash', ['--norc', '-c', 'source perdure.bash; complete -p perdure']),
      'complete -F _perdure perdure\n',
    )
  })
})

describe('fish', { skip: 'missing' in fish && fish.missing }, () => {
  const inFish = (line: string): string[] =>
    run('/usr/bin/fish', ['--no-config', '-c', `source perdure.fish; complete -C '${line}'`])
      .split('\n')
      .flatMap((each) => (each === '' ? [] : [each.split('\t')[0] ?? '']))

  test('commands, options, actions and files', () => {
    assert.deepEqual(inFish('perdure ').toSorted(), [...COMMANDS.map(({ name }) => name), 'help'].toSorted())
    assert.deepEqual(inFish('perdure li'), ['list'])
    assert.deepEqual(inFish('perdure list --').toSorted(), listOptions.map((name) => `--${name}`).toSorted())
    assert.deepEqual(inFish('perdure queues pa'), ['pause'])
    assert.deepEqual(inFish('perdure access keys r').toSorted(), ['revoke', 'rotate'])
    assert.deepEqual(inFish('perdure help de').toSorted(), ['delete', 'dev'])
    assert.deepEqual(inFish('perdure list --store my'), ['my orders.db'])
    assert.deepEqual(inFish('perdure list --limit '), [])
  })
})

describe('zsh', { skip: 'missing' in zsh && zsh.missing }, () => {
  /** What stands on the line after the key: completion works in a terminal only. */
  function inZsh(line: string): string {
    const script = `
      zmodload zsh/zpty
      zpty shell zsh -f -i
      zpty -w shell "PS1=; autoload -Uz compinit; compinit -u -D; source perdure.zsh; unsetopt beep"
      zpty -w shell "show() { print -r -- \\"[[\\$BUFFER]]\\"; exit }; zle -N show; bindkey '^X' show"
      # Said by the line editor itself: what is typed before it reads may be lost.
      zpty -w shell "zle-line-init() { print -r -- rea''dy }; zle -N zle-line-init"
      zpty -r shell seen '*ready*'
      zpty -w -n shell ${JSON.stringify(line)}$'\\t\\030'
      zpty -r shell seen '*\\]\\]*'
      print -r -- "$seen"`
    const seen = run('/usr/bin/zsh', ['-f', '-c', script])
    return /\[\[([^\]]*)\]\]/.exec(seen)?.[1] ?? seen
  }

  test('commands, options, actions and files', () => {
    assert.equal(inZsh('perdure hist'), 'perdure history ')
    assert.equal(inZsh('perdure list --statu'), 'perdure list --status ')
    assert.equal(inZsh('perdure queues pa'), 'perdure queues pause ')
    assert.equal(inZsh('perdure access keys rot'), 'perdure access keys rotate ')
    assert.equal(inZsh('perdure access roles g'), 'perdure access roles give ')
    assert.equal(inZsh('perdure list --store my'), 'perdure list --store my\\ orders.db ')
    assert.equal(inZsh('perdure doctor ke'), 'perdure doctor keys/')
  })
})

test('another shell is told which there are', async () => {
  const { code, stderr } = await perdure(['completion', 'tcsh'])
  assert.equal(code, 2)
  assert.match(stderr, /there is no completion for 'tcsh'\nThere is one for bash, zsh, fish\./)
})
