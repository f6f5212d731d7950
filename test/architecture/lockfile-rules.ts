/** What the lockfile must be for a fresh machine of any kind: host-free, verifiable, complete for all platforms. */

export interface Lockfile {
  readonly packages: Readonly<Record<string, LockedPackage>>
}

interface LockedPackage {
  readonly resolved?: string
  readonly link?: boolean
  readonly integrity?: string
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export function lockfileFaults(lockfile: Lockfile): string[] {
  return Object.entries(lockfile.packages).flatMap(([path, locked]) => {
    const faults: string[] = []
    if (locked.link !== true && locked.resolved !== undefined) faults.push(`${path} names where it came from`)
    if (path.startsWith('node_modules/') && locked.link !== true && locked.integrity === undefined) {
      faults.push(`${path} has no integrity`)
    }
    for (const name of Object.keys(locked.optionalDependencies ?? {})) {
      const places = [`node_modules/${name}`, `${path}/node_modules/${name}`]
      if (!places.some((place) => place in lockfile.packages)) {
        faults.push(`${path || 'the root'} needs ${name} on some platform, but it has no entry`)
      }
    }
    return faults
  })
}
