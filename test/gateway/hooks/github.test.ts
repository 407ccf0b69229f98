import examples from '@octokit/webhooks-examples'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Repositories } from '../../../gateway/repositories.ts'
import { forgePost } from '../../support/forge-delivery.ts'
import { repositoryOf } from '../../support/gateway-rig.ts'
import { HttpRig } from '../../support/http-rig.ts'

/* What GitHub sends, as its users have recorded it. */

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

interface Recorded {
  readonly repository?: { readonly full_name: string }
}

interface Event {
  readonly name: string
  readonly examples: readonly Recorded[]
}

const EVENTS = examples as unknown as readonly Event[]
const URL_OF_HELLO = 'https://github.com/Codertocat/Hello-World.git'

let rig: HttpRig

beforeAll(async () => {
  const names = new Set(
    EVENTS.flatMap((event) => event.examples.map(({ repository }) => repository?.full_name ?? ''))
  )
  names.delete('')
  const others = [...names].filter((name) => name.toLowerCase() !== 'codertocat/hello-world')
  rig = await HttpRig.make({
    repositories: new Repositories([
      repositoryOf('github', 'hello', { url: URL_OF_HELLO }),
      ...others.map((name) => repositoryOf('github', name, { url: `https://github.com/${name}` }))
    ])
  })
})

afterAll(() => rig.stop())

async function send(event: string, example: unknown, id: string) {
  const reply = await rig.app.inject(forgePost('github', JSON.stringify(example), { event, id }))
  return { status: reply.statusCode, ...reply.json() }
}

describe('recorded deliveries of GitHub', () => {
  test('every push starts its run, or is ignored with the reason', async () => {
    const recorded = EVENTS.find(({ name }) => name === 'push')?.examples ?? []

    const seen: Record<string, number> = {}
    for (const [index, example] of recorded.entries()) {
      const { status, verdict, reason } = await send('push', example, `push-${index}`)
      expect(status).toBe(202)
      const key = reason === '' ? verdict : reason
      seen[key] = (seen[key] ?? 0) + 1
    }

    expect(seen).toEqual({
      accepted: 1,
      'first received as delivery push-4': 1,
      'refs/tags/simple-tag is not a branch': 5
    })
  })

  test('every ping is ignored as a ping, or for it names no repository', async () => {
    const recorded = EVENTS.find(({ name }) => name === 'ping')?.examples ?? []

    const answers = await Promise.all(recorded.map((each) => send('ping', each, 'ping-id')))

    const ignored = { status: 202, verdict: 'ignored', run: null }
    const ping = { ...ignored, delivery: 'ping-id', reason: 'ping' }
    const nobodys = { ...ignored, delivery: null, reason: 'event ping names no repository' }
    expect(answers).toEqual([ping, ping, ping, nobodys])
  })

  const others = EVENTS.filter(({ name }) => !['push', 'ping'].includes(name))
  test.each(others)('every $name is ignored with the reason', async ({ name, examples: each }) => {
    for (const example of each) {
      const { status, verdict, reason } = await send(name, example, 'some-id')

      expect({ status, verdict }).toEqual({ status: 202, verdict: 'ignored' })
      const named = example.repository !== undefined
      const why = named ? 'starts no run, only push does' : 'names no repository'
      expect(reason).toBe(`event ${name} ${why}`)
    }
  })
})
