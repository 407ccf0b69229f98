import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { engineSocket } from '../../deploy/demo/engine.ts'
import { BASE_IMAGE } from '../../deploy/demo/pipeline.ts'
import { eventually } from '../support/eventually.ts'
import { overlapsOf } from './judge.ts'
import { bootMs, Observer } from './observer.ts'

/* An observer that could see nothing would never complain: here it has something to see. */

let observer: Observer | undefined
let made: string[] = []
afterEach(async () => {
  await Promise.all(made.map((id) => call('DELETE', `/containers/${id}?force=1&v=1`)))
  made = []
  await observer?.stop()
  observer = undefined
})

function call(method: string, path: string, body?: object): Promise<{ readonly Id?: string }> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body)
    const headers = { 'content-type': 'application/json' }
    const asked = request({ socketPath: engineSocket(), method, path, headers }, (reply) => {
      let said = ''
      reply.setEncoding('utf8').on('data', (part: string) => {
        said += part
      })
      reply.on('end', () => resolve(said === '' ? {} : (JSON.parse(said) as { Id?: string })))
    })
    asked.on('error', reject)
    asked.end(text)
  })
}

/** A container such as a rogue agent might make. */
async function box(job: string, epoch: number): Promise<string> {
  const labels = { peer: `rogue-${job}`, job, epoch: String(epoch) }
  const { Id: id = '' } = await call('POST', '/containers/create', {
    Image: BASE_IMAGE,
    Cmd: ['sleep', '60'],
    Labels: Object.fromEntries(
      Object.entries(labels).map(([key, value]) => [`runner-mesh.${key}`, value])
    ),
    HostConfig: { NetworkMode: 'none' }
  })
  made.push(id)
  await call('POST', `/containers/${id}/start`)
  return id
}

const seen = (job: string) => observer?.containers.filter((one) => one.job === job) ?? []

test('two containers of one job side by side are found, by the clock since boot', async () => {
  observer = await Observer.start([engineSocket()])
  const job = `${randomBytes(8).toString('hex')}.0`
  const beforeMs = bootMs()
  const [first, second] = [await box(job, 1), await box(job, 2)]
  // Both are alive from here on, for several looks.
  const sinceMs = bootMs()
  await eventually('some looks', () => bootMs() - sinceMs > 500)
  await call('POST', `/containers/${first}/kill`)
  await call('POST', `/containers/${second}/kill`)
  await eventually('both are gone', () => seen(job).length === 2)

  const [overlap] = overlapsOf(seen(job))
  expect(overlap).toMatchObject({ job, first: { container: first }, second: { container: second } })
  expect(overlap?.byMs).toBeGreaterThan(200)
  expect(overlap?.first.startMs).toBeGreaterThanOrEqual(beforeMs - 10)
  expect(overlap?.first.aliveMs).toBeGreaterThanOrEqual(sinceMs)
})

test('one container after the other is no overlap, and what still runs at the end is told', async () => {
  observer = await Observer.start([engineSocket()])
  const job = `${randomBytes(8).toString('hex')}.0`
  const first = await box(job, 1)
  await eventually('it is known', () => (observer?.awake.containers ?? 0) > 0)
  await call('POST', `/containers/${first}/kill`)
  await eventually('it is gone', () => seen(job).length === 1)
  const second = await box(job, 2)
  const metMs = bootMs()
  await eventually('some looks', () => bootMs() - metMs > 1_500)

  expect(await observer.stop()).toBe(true)
  expect(seen(job).map(({ container }) => container)).toEqual([first, second])
  expect(overlapsOf(seen(job))).toEqual([])
  observer = undefined
})
