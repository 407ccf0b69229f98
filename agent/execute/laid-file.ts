import { createHash, randomBytes } from 'node:crypto'
import { chmod, mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface LaidFile {
  /** Of its name, before the hash of its text. */
  readonly stem: string
  readonly ending: string
  readonly text: string
  readonly mode: number
}

/** Writes a file that containers mount, whole at once, and gives its path. */
export async function layFile(dir: string, file: LaidFile): Promise<string> {
  await mkdir(dir, { recursive: true })
  const hash = createHash('sha256').update(file.text).digest('hex').slice(0, 8)
  // A name of its own for each version: what is mounted is read while another is written.
  const path = join(dir, `${file.stem}-${hash}${file.ending}`)
  // And of each write: attempts that begin together would rename each other's away.
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`
  await writeFile(temporary, file.text)
  await chmod(temporary, file.mode)
  await rename(temporary, path)
  return path
}
