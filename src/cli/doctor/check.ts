/** One thing that doctor looked at. */
export interface Check {
  readonly name: string
  /** `note`: nothing is wrong, but somebody may want to know. */
  readonly level: 'ok' | 'note' | 'problem'
  readonly says: string
  readonly advice?: string
}

export const ok = (name: string, says: string): Check => ({ name, level: 'ok', says })
export const note = (name: string, says: string, advice?: string): Check => ({
  name,
  level: 'note',
  says,
  ...(advice === undefined ? {} : { advice }),
})
export const problem = (name: string, says: string, advice: string): Check => ({
  name,
  level: 'problem',
  says,
  advice,
})
