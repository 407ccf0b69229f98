import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { stringify } from 'yaml'
import { causeOf, MeshError } from '../core/errors.ts'
import { writeDurable } from './durable-file.ts'

/** The settings that a member is known by: its daemon must start with the same. */
export interface FirstSettings {
  readonly name: string
  readonly listen: readonly string[]
}

export interface FirstSettingsFile {
  readonly file: string
  /** Whether there is one already: that one is its owner's, and stays as it is. */
  readonly exists: boolean
}

export async function firstSettingsFile(file: string): Promise<FirstSettingsFile> {
  const exists = await stat(file).then(
    () => true,
    (error: unknown) => {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (code === 'ENOENT' || code === 'ENOTDIR') return false
      throw new MeshError('CONFIG_INVALID', { file, problem: causeOf(error) }, { cause: error })
    }
  )
  return { file, exists }
}

/**
 * Throws USAGE where an option asks for something else than the file that is there: the daemon
 * would start under another name, or at another place, than the roster says.
 */
export function checkFirstSettings(
  { file, exists }: FirstSettingsFile,
  wanted: FirstSettings,
  found: FirstSettings
): void {
  if (!exists) return
  const other = (['name', 'listen'] as const).find((key) => {
    return JSON.stringify(wanted[key]) !== JSON.stringify(found[key])
  })
  if (other === undefined) return
  const problem = `--${other} is not what ${file} says: leave it out, or change ${other} in the file`
  throw new MeshError('USAGE', { problem })
}

/** Writes the file where there is none. Throws STATE_UNWRITABLE. */
export async function writeFirstSettings(
  { file, exists }: FirstSettingsFile,
  { name, listen }: FirstSettings
): Promise<void> {
  if (exists) return
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o755 })
  } catch (error) {
    const facts = { state: dirname(file), cause: causeOf(error) }
    throw new MeshError('STATE_UNWRITABLE', facts, { cause: error })
  }
  await writeDurable(file, stringify({ name, listen }))
}
