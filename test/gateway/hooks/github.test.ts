import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import examples from '@octokit/webhooks-examples'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { FORGE_HOOKS } from '../../../gateway/hooks/forge-hooks.ts'
import { Repositories } from '../../../gateway/repositories.ts'
import { forgePost } from '../../support/forge-delivery.ts'
import { repositoryOf } from '../../support/gateway-rig.ts'
import { HttpRig } from '../../support/http-rig.ts'

/* What GitHub sends, as its users have recorded it. */

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

interface Recorded {
  readonly action?: string
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

/** Of events that start runs in other ways, or elsewhere. */
const BECAUSE: Readonly<Record<string, string>> = {
  create: ': the push of the new branch or tag does',
  workflow_job: ': the repository has no `provision`'
}

function reasonFor(action: string): RegExp {
  if (action === 'closed') return /^pull request 2 was closed: /
  return new RegExp(`^action ${action} of a pull request starts no run$`)
}

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
      accepted: 2,
      'first received as delivery push-4': 1,
      'tag simple-tag was deleted': 4
    })
  })

  test('every pull request that has news starts the one run of its head, and no other', async () => {
    const recorded = EVENTS.find(({ name }) => name === 'pull_request')?.examples ?? []

    const runs = new Set<string>()
    const started = new Set<string>()
    for (const [index, example] of recorded.entries()) {
      const answer = await send('pull_request', example, `request-${index}`)
      expect(answer.status).toBe(202)
      const { action = '' } = example
      if (answer.verdict === 'ignored') expect(answer.reason).toMatch(reasonFor(action))
      else started.add(action)
      if (answer.run !== null) runs.add(answer.run)
    }

    expect(runs.size).toBe(1)
    expect(started).toEqual(new Set(['opened', 'reopened', 'synchronize', 'labeled']))
  })

  test('every ping is ignored as a ping, or for it names no repository', async () => {
    const recorded = EVENTS.find(({ name }) => name === 'ping')?.examples ?? []

    const answers = await Promise.all(recorded.map((each) => send('ping', each, 'ping-id')))

    const ignored = { status: 202, verdict: 'ignored', run: null }
    const ping = { ...ignored, delivery: 'ping-id', reason: 'ping' }
    const nobodys = { ...ignored, delivery: null, reason: 'event ping names no repository' }
    expect(answers).toEqual([ping, ping, ping, nobodys])
  })

  const others = EVENTS.filter(({ name }) => !['push', 'ping', 'pull_request'].includes(name))
  test.each(others)('every $name is ignored with the reason', async ({ name, examples: each }) => {
    for (const example of each) {
      const { status, verdict, reason } = await send(name, example, 'some-id')

      expect({ status, verdict }).toEqual({ status: 202, verdict: 'ignored' })
      const named = example.repository !== undefined
      const why = named ? `starts no run${BECAUSE[name] ?? ''}` : 'names no repository'
      expect(reason).toBe(`event ${name} ${why}`)
    }
  })
})

describe.each(['ghes-31', 'ghes-32', 'ghes-33', 'ghes-34', 'ghes-35'])(
  'deliveries of %s',
  (server) => {
    const path = createRequire(import.meta.url).resolve('@octokit/webhooks-examples/package.json')
    const text = readFileSync(join(dirname(path), server, 'index.json'), 'utf8')
    const events = JSON.parse(text) as readonly Event[]

    test('start a run where they are of a push or of a head, and are ignored otherwise', () => {
      const started = new Set<string>()
      for (const { name: event, examples: each } of events) {
        for (const example of each) {
          const { headers, payload } = forgePost('github', JSON.stringify(example), { event })
          const bytes = Buffer.from(payload)
          const incoming = { headers, bytes, text: payload, receivedAtMs: 0 }
          const { kind } = FORGE_HOOKS.github.read(incoming).meaning()
          if (kind === 'event') started.add(`${event} ${example.action ?? ''}`.trim())
        }
      }

      const wanted = ['opened', 'reopened', 'synchronize', 'labeled']
      const known = new Set(['push', ...wanted.map((action) => `pull_request ${action}`)])
      expect([...started].filter((each) => !known.has(each))).toEqual([])
      expect(started).toContain('push')
      expect(started).toContain('pull_request opened')
    })
  }
)
