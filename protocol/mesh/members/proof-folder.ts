import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { EQUIVOCATION_BYTES_MAX, EQUIVOCATIONS_MAX } from '../../core/equivocation-limits.ts'
import { causeOf, codeOf } from '../../core/errors.ts'
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

  /** Each is verified: a file may have been changed since, or put there by somebody else. */
  async read(): Promise<KeptProofs> {
    const names = await readdir(this.#dir).catch(absent)
    const proofs: KeptProof[] = []
    const damaged: { file: string; problem: string }[] = []
    for (const name of names
      .filter((each) => FILE.test(each))
      .sort()
      .slice(0, EQUIVOCATIONS_MAX)) {
      const file = join(this.#dir, name)
      try {
        const { size } = await stat(file)
        // Before it is read: what was put there may be of any size.
        const text = size > EQUIVOCATION_BYTES_MAX ? '' : await readFile(file, 'utf8')
        proofs.push({ ...decodeEquivocation(text), file, text })
      } catch (error) {
        damaged.push({ file, problem: causeOf(error) })
      }
    }
    return { proofs, damaged }
  }
}

function absent(error: unknown): string[] {
  if (codeOf(error) === undefined && isMissing(error)) return []
  throw error
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
