import { constants } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { EQUIVOCATION_BYTES_MAX, EQUIVOCATIONS_MAX } from '../../core/equivocation-limits.ts'
import { causeOf, MeshError } from '../../core/errors.ts'
import { makeFolders, writeDurable } from '../../host/durable-file.ts'
import { decodeEquivocation, type ProvenEquivocation } from '../../wire/equivocation-codec.ts'

/** One file that proves an equivocation, verified as it was read. */
export interface KeptProof extends ProvenEquivocation {
  readonly file: string
  /** The document, as `encodeEquivocation` made it. */
  readonly text: string
}

export interface KeptProofs {
  readonly proofs: readonly KeptProof[]
  /** Files that prove nothing, and why. */
  readonly damaged: readonly { readonly file: string; readonly problem: string }[]
}

const FILE = /^(proposals|announcements)-[A-Za-z0-9]{1,100}\.json$/

/** Proofs of equivocation in `DIR/<kind>-<peer>.json`; the folder comes with the first of them. */
export class ProofFolder {
  readonly #dir: string

  constructor(dir: string) {
    this.#dir = dir
  }

  fileOf({ found }: ProvenEquivocation): string {
    return join(this.#dir, `${found.kind}-${found.peer}.json`)
  }

  /** Durable when it resolves. Rejects with STATE_UNWRITABLE. */
  async save(proven: ProvenEquivocation, text: string): Promise<void> {
    await makeFolders(this.#dir, 0o700)
    await writeDurable(this.fileOf(proven), text, 0o600)
  }

  /**
   * Each is verified: a file may have been changed since, or put there by somebody else. Rejects
   * with PROOFS_UNREADABLE.
   */
  async read(): Promise<KeptProofs> {
    const names = await this.#names()
    const proofs: KeptProof[] = []
    const damaged: { file: string; problem: string }[] = []
    for (const name of names
      .filter((each) => FILE.test(each))
      .sort()
      .slice(0, EQUIVOCATIONS_MAX)) {
      const file = join(this.#dir, name)
      try {
        const text = await textOf(file)
        proofs.push({ ...decodeEquivocation(text), file, text })
      } catch (error) {
        damaged.push({ file, problem: causeOf(error) })
      }
    }
    return { proofs, damaged }
  }
  async #names(): Promise<readonly string[]> {
    try {
      return await readdir(this.#dir)
    } catch (cause) {
      if (isMissing(cause)) return []
      const facts = { dir: this.#dir, cause: causeOf(cause) }
      throw new MeshError('PROOFS_UNREADABLE', facts, { cause })
    }
  }
}

async function textOf(file: string): Promise<string> {
  // A pipe of that name would keep its reader for ever, where opening it waits.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const found = await handle.stat()
    if (!found.isFile()) throw new Error('it is no file')
    // Before it is read: what was put there may be of any size.
    return found.size > EQUIVOCATION_BYTES_MAX ? '' : await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
