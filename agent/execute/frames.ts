/** Bytes before each frame of an attached stream: its stream's number, three zeros, its length. */
const HEADER_BYTES = 8

export type FrameStream = 'out' | 'err'

/**
 * Takes apart the one byte stream in which the engine sends both outputs of a process, in the order
 * in which it read them. Chunks may end anywhere, in the middle of a header too.
 */
export class FrameReader {
  readonly #onFrame: (stream: FrameStream, bytes: Uint8Array) => void
  readonly #header = new Uint8Array(HEADER_BYTES)
  #headerBytes = 0
  #left = 0
  #stream: FrameStream = 'out'

  constructor(onFrame: (stream: FrameStream, bytes: Uint8Array) => void) {
    this.#onFrame = onFrame
  }

  /** Part of a frame is handed on at once: a frame may be as long as the engine likes. */
  push(chunk: Uint8Array): void {
    let rest = chunk
    while (rest.length > 0) {
      rest = this.#left > 0 ? this.#takeBody(rest) : this.#takeHeader(rest)
    }
  }

  #takeBody(bytes: Uint8Array): Uint8Array {
    const body = bytes.subarray(0, this.#left)
    this.#left -= body.length
    this.#onFrame(this.#stream, body)
    return bytes.subarray(body.length)
  }

  #takeHeader(bytes: Uint8Array): Uint8Array {
    const taken = bytes.subarray(0, HEADER_BYTES - this.#headerBytes)
    this.#header.set(taken, this.#headerBytes)
    this.#headerBytes += taken.length
    if (this.#headerBytes === HEADER_BYTES) {
      const view = new DataView(this.#header.buffer)
      this.#stream = view.getUint8(0) === 2 ? 'err' : 'out'
      this.#left = view.getUint32(4)
      this.#headerBytes = 0
    }
    return bytes.subarray(taken.length)
  }
}
