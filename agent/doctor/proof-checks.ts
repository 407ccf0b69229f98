import { subjectOf } from '../../protocol/core/equivocation.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import type { StatePaths } from '../../protocol/host/paths.ts'
import { type KeptProofs, ProofFolder } from '../../protocol/mesh/members/proof-folder.ts'
import { type Finding, failed, warning } from './finding.ts'

/** What members signed twice, where one is allowed: each file is verified again. */
export async function checkProofs(paths: StatePaths): Promise<readonly Finding[]> {
  const read = await new ProofFolder(paths.proofs).read().catch(unreadable)
  // The other findings are wanted all the same: another user may ask for them.
  return read instanceof MeshError ? [folderFinding(paths, read)] : findingsOf(read)
}

function unreadable(error: unknown): MeshError {
  if (error instanceof MeshError) return error
  throw error
}

function folderFinding({ proofs }: StatePaths, { code, message }: MeshError): Finding {
  const fix = `run this as the user of the agent; what is no folder at ${proofs} must go`
  return failed('proof', code, { found: message, wanted: 'a folder that can be read', fix })
}

function findingsOf({ proofs, damaged }: KeptProofs): readonly Finding[] {
  const kept = proofs.map(({ found, file }) => {
    const fix = `look at ${found.peer}; \`agent doctor --proofs\` prints both, and ${file} may go then`
    const facts = { found: `${found.peer} signed ${subjectOf(found)}`, wanted: 'one of them', fix }
    return warning('proof', 'EQUIVOCATION', facts)
  })
  const broken = damaged.map(({ file, problem }) => {
    const facts = { found: `${file}: ${problem}`, wanted: 'two things with one signer' }
    return failed('proof', 'PROOF_INVALID', { ...facts, fix: `move ${file} away` })
  })
  return [...kept, ...broken]
}
