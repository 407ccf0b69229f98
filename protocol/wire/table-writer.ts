/** Bytes of the buffer that every message is written in first; a larger one is made when needed. */
const BUFFER_BYTES = 65_536

/** Writes the parts of a message from its end to its start. */
export class TableWriter {
  static #spare: TableWriter | undefined
  #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
  #at = BUFFER_BYTES

  /** One for this message alone, until `release`. */
  static take(): TableWriter {
    const spare = TableWriter.#spare
    TableWriter.#spare = undefined
    return spare ?? new TableWriter()
  }

  release(): void {
    // One that grew for a large message would stay large.
    if (this.#buffer.length > BUFFER_BYTES) return
    this.#at = this.#buffer.length
    TableWriter.#spare = this
  }

  get written(): number {
    return this.#buffer.length - this.#at
  }

  /** A copy of all that was written. */
  bytes(): Uint8Array {
    return new Uint8Array(this.#buffer.subarray(this.#at))
  }

  /** Least significant group of seven bits first, in as few bytes as it takes. */
  number(value: number): void {
    let size = 1
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1
    let at = this.#room(size)
    let rest = value
    while (rest >= 0x80) {
      this.#buffer[at] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
      at += 1
    }
    this.#buffer[at] = rest
  }

  blob(bytes: Uint8Array): void {
    // First: it may make another buffer.
    const at = this.#room(bytes.length)
    this.#buffer.set(bytes, at)
    this.number(bytes.length)
  }

  string(text: string): void {
    const length = Buffer.byteLength(text)
    const at = this.#room(length)
    this.#buffer.write(text, at, length, 'utf8')
    this.number(length)
  }

  #room(bytes: number): number {
    if (bytes > this.#at) this.#grow(bytes)
    this.#at -= bytes
    return this.#at
  }

  #grow(bytes: number): void {
    const { written } = this
    const grown = Buffer.allocUnsafeSlow((written + bytes) * 2)
    this.#buffer.copy(grown, grown.length - written, this.#at)
    this.#buffer = grown
    this.#at = grown.length - written
  }
}
