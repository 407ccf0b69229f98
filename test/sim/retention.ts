import { type FloorOf, mayDrop } from '../../protocol/core/floor.ts'
import { ANNOUNCEMENT_CLOCK_MS_MAX } from '../../protocol/core/limits.ts'
import { RETENTION_MS } from '../../protocol/core/retention-limits.ts'
import { type Announcement, jobIdOf } from '../../protocol/core/run.ts'
import type { Disk } from './disk.ts'
import { placeOf } from './scene.ts'
import type { RecordRow, WitnessRegisters } from './witness-registers.ts'

/** Milliseconds that an ended run is kept here, in place of a week. */
export const KEPT_MS = 3_000
/** Of the wall clock, so that core's week has passed then. */
export const AGEING_MS = RETENTION_MS + ANNOUNCEMENT_CLOCK_MS_MAX - KEPT_MS

interface Look {
  readonly disk: Disk
  readonly registers: WitnessRegisters
  readonly floorOf: FloorOf
  readonly nowMs: number
  readonly wallMs: number
  announcementOf(annHash: string): Announcement | undefined
}

/**
 * Drops what has ended, is old enough and is closed by its gateway, each run whole under one
 * witness epoch, as production's RetentionSweep does. Gives the places that are gone now.
 */
export function sweep(look: Look): readonly string[] {
  const runs = new Map<string, { readonly announcement: Announcement; readonly epoch: number }>()
  const phases = new Map<string, RecordRow['record'][]>()
  for (const key of look.disk.keys('r/')) {
    const { record } = look.disk.read(key) as RecordRow
    const annHash = record.accepted?.value.annHash ?? ''
    const announcement = look.announcementOf(annHash)
    if (announcement === undefined) continue
    const epoch = Number(key.slice(key.lastIndexOf('@') + 1))
    const name = `${annHash}@${epoch}`
    runs.set(name, { announcement, epoch })
    phases.set(name, [...(phases.get(name) ?? []), record])
  }
  return [...runs].flatMap(([name, { announcement, epoch }]) => {
    const held = (phases.get(name) ?? []).flatMap(({ accepted }) => accepted?.value.phase ?? [])
    const { gateway, gwSeq, issuedAtMs } = announcement
    const facts = { phases: held, gateway, gwSeq, issuedAtMs }
    if (!mayDrop(facts, look.floorOf, look.wallMs + AGEING_MS)) return []
    return drop(look, announcement, epoch)
  })
}

function drop(look: Look, { runId, manifest }: Announcement, epoch: number): readonly string[] {
  const names = [runId, ...manifest.jobs.map((_, index) => jobIdOf(runId, index))]
  const keys = names.map((register) => ({ register, witnessEpoch: epoch }))
  const taken = keys.map((key) => look.registers.take(key))
  const isOpen = taken.some(({ state }) => {
    const phase = state.record.accepted?.value.phase
    return phase === 'queued' || phase === 'leased'
  })
  if (isOpen || taken.every(({ state }) => state.dropped)) return []
  const places = names.map((register) => placeOf(register, epoch))
  // In one turn, and in one batch: the tombstone is there when the record is not.
  look.disk.putAll([
    ...places.map((place) => [`t/${place}`, look.wallMs] as const),
    ...places.map((place) => [`r/${place}`, undefined] as const)
  ])
  for (const register of taken) look.registers.drop(register, look.nowMs)
  return places
}
