/** Bytes of one line that the engine may send: a progress or event line has some hundreds. */
const LINE_BYTES_MAX = 1_048_576

/**
 * The JSON documents of a stream that has one a line, as the engine reports progress and events.
 */
export async function* jsonLines(stream: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  // A decoder over the whole stream: a chunk may end inside a character.
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > LINE_BYTES_MAX) throw new Error(`a line is over ${LINE_BYTES_MAX} bytes`)
    yield* lines.flatMap(parsed)
  }
  yield* parsed(rest)
}

function parsed(line: string): unknown[] {
  return line.trim() === '' ? [] : [JSON.parse(line)]
}
