// An engine in a process of its own with schedules of a second. Arguments: the file, how many schedules.
// It says `started` when they are there, and runs until it is killed.
import { createEngine, silentLogger, workflow } from '../../src/index.ts'

const [file = '', schedules = '0'] = process.argv.slice(2)
const ticking = workflow({
  name: 'ticking',
  run: async (ctx, name: string) => ctx.step('tick', () => name),
})
const engine = await createEngine({ store: `sqlite:${file}`, workflows: [ticking], logger: silentLogger })
for (let i = 0; i < Number(schedules); i++) {
  await engine.schedules.create(
    `s${i}`,
    { every: '1s' },
    { workflow: ticking, input: `s${i}`, overlap: 'allow', catchUp: '1h', onConflict: 'update' },
  )
}
process.stdout.write('started\n')
