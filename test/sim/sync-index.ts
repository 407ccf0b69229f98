import type { SyncItem } from '../../protocol/core/messages.ts'
import type { SyncPage } from '../../protocol/core/ports.ts'
import type { Disk } from './disk.ts'
import type { RecordRow } from './witness-registers.ts'

/** Registers whose accepted value is newer than `sinceSeq`, in the order of their last change. */
export function syncPage(
  disk: Disk,
  { sinceSeq, limit }: { readonly sinceSeq: number; readonly limit: number }
): SyncPage {
  const items: SyncItem[] = []
  for (const [key, row] of disk.rows) {
    if (!key.startsWith('r/') || row.seq <= sinceSeq) continue
    const { record, register } = row.value as RecordRow
    const value = record.accepted?.value
    if (value === undefined) continue
    const { version, phase, annHash } = value
    const witnessEpoch = Number(key.slice(key.lastIndexOf('@') + 1))
    items.push({ register, witnessEpoch, seq: row.seq, version, phase, annHash })
  }
  items.sort((a, b) => a.seq - b.seq)
  const page = items.slice(0, limit)
  const more = page.length < items.length
  return { items: page, next: more ? (page.at(-1)?.seq ?? sinceSeq) : disk.syncedSeq, more }
}
