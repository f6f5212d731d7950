/** Checks of the options of policies. They throw a RangeError that says which option of what is wrong. */

export function positive(owner: string, option: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value)))
    throw new RangeError(`${owner}: ${option} is ${value}; give a finite number above 0`)
}

export function notNegative(owner: string, option: string, value: number): void {
  if (!(value >= 0 && Number.isFinite(value)))
    throw new RangeError(`${owner}: ${option} is ${value}; give a finite number of 0 or more`)
}
