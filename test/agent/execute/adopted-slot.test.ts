import { beforeEach, describe, expect, test } from 'vitest'
import type { AttemptInput, AttemptResult } from '../../../agent/execute/attempt.ts'
import type { JobVoice } from '../../../agent/execute/egress/journal.ts'
import type { Sandbox } from '../../../agent/execute/sandbox.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { goOn } from '../../support/resumed-attempt.ts'

const TOKEN = 'sesame-of-the-runner'

let lines: string[]
/** What was asked of the box and of the gateway, in its order. */
let calls: string[]
beforeEach(() => {
  lines = []
  calls = []
})

/** A slot's box: its runner writes what it is configured with, and so does its job's network. */
function boxOf(voice: JobVoice): Sandbox {
  const tell = (): void => voice.say(voice.mask(`network: allowed ${TOKEN}.example:443`))
  const box: Partial<Sandbox> = {
    attach: async () => {
      calls.push('attach')
      tell()
    },
    resumeServices: () => undefined,
    follow: async ({ onOutput, onWait }) => {
      calls.push('follow')
      onOutput('out', Buffer.from(`listens with ${TOKEN}\nends with ${TOKEN}`))
      onWait?.()
      tell()
      return { kind: 'exited', code: 0, oom: false }
    },
    outputs: async () => ({ kind: 'read', bytes: Buffer.from(`leaked=${TOKEN}\n`) }),
    terminate: async () => undefined,
    close: async () => tell()
  }
  return box as Sandbox
}

/** The attempt of a slot that an agent before this one began. */
async function goneOn(release: AttemptInput['releaseSecrets']): Promise<AttemptResult> {
  const clock = new FakeClock()
  const secrets = [{ name: 'RUNNER_TOKEN', file: '/run/secrets/runner-token' }]
  return await goOn({
    clock,
    boxOf,
    spec: { network: 'audit', secrets, runner: { labels: ['linux'] } },
    input: {
      releaseSecrets: async (signal: AbortSignal) => {
        calls.push('ask')
        return await release(signal)
      },
      log: (_step, _stream, text) => void lines.push(text)
    }
  })
}

const given = async () => [{ name: 'RUNNER_TOKEN', value: Buffer.from(TOKEN) }]

describe('a slot that goes on after a restart of its agent', () => {
  test('has what its runner is configured with hidden from its log and its outputs', async () => {
    const result = await goneOn(given)

    expect(calls).toEqual(['attach', 'ask', 'follow'])
    expect(lines).toEqual(
      expect.arrayContaining([
        'listens with ***',
        'ends with ***',
        'network: allowed ***.example:443'
      ])
    )
    expect(result).toMatchObject({ kind: 'outcome', outcome: { state: 'succeeded' } })
    expect(JSON.stringify([lines, result])).not.toContain(TOKEN)
  })

  test.each([
    [
      'has it no more',
      new MeshError('SECRET_REFUSED', { name: 'RUNNER_TOKEN', reason: 'forgotten' }),
      'has no more what it gave'
    ],
    [
      'is too old to be asked',
      new MeshError('SECRET_REFUSED', { name: ':given', reason: 'unnamed' }),
      'does not name it'
    ],
    [
      'is away',
      new MeshError('SECRETS_UNAVAILABLE', { gateway: 'basalt', cause: 'no way' }),
      'gateway basalt: no way'
    ]
  ])('runs to its end with nothing of its log kept where its gateway %s', async (_, error, why) => {
    const result = await goneOn(() => Promise.reject(error))

    expect(result).toMatchObject({ kind: 'outcome', outcome: { state: 'succeeded' } })
    expect(JSON.stringify([lines, result])).not.toContain(TOKEN)
    expect(lines.filter((line) => line.includes('is not kept'))).toEqual([
      expect.stringContaining(why)
    ])
  })

  test('ends where asking fails of anything else, and shows nothing', async () => {
    const result = await goneOn(() => Promise.reject(new Error('no such call')))

    expect(result).toMatchObject({ kind: 'interrupted' })
    expect(calls).toEqual(['attach', 'ask'])
    expect(lines).toEqual([])
  })
})
