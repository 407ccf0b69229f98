import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { GPU_LOG_RECORDS_MAX } from '../../../protocol/core/gpu-limits.ts'

/** Bytes of the longest record of the kernel's log, and room: it gives no part of one. */
const RECORD_BYTES_MAX = 16_384
/** Facility of what the kernel itself says; whoever writes to its log from outside gets another. */
const KERNEL = 0

/**
 * What the kernel says, as /dev/kmsg gives it: `6,1234,5678,-;text`, one record a read, the oldest
 * first. Read on from where the last look ended.
 */
export class KernelLog {
  readonly #path: string
  #file: FileHandle | undefined
  #rest = ''

  constructor(root: string) {
    this.#path = join(root, 'dev', 'kmsg')
  }

  /** Texts of the records since the last look; [] where the log may not be read. */
  async read(): Promise<readonly string[]> {
    // Not to wait for records that are yet to come.
    this.#file ??= await open(this.#path, constants.O_RDONLY | constants.O_NONBLOCK).catch(
      () => undefined
    )
    const file = this.#file
    if (file === undefined) return []
    const buffer = Buffer.alloc(RECORD_BYTES_MAX)
    const texts: string[] = []
    for (let reads = 0; reads < GPU_LOG_RECORDS_MAX; reads += 1) {
      const bytes = await readRecord(file, buffer)
      if (bytes === 0) break
      if (bytes > 0) texts.push(...this.#textsIn(buffer.toString('utf8', 0, bytes)))
    }
    return texts
  }

  async close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close().catch(() => undefined)
  }

  #textsIn(chunk: string): readonly string[] {
    const lines = `${this.#rest}${chunk}`.split('\n')
    this.#rest = (lines.pop() ?? '').slice(0, RECORD_BYTES_MAX)
    return lines.flatMap((line) => textOf(line) ?? [])
  }
}

/** 0 at the end, -1 where records were lost before they were read. */
async function readRecord(file: FileHandle, buffer: Buffer): Promise<number> {
  try {
    return (await file.read(buffer, 0, buffer.length, null)).bytesRead
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    return code === 'EPIPE' ? -1 : 0
  }
}

/** Without this anybody who may write to the log could take this host's GPUs away. */
function textOf(line: string): string | undefined {
  const [, priority, text] = /^(\d{1,5}),[^;]*;(.*)$/.exec(line) ?? []
  return Number(priority) >> 3 === KERNEL ? text : undefined
}
