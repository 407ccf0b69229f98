import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { DISK_COUNT_MS_MAX, DISK_FILE_BYTES_MIN } from '../../protocol/core/volume-limits.ts'

/** Where Debian has `du`. */
const PATH = '/usr/bin:/bin'

const run = promisify(execFile)

/** What a container wrote beside its volumes. */
export interface Layer {
  readonly bytes: number
  /** Folder of the host where it lies; undefined where the engine does not say. */
  readonly folder: string | undefined
}

interface Answer {
  readonly SizeRw?: number
  readonly GraphDriver?: { readonly Data?: { readonly UpperDir?: string } | null } | null
}

export function layerOf(answer: unknown): Layer {
  const { SizeRw, GraphDriver } = answer as Answer
  return { bytes: SizeRw ?? 0, folder: GraphDriver?.Data?.UpperDir }
}

/**
 * Bytes of a layer, where each of its files counts DISK_FILE_BYTES_MIN at least. Engines do not say
 * how many files there are, and in the box those of its image are among them: they are counted on
 * the host, by an agent that may see them.
 */
export async function bytesOf({ bytes, folder }: Layer): Promise<number> {
  const files = folder === undefined ? 0 : await filesBelow(folder)
  return Math.max(bytes, files * DISK_FILE_BYTES_MIN)
}

/** 0 where this user may not look, or the host has another `du`. */
async function filesBelow(folder: string): Promise<number> {
  const limits = { timeout: DISK_COUNT_MS_MAX, env: { PATH, LC_ALL: 'C' } }
  // It follows no link, whatever a job puts in place of a folder meanwhile.
  const counting = run('du', ['--inodes', '-sx', folder], limits)
  const said = await counting.catch((error: { readonly stdout?: string }) => error)
  return Number(/^(\d+)\t/.exec(said.stdout ?? '')?.[1] ?? 0)
}
