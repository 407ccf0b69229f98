import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Folders above this file to look in: it runs from the sources and from dist. */
const LEVELS_MAX = 4

/** The package's version, read from package.json so that there is one place to change it. */
export const VERSION: string = readVersion(dirname(fileURLToPath(import.meta.url)))

function readVersion(start: string): string {
  let dir = start
  for (let level = 0; level < LEVELS_MAX; level++) {
    try {
      const found = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as {
        name?: string
        version?: string
      }
      if (found.name === 'runner-mesh') return found.version ?? '0.0.0'
    } catch {
      // No package.json here: look one folder up.
    }
    dir = dirname(dir)
  }
  return '0.0.0'
}
