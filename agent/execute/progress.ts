import { EngineError } from './engine-types.ts'
import { jsonLines } from './json-lines.ts'

/**
 * Progress of the engine ends with the reason where the work failed; the status was sent long
 * before. Gives its last word; rejects with EngineError.
 */
export async function followProgress(progress: NodeJS.ReadableStream): Promise<string> {
  let last = ''
  for await (const line of jsonLines(progress as AsyncIterable<Uint8Array>)) {
    const { error, status } = line as { error?: string; status?: string }
    if (error !== undefined) throw new EngineError(error.trim(), undefined)
    last = status ?? last
  }
  return last
}
