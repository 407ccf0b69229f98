import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { AttemptResult } from '../../../agent/execute/attempt.ts'
import type { JobVoice } from '../../../agent/execute/egress/journal.ts'
import type { Sandbox, StepEnd } from '../../../agent/execute/sandbox.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import { EGRESS_WORLD, EgressRig, getText } from '../../support/egress-rig.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { goOn } from '../../support/resumed-attempt.ts'

const SECRET = 'sesame'

let clock: FakeClock
let lines: string[]
/** What was asked of the box, in its order. */
let calls: string[]
beforeEach(() => {
  clock = new FakeClock()
  lines = []
  calls = []
})

/** A box whose step, told to end, asks its job's proxy for things that have the secret in them. */
function boxOf(voice: JobVoice): Sandbox {
  const ended = Promise.withResolvers<StepEnd>()
  let rig: EgressRig | undefined
  const undo = async (): Promise<void> => {
    await rig?.send(getText(`/hook?t=${SECRET}`, 'a.example'))
    await rig?.send(getText(`http://u:${SECRET}@a.example/`, 'a.example'))
    await rig?.send(getText(`http://${SECRET}.example/`, `${SECRET}.example`))
    await rig?.send(getText('http://a.example/', 'a.example'))
    await rig?.send(`${SECRET}\r\n\r\n`)
  }
  const box: Partial<Sandbox> = {
    attach: async () => {
      calls.push('attach')
      rig = await EgressRig.open({ ...EGRESS_WORLD, policy: 'audit', voice })
      onTestFinished(async () => await rig?.close())
    },
    follow: async ({ onOutput }) => {
      onOutput('out', Buffer.from(`${SECRET}\n`))
      return await ended.promise
    },
    terminate: async () => {
      calls.push('terminate')
      await undo()
      calls.push('undone')
      ended.resolve({ kind: 'exited', code: 0, oom: false })
    },
    close: async () => {
      calls.push('close')
      rig?.proxy.close()
    }
  }
  return box as Sandbox
}

/** An attempt of an agent before this one, ended for `reason` while nobody gives its secrets. */
async function endedUnheard(reason: unknown): Promise<AttemptResult> {
  const abort = new AbortController()
  return await goOn({
    clock,
    boxOf,
    spec: { network: 'audit', secrets: [{ name: 'TOKEN', file: undefined }] },
    input: {
      signal: abort.signal,
      graceMs: () => 60_000,
      releaseSecrets: async () => {
        abort.abort(reason)
        throw reason
      },
      log: (_step, _stream, text) => void lines.push(text)
    }
  })
}

describe('an attempt that goes on without its secrets, since it is to end,', () => {
  test.each(['cancelled', 'drained'])('has its grace: %s', async (reason) => {
    expect(await endedUnheard(reason)).toMatchObject({ kind: 'interrupted', reason })
    expect(calls).toEqual(['attach', 'terminate', 'undone', 'close'])
  })

  test('puts nothing into its log that its box could choose', async () => {
    await endedUnheard('cancelled')

    expect(lines).toEqual([expect.stringContaining('its secrets are not known to this agent')])
  })

  test.each([
    ['a lost lease', new MeshError('LEASE_LOST', { job: 'x', epoch: 1, reason: 'stale' })],
    ['lost rules', new MeshError('NETWORK_UNENFORCED', { job: 'x', cause: 'flushed' })]
  ])('has no grace for %s, and nothing is said of one', async (_name, reason) => {
    expect(await endedUnheard(reason)).toMatchObject({ kind: 'interrupted' })
    expect(calls).toEqual(['close'])
    expect(lines).toEqual([])
  })
})
