import { DISK_FILE_BYTES_MIN, VOLUME_FULL_BYTES } from '../../../protocol/core/volume-limits.ts'
import { BUSYBOX_INSIDE } from '../guard.ts'

/** Runs a command in the box and gives what it said; rejects where it failed. */
export type Ask = (command: readonly string[]) => Promise<string>

const KIB = 1_024

/**
 * Bytes on the disk below these places of a box, where each file counts DISK_FILE_BYTES_MIN at
 * least. Rejects where it cannot be told.
 */
export async function treeBytes(ask: Ask, places: readonly string[]): Promise<number> {
  // Files that go away meanwhile are no failure; the total is the last line.
  const count = [
    '"$0" du -skxc "$@" 2>/dev/null | "$0" tail -n 1',
    '"$0" find "$@" -xdev 2>/dev/null | "$0" wc -l'
  ].join('\n')
  const said = await ask([BUSYBOX_INSIDE, 'sh', '-c', count, BUSYBOX_INSIDE, ...places])
  const [, kib, files] = /^(\d+)\stotal\n(\d+)$/m.exec(said) ?? []
  if (kib === undefined) throw new Error(`du and find said ${said.trim() || 'nothing'}`)
  return Math.max(Number(kib) * KIB, Number(files) * DISK_FILE_BYTES_MIN)
}

/**
 * True where the file system at this place is one of that size at most, the job's own that is, and
 * takes no more, of bytes or of files.
 */
export async function isVolumeFull(ask: Ask, place: string, bytes: number): Promise<boolean> {
  const said = await ask([BUSYBOX_INSIDE, 'stat', '-f', '-c', '%a %b %S %d', place])
  const figures = /^(\d+) (\d+) (\d+) (\d+)$/m.exec(said)?.slice(1).map(Number)
  if (figures === undefined) throw new Error(`stat said ${said.trim() || 'nothing'}`)
  const [free = 0, all = 0, size = 0, files = 0] = figures
  return all * size <= bytes && (free * size <= VOLUME_FULL_BYTES || files === 0)
}
