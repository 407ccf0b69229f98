import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Demos side by side in one checkout; more are a mistake. */
const FOLDERS_MAX = 16

/**
 * An empty folder `.demo/N` of this demo's own: what an earlier demo left is removed, what a
 * running one uses is stepped over.
 */
export async function demoFolder(checkout: string): Promise<string> {
  for (let number = 1; number <= FOLDERS_MAX; number++) {
    const folder = join(checkout, '.demo', String(number))
    if (await isAlive(join(folder, 'pid'))) continue
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'pid'), `${process.pid}\n`)
    return folder
  }
  throw new Error(`${FOLDERS_MAX} demos are running here: stop one`)
}

async function isAlive(pidFile: string): Promise<boolean> {
  try {
    const pid = Number((await readFile(pidFile, 'utf8')).trim())
    if (!Number.isSafeInteger(pid) || pid <= 0) return false
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
