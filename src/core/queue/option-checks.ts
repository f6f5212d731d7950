/** Checks of the options of policies. They throw a RangeError that says which option of what is wrong. */

export function positive(owner: string, option: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value)))
    throw new RangeError(`${owner}: ${option} is ${value}; give a finite number above 0`)
}

/** With bounds that keep what follows from the option finite, and exact enough to order tasks by it. */
export function within(
  owner: string,
  option: string,
  value: number,
  { least, most }: { readonly least: number; readonly most: number },
): void {
  if (!(value >= least && value <= most))
    throw new RangeError(`${owner}: ${option} is ${value}; give a number from ${least} to ${most}`)
}
