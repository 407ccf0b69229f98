import type { WitnessStore } from '../../protocol/core/ports.ts'
import type { Gate } from './gate.ts'

/**
 * A witness's store whose answers can be held once what they answer is synced: the record is there,
 * and nobody has been told. What passes the gate is named by its register.
 */
export function gatedWitness(inner: WitnessStore, gate: Gate): WitnessStore {
  return {
    storeId: inner.storeId,
    load: (key) => inner.load(key),
    save: async (write) => {
      const sequence = await inner.save(write)
      if (write.record.accepted !== undefined) await gate.pass(write.key.register)
      return sequence
    },
    barrier: () => inner.barrier(),
    changes: (since, limit, openOnly) => inner.changes(since, limit, openOnly),
    announcement: (annHash) => inner.announcement(annHash),
    floors: () => inner.floors(),
    raiseFloor: (gateway, gwSeq) => inner.raiseFloor(gateway, gwSeq),
    runs: (after, limit) => inner.runs(after, limit),
    drop: (drop) => inner.drop(drop),
    isDropped: (key) => inner.isDropped(key),
    forget: (isOver, after, limit) => inner.forget(isOver, after, limit)
  }
}
