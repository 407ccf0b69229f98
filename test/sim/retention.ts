import { type FloorOf, isTombstoneOver, mayDrop } from '../../protocol/core/floor.ts'
import { ANNOUNCEMENT_CLOCK_MS_MAX } from '../../protocol/core/limits.ts'
import { RETENTION_MS } from '../../protocol/core/retention-limits.ts'
import { type Announcement, jobIdOf } from '../../protocol/core/run.ts'
import type { Ref } from './client.ts'
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
  /** Places that are open here, of which a quorum says that they are gone. */
  readonly gone: ReadonlySet<string>
  /** Told of those that are open in a run that could else go: its end may have been missed here. */
  onOpen(ref: Ref): void
}

/**
 * Drops what has ended, is old enough and is closed by its gateway, each run whole under one
 * witness epoch, as production's RetentionSweep does. Gives the places that are gone now.
 */
export function sweep(look: Look): readonly string[] {
  const runs = new Map<string, { readonly announcement: Announcement; readonly epoch: number }>()
  const held = new Map<string, RecordRow[]>()
  for (const key of look.disk.keys('r/')) {
    const row = look.disk.read(key) as RecordRow
    const annHash = row.record.accepted?.value.annHash ?? ''
    const announcement = look.announcementOf(annHash)
    if (announcement === undefined) continue
    const epoch = Number(key.slice(key.lastIndexOf('@') + 1))
    const name = `${annHash}@${epoch}`
    runs.set(name, { announcement, epoch })
    held.set(name, [...(held.get(name) ?? []), row])
  }
  return [...runs].flatMap(([name, { announcement, epoch }]) => {
    const rows = held.get(name) ?? []
    const open = rows.filter(({ record }) => isOpen(record))
    const others = rows.filter((row) => !open.includes(row))
    const phases = others.flatMap(({ record }) => record.accepted?.value.phase ?? [])
    const { gateway, gwSeq, issuedAtMs } = announcement
    const facts = { phases, gateway, gwSeq, issuedAtMs }
    if (!mayDrop(facts, look.floorOf, look.wallMs + AGEING_MS)) return []
    const annHash = name.slice(0, name.lastIndexOf('@'))
    const ann = { gateway, gwSeq, annHash }
    for (const { register } of open) look.onOpen({ register, witnessEpoch: epoch, ann })
    return drop(look, announcement, epoch)
  })
}

function drop(look: Look, { runId, manifest }: Announcement, epoch: number): readonly string[] {
  const names = [runId, ...manifest.jobs.map((_, index) => jobIdOf(runId, index))]
  const keys = names.map((register) => ({ register, witnessEpoch: epoch }))
  const taken = keys.map((key) => look.registers.take(key))
  const stays = taken.some(({ state, place }) => isOpen(state.record) && !look.gone.has(place))
  if (stays || taken.every(({ state }) => state.dropped)) return []
  const places = names.map((register) => placeOf(register, epoch))
  // In one turn, and in one batch: the tombstone is there when the record is not.
  look.disk.putAll([
    ...places.map((place) => [`t/${place}`, look.wallMs] as const),
    ...places.map((place) => [`r/${place}`, undefined] as const)
  ])
  for (const register of taken) look.registers.drop(register, look.nowMs)
  return places
}

function isOpen({ accepted }: RecordRow['record']): boolean {
  const phase = accepted?.value.phase
  return phase === 'queued' || phase === 'leased'
}

/** Ends the tombstones that are old enough. */
export function forget({
  disk,
  registers,
  wallMs
}: Pick<Look, 'disk' | 'registers' | 'wallMs'>): void {
  const over = disk.keys('t/').filter((key) => isTombstoneOver(disk.read(key) as number, wallMs))
  if (over.length === 0) return
  const seq = disk.putAll(over.map((key) => [key, undefined] as const))
  disk.whenSynced(seq, () => {
    for (const key of over) registers.forget(key.slice('t/'.length))
  })
}
