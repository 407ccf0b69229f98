/** A command's standard input. */
export interface Input extends AsyncIterable<Uint8Array | string> {
  /** True where a person types. */
  readonly isTTY?: boolean
}

/**
 * The first line of the input, without its end; all of it where it has but one. What comes after is
 * not read. Of a line over `charactersMax` comes one character more than that, for the caller to
 * refuse in its own words: an endless one must not be kept.
 */
export async function inputLine(input: Input | undefined, charactersMax: number): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const part of input ?? []) {
    text += typeof part === 'string' ? part : decoder.decode(part, { stream: true })
    if (text.includes('\n') || text.length > charactersMax) break
  }
  const [line = ''] = text.split('\n', 1)
  return line.trimEnd().slice(0, charactersMax + 1)
}
