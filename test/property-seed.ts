// Loaded into every test process: repeats a property test that failed, such as one in CI.
//
//   PROPERTY_SEED=42 npm test -- kernel/crash --test-name-pattern='race'
//   PROPERTY_SEED=42 PROPERTY_PATH=17:0:3 npm test -- kernel/crash --test-name-pattern='race'
//
// fast-check prints both with the counterexample. The path leads to that one at once, so it fits one property only.

const { PROPERTY_SEED: seed, PROPERTY_PATH: path } = process.env

if (seed !== undefined) {
  if (!Number.isSafeInteger(Number(seed))) throw new Error(`PROPERTY_SEED is '${seed}', not a whole number`)
  const { default: fc } = await import('fast-check')
  fc.configureGlobal({ seed: Number(seed), ...(path === undefined ? {} : { path }) })
}

export {}
