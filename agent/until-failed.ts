import type { Registers } from './claim/ports.ts'

/**
 * The registers until this process has failed. From then on nothing is claimed, renewed or ended
 * through them: holders still run, to remove their containers, and must promise nothing on the way.
 */
export function untilFailed(registers: Registers, failed: AbortSignal): Registers {
  const { peerId, boot, board } = registers
  return {
    peerId,
    boot,
    board,
    profile: () => registers.profile(),
    leaseProfile: (jobId) => registers.leaseProfile(jobId),
    witnessEpochOf: (jobId) => registers.witnessEpochOf(jobId),
    changeJob: async (jobId, opId, body) => {
      if (failed.aborted) return { kind: 'unresolved', value: undefined }
      return await registers.changeJob(jobId, opId, body)
    },
    readJob: async (jobId) => {
      if (failed.aborted) return { kind: 'unreachable', answered: 0 }
      return await registers.readJob(jobId)
    },
    renew: async (items) => (failed.aborted ? [] : await registers.renew(items)),
    hint: async (jobId) => {
      if (!failed.aborted) await registers.hint(jobId)
    }
  }
}
