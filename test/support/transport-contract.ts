import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RequestOptions } from '../../protocol/core/ports.ts'

export interface TransportFixture {
  /** Asks the peer that answers. */
  request(body: Uint8Array, options: RequestOptions): Promise<Uint8Array>
  /** Asks a peer that is in the roster and not there. */
  requestAbsent(body: Uint8Array, options: RequestOptions): Promise<Uint8Array>
  /** Asks a peer that no roster names. */
  requestOutsider(body: Uint8Array, options: RequestOptions): Promise<Uint8Array>
  /** What the answering peer does from now on. */
  answer(handler: (body: Uint8Array) => Promise<Uint8Array>): void
  stop(): Promise<void>
}

const OPTIONS: RequestOptions = { timeoutMs: 5_000 }
/**
 * Answers that are held back until `release`: one that never came would stay in flight for ever.
 */
export class HeldAnswers {
  readonly #held: (() => void)[] = []

  readonly answer = (body: Uint8Array): Promise<Uint8Array> =>
    new Promise((resolve) => {
      this.#held.push(() => resolve(body))
    })

  get count(): number {
    return this.#held.length
  }

  release(): void {
    for (const end of this.#held.splice(0)) end()
  }
}

const BODY = Uint8Array.of(1, 2, 3)
const codeIs = (code: string): unknown => expect.objectContaining({ code })

/** What everyone who sends requests to members relies on, whatever carries them. */
export function transportContract(name: string, open: () => Promise<TransportFixture>): void {
  describe(`${name} keeps the contract of a transport`, () => {
    let transport: TransportFixture
    beforeAll(async () => {
      transport = await open()
    })
    afterAll(async () => {
      await transport.stop()
    })

    test('a request is answered with what its handler gives', async () => {
      transport.answer(async (body) => Uint8Array.from(body, (byte) => byte + 1))

      expect([...(await transport.request(BODY, OPTIONS))]).toEqual([2, 3, 4])
    })

    test('many requests at once each get their own answer', async () => {
      transport.answer(async (body) => body)
      const bodies = Array.from({ length: 200 }, (_, index) => Uint8Array.of(index))

      const answers = await Promise.all(bodies.map((body) => transport.request(body, OPTIONS)))

      expect(answers.map(([first]) => first)).toEqual(bodies.map(([first]) => first))
    })

    test('a peer that is not there is unreachable', async () => {
      const request = transport.requestAbsent(BODY, OPTIONS)
      await expect(request).rejects.toEqual(codeIs('PEER_UNREACHABLE'))
    })

    test('a peer that is not in the roster is unreachable', async () => {
      const request = transport.requestOutsider(BODY, OPTIONS)
      await expect(request).rejects.toEqual(codeIs('PEER_UNREACHABLE'))
    })

    test('an answer that does not come in time is timed out, and the next one comes', async () => {
      const held = new HeldAnswers()
      transport.answer(held.answer)
      const request = transport.request(BODY, { timeoutMs: 50 })
      await expect(request).rejects.toEqual(codeIs('REQUEST_TIMED_OUT'))
      held.release()

      transport.answer(async (body) => body)
      expect([...(await transport.request(BODY, OPTIONS))]).toEqual([...BODY])
    })

    test('a caller that no longer waits is let go with its own reason', async () => {
      const held = new HeldAnswers()
      transport.answer(held.answer)
      const caller = new AbortController()
      const request = transport.request(BODY, { ...OPTIONS, signal: caller.signal })
      const reason = new Error('changed my mind')

      caller.abort(reason)

      await expect(request).rejects.toBe(reason)
      held.release()
    })

    test('what a handler throws arrives without its text', async () => {
      transport.answer(() => Promise.reject(new Error('the file /secret is missing')))
      const error = await transport.request(BODY, OPTIONS).catch((cause: unknown) => cause)

      expect(error).toEqual(codeIs('REQUEST_REFUSED'))
      expect(JSON.stringify(error) + String(error)).not.toContain('secret')
    })
  })
}
