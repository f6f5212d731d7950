/** Types of install-lock.mjs, which is plain JavaScript. */
export class InstallLockError extends Error {}

export interface InstallLock {
  addProcess(pid: number): void
  release(): void
}

export function acquireInstallLock(folder: string): Promise<InstallLock>
