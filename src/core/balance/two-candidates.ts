/** Two candidates at random, the better one wins: what `power-of-two` and `peak-ewma` have in common. */
import type { BalancedWorker, Candidates, Random } from './load-balancer.ts'

/** `isBetter(a, b)`: is the second strictly better? Both are different workers, each pair with the same chance. */
export function betterOfTwo(
  candidates: Candidates,
  random: Random,
  isBetter: (first: BalancedWorker, second: BalancedWorker) => boolean,
): BalancedWorker {
  const { size } = candidates
  if (size === 1) return candidates.at(0)
  const index = Math.floor(random() * size)
  const first = candidates.at(index)
  const other = Math.floor(random() * (size - 1))
  const second = candidates.at(other < index ? other : other + 1)
  return isBetter(first, second) ? second : first
}
