import {
  finishLines,
  type LineSplitter,
  NO_LINE,
  splitLines
} from '../../../protocol/core/log-line.ts'
import type { Masker, MaskStream } from '../../../protocol/core/masker/masker.ts'
import { SERVICE_LAST_LINES, SERVICE_LOG_BYTES_MAX } from '../../../protocol/core/service-limits.ts'
import type { AttemptInput } from '../attempt.ts'

type Stream = 'out' | 'err'

interface Voice {
  readonly masks: Readonly<Record<Stream, MaskStream>>
  readonly unfinished: Record<Stream, LineSplitter>
  bytes: number
  cut: number
  /** The last lines that are in the log no more. */
  readonly last: string[]
}

/**
 * What services write, as lines of their job's log: of step 0, each with the service's name before
 * it, and no more of one service than SERVICE_LOG_BYTES_MAX.
 */
export class ServiceLog {
  readonly #masker: Masker
  readonly #log: AttemptInput['log']
  readonly #voices = new Map<string, Voice>()
  /** What is written while it is removed would begin anew. */
  #isClosed = false

  constructor(masker: Masker, log: AttemptInput['log']) {
    this.#masker = masker
    this.#log = log
  }

  take(service: string, stream: Stream, bytes: Uint8Array): void {
    if (this.#isClosed) return
    const voice = this.#voice(service)
    this.#split(service, voice, stream, voice.masks[stream].push(bytes))
  }

  /** The service has ended: its unfinished lines, and the last of those that were cut. */
  finish(service: string): void {
    const voice = this.#voice(service)
    this.#voices.delete(service)
    for (const stream of ['out', 'err'] as const) {
      this.#split(service, voice, stream, voice.masks[stream].finish())
      for (const line of finishLines(voice.unfinished[stream])) {
        this.#line(service, voice, stream, line)
      }
    }
    if (voice.cut === 0) return
    this.#log(0, 'mesh', `service ${service} wrote ${voice.cut} lines more, the last of them:`)
    for (const line of voice.last) this.#log(0, 'out', line)
  }

  /** All that have not ended, and now are heard no more. */
  close(): void {
    this.#isClosed = true
    for (const service of [...this.#voices.keys()]) this.finish(service)
  }

  #split(service: string, voice: Voice, stream: Stream, bytes: Uint8Array): void {
    const [rest, lines] = splitLines(voice.unfinished[stream], bytes)
    voice.unfinished[stream] = rest
    for (const line of lines) this.#line(service, voice, stream, line)
  }

  #line(service: string, voice: Voice, stream: Stream, text: string): void {
    const line = `${service} | ${text}`
    voice.bytes += Buffer.byteLength(line) + 1
    if (voice.bytes <= SERVICE_LOG_BYTES_MAX) {
      this.#log(0, stream, line)
      return
    }
    if (voice.cut === 0) {
      const bytes = SERVICE_LOG_BYTES_MAX
      this.#log(0, 'mesh', `service ${service} has written its ${bytes} bytes: no more is kept`)
    }
    voice.cut += 1
    voice.last.push(line)
    if (voice.last.length > SERVICE_LAST_LINES) voice.last.shift()
  }

  #voice(service: string): Voice {
    const known = this.#voices.get(service)
    if (known !== undefined) return known
    const voice: Voice = {
      masks: { out: this.#masker.stream(), err: this.#masker.stream() },
      unfinished: { out: NO_LINE, err: NO_LINE },
      bytes: 0,
      cut: 0,
      last: []
    }
    this.#voices.set(service, voice)
    return voice
  }
}
