/** Rich enough that the bank never refuses to take out; every fourth account takes nothing in. */
export const accounts = Array.from({ length: 12 }, (_, number) => ({
  name: `account-${number}`,
  balanceCents: 1_000_000_000,
  isOpen: number % 4 !== 3,
}))
