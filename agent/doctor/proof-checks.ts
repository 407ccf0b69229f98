import { subjectOf } from '../../protocol/core/equivocation.ts'
import type { StatePaths } from '../../protocol/host/paths.ts'
import { ProofFolder } from '../../protocol/mesh/members/proof-folder.ts'
import { type Finding, failed, warning } from './finding.ts'

/** What members signed twice, where one is allowed: each file is verified again. */
export async function checkProofs(paths: StatePaths): Promise<readonly Finding[]> {
  const { proofs, damaged } = await new ProofFolder(paths.proofs).read()
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
