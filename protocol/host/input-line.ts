import { MeshError } from '../core/errors.ts'

/** A command's standard input. */
export interface Input extends AsyncIterable<Uint8Array | string> {
  /** True where a person types. */
  readonly isTTY?: boolean
}

/**
 * The first line of the input, without its end; all of it where it has but one. What comes after is
 * not read. Throws USAGE for one that is longer than `charactersMax`, without repeating it.
 */
export async function inputLine(input: Input | undefined, charactersMax: number): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const part of input ?? []) {
    text += typeof part === 'string' ? part : decoder.decode(part, { stream: true })
    const end = text.indexOf('\n')
    if (end >= 0) return text.slice(0, end).trimEnd()
    if (text.length > charactersMax) {
      throw new MeshError('USAGE', { problem: `the input is over ${charactersMax} characters` })
    }
  }
  return text.trimEnd()
}
