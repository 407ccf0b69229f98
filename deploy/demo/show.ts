import { styleText } from 'node:util'

/** What the demo says: numbered headings, what it runs, and what it has checked. */
export class Show {
  #step = 0
  #failed = 0
  readonly #started = performance.now()

  heading(text: string): void {
    this.#step += 1
    const seconds = ((performance.now() - this.#started) / 1_000).toFixed(1)
    this.line(`\n${paint('bold', `${this.#step}  ${text}`)} ${paint('dim', `(${seconds} s)`)}`)
  }

  command(text: string): void {
    this.line(paint('dim', `   $ ${text}`))
  }

  block(text: string): void {
    for (const line of text.trimEnd().split('\n')) this.line(`   ${line}`)
  }

  /** One claim and whether it held. */
  claim(text: string, held: boolean, found = ''): void {
    if (!held) this.#failed += 1
    const mark = held ? paint('green', '✓') : paint('red', '✗')
    this.line(`   ${mark} ${text}${held || found === '' ? '' : `: ${found}`}`)
  }

  line(text: string): void {
    process.stdout.write(`${text}\n`)
  }

  get failed(): number {
    return this.#failed
  }
}

function paint(format: 'bold' | 'dim' | 'green' | 'red', text: string): string {
  const plain = process.stdout.isTTY !== true || (process.env['NO_COLOR'] ?? '') !== ''
  return plain ? text : styleText(format, text)
}
