import { expect, test } from 'vitest'
import { SharedFlights } from '../../../../protocol/mesh/bounds/shared-flights.ts'

/** Work that ends when the test says so, or with its signal. */
function open() {
  const flights = new SharedFlights<string>()
  const started: AbortSignal[] = []
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const join = (signal?: AbortSignal, name = 'one') =>
    flights.join(name, signal, async (own) => {
      started.push(own)
      const aborted = Promise.withResolvers<never>()
      own.addEventListener('abort', () => aborted.reject(own.reason))
      return await Promise.race([promise, aborted.promise])
    })
  return { flights, started, join, resolve, reject }
}

test('what several want is done once and given to all', async () => {
  const { flights, started, join, resolve } = open()
  const all = [join(), join(), join(undefined, 'other')]
  expect([started.length, flights.size]).toEqual([2, 2])

  resolve('bytes')

  expect(await Promise.all(all)).toEqual(['bytes', 'bytes', 'bytes'])
  expect(flights.size).toBe(0)
})

test('one that gives up, first or second, takes nothing from the others', async () => {
  for (const quitter of [0, 1]) {
    const { started, join, resolve } = open()
    const ends = [new AbortController(), new AbortController()]
    const all = ends.map(({ signal }) => join(signal))
    const quit = expect(all[quitter]).rejects.toThrow('given up')
    ends[quitter]?.abort(new Error('given up'))
    await quit
    expect(started.map(({ aborted }) => aborted)).toEqual([false])

    resolve('bytes')

    expect(await all[1 - quitter]).toBe('bytes')
  }
})

test('when all have given up the work ends, and the next one starts it anew', async () => {
  const { started, join, resolve } = open()
  const end = new AbortController()
  const all = Promise.allSettled([join(end.signal), join(end.signal)])
  end.abort(new Error('given up'))
  await all
  expect(started.map(({ aborted }) => aborted)).toEqual([true])

  const next = join()
  resolve('bytes')

  expect(await next).toBe('bytes')
  expect(started).toHaveLength(2)
})

test('a failure reaches all who wait, and nobody who comes after', async () => {
  const { flights, join, reject } = open()
  const all = [join(), join()].map((one) => expect(one).rejects.toThrow('no disk'))

  reject(new Error('no disk'))

  await Promise.all(all)
  expect(flights.size).toBe(0)
  await expect(join(AbortSignal.abort(new Error('late')))).rejects.toThrow('late')
})
