import { EventEmitter } from 'node:events'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { agentProgram } from '../../../agent/cli/program.ts'
import type { ControlParts } from '../../../agent/control/parts.ts'
import { ControlServer } from '../../../agent/control/server.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import type { CancelTerms } from '../../../protocol/core/job.ts'
import { SilentExit } from '../../../protocol/host/exit.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { runWith } from '../../support/claim-bench.ts'
import { controlParts, ROSTER, RUN } from '../../support/control-parts.ts'
import { eventually } from '../../support/eventually.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { ScriptedLogs } from '../../support/follow-source.ts'
import { claimed, completed, jobLife } from '../../support/run-life.ts'
import { temporaryFolder } from '../../support/store-folder.ts'
import { until } from '../../support/until.ts'

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

type Parts = ReturnType<typeof controlParts>
type Deed = Parameters<typeof jobLife>[2]

/** A daemon's local API at a socket, and commands that are run against it. */
async function daemon(more: (parts: Parts) => Partial<ControlParts> = () => ({})) {
  const base = controlParts()
  const logs = new ScriptedLogs({ board: base.board, clock: base.clock, roster: () => ROSTER })
  const parts = { ...base, follow: logs, ...more(base) }
  const state = join(await temporaryFolder(), 'agent')
  const server = new ControlServer(parts, { socket: join(state, 'agent.sock'), log: silentLog() })
  await server.start()
  stops.push(() => server.stop())
  const happens = (...deeds: Deed[]): void => {
    base.board.foldJob(jobLife(runWith(RUN, 2), 0, ...deeds), base.clock.wallMs())
    logs.tell()
  }
  return { state, logs, happens, clock: base.clock }
}

/** The command on its way, with what it has said so far. */
function agent(state: string, args: readonly string[], terminal: object = {}) {
  const said = { out: '', err: '' }
  const signals = new EventEmitter()
  const clock = new FakeClock()
  const stdout = { write: (text: string) => (said.out += text), ...terminal } as never
  const stderr = { write: (text: string) => (said.err += text) } as never
  const program = agentProgram({ env: {}, stdout, stderr, signals, clock })
  const done = program
    .parseAsync(['node', 'agent', ...args, '--state', state])
    .then(() => undefined)
    .catch((error: unknown) => error)
  return { said, signals, clock, done }
}

const YOUNGER = '7K3QF3ABCDEFGHJKMNPQRSTVWX'
const ONYX: Deed = ['peer-onyx', claimed('c1')]
const BASALT: Deed = ['peer-basalt', claimed('c2')]
const TERMINAL = { isTTY: true, columns: 120, rows: 20 }

test('logs -f prints every line as it comes, plain when piped, and the rest beside it', async () => {
  const { state, logs, happens, clock } = await daemon()
  const command = agent(state, ['logs', '-f', '7K3QF2.0', '--exit-status'])
  await eventually('it waits', () => command.said.err.includes('queued: '))
  happens(ONYX)
  logs.write(1, 2)
  await eventually('its lines come', () => command.said.out === 'line 1\nline 2\n')
  happens(ONYX, BASALT)
  logs.write(2, 1)
  await eventually('the next attempt', () => command.said.out.endsWith('line 2\nline 1\n'))
  happens(ONYX, BASALT, [
    'peer-basalt',
    completed({ epoch: 2, state: 'failed', logLines: 1 }, 'c2')
  ])
  logs.tell()
  await until(clock, () => command.said.err.includes('failed'))

  expect(await command.done).toMatchObject({ exit: 1 })
  expect(command.said.out).toBe('line 1\nline 2\nline 1\n')
  expect(command.said.err).toContain('attempt 2 of 3 on basalt: onyx was lost at line 2\n')
  expect(command.said.err.split('\n').at(-2)).toContain('✗ failed')
})

test('logs -f --json prints one document a line and nothing else', async () => {
  const { state, logs, happens } = await daemon()
  happens(ONYX, ['peer-onyx', completed({ logLines: 2 })])
  logs.write(1, 2, 'end')
  const command = agent(state, ['logs', '-f', '7K3QF2.0', '--json'])

  expect(await command.done).toBeUndefined()
  const documents = command.said.out.trim().split('\n')
  expect(documents.map((text) => JSON.parse(text))).toMatchObject([
    { schema: 'agent.log-line/1', job: `${RUN}.0`, epoch: 1, number: 1 },
    { schema: 'agent.log-line/1', job: `${RUN}.0`, epoch: 1, number: 2 }
  ])
  expect(command.said.err).toBe('')
})

test('Ctrl-C leaves the job alone and says how to come back', async () => {
  const { state, logs, happens } = await daemon()
  happens(ONYX)
  logs.write(1, 1)
  const command = agent(state, ['logs', '-f', '7K3QF2.0'])
  await eventually('a line', () => command.said.out === 'line 1\n')
  command.signals.emit('SIGINT')

  expect(await command.done).toMatchObject({ exit: 130 })
  expect(command.said.err).toMatch(/^detached, the job keeps running · .*agent logs -f/m)
  expect(command.signals.listenerCount('SIGINT')).toBe(0)
  await eventually('nobody is followed', () => logs.watchers === 0)
})

test.each([
  [['logs', '-f', '7K3QF2'], 'JOB_AMBIGUOUS'],
  [['logs', '-f', 'ZZZZZZ.0'], 'JOB_UNKNOWN'],
  [['logs', '-f', '7K3QF2.0', '--epoch', '1'], 'USAGE'],
  [['logs', '7K3QF2.0', '--exit-status'], 'USAGE'],
  [['status', '--watch'], 'USAGE'],
  [['jobs', '--watch'], 'USAGE'],
  [['cancel', 'ZZZZZZ.0'], 'JOB_UNKNOWN'],
  [['cancel', '7K3QF2'], 'JOB_AMBIGUOUS'],
  [['cancel', '7K3QF2.0', '--reason', ''], 'USAGE'],
  [['cancel', '7K3QF2.0', '--grace', '30'], 'USAGE'],
  [['cancel', '7K3QF2.0', '--grace', '11m'], 'USAGE']
])('%j is refused with %s', async (args, code) => {
  const { state } = await daemon()
  const command = agent(state, args)

  expect(await command.done).toMatchObject({ code })
  expect(command.said.out).toBe('')
})

test.each([['status'], ['jobs']])('%s --watch draws in place until Ctrl-C', async (name) => {
  const { state } = await daemon()
  const command = agent(state, [name, '--watch'], TERMINAL)
  const pictures = (): number => command.said.out.split('\u001b[H\u001b[J').length - 1
  await eventually('a picture', () => pictures() === 1)
  await until(command.clock, () => pictures() === 2)
  command.signals.emit('SIGINT')

  expect(await command.done).toBeInstanceOf(SilentExit)
  expect(command.said.out).toContain('quit with Ctrl-C')
  expect(command.said.out.startsWith('\u001b[?25l')).toBe(true)
  expect(command.said.out.endsWith('\u001b[?25h')).toBe(true)
})

test('jobs --since shows what was announced in that time, and no older job', async () => {
  const { state } = await daemon(({ board, clock }) => {
    const sealed = runWith(YOUNGER, 1)
    const issuedAtMs = clock.wallMs() - 3_600_000
    const announcement = { ...sealed.announcement, issuedAtMs }
    board.addRun({ ...sealed, announcement }, clock.wallMs())
    return {}
  })
  const shown = async (...args: readonly string[]): Promise<string> => {
    const command = agent(state, ['jobs', '-q', ...args])
    await command.done
    return command.said.out
  }

  expect(await shown()).toBe(`${YOUNGER}.0\n${RUN}.0\n${RUN}.1\n`)
  expect(await shown('--since', '1h30m')).toBe(`${YOUNGER}.0\n`)
  expect(await shown('--since', '59m')).toBe('')
})

test('--watch --json needs no terminal: one document a line', async () => {
  const { state } = await daemon()
  const command = agent(state, ['status', '--watch', '--json'])
  await until(command.clock, () => command.said.out.split('\n').length > 2)
  command.signals.emit('SIGTERM')

  expect(await command.done).toMatchObject({ exit: 130 })
  for (const text of command.said.out.trim().split('\n')) {
    expect(JSON.parse(text)).toMatchObject({ schema: 'agent.status/1' })
  }
})

test('-o wide has the columns that the narrow table has no room for', async () => {
  const { state } = await daemon()
  const command = agent(state, ['status', '-o', 'wide'], TERMINAL)

  expect(await command.done).toBeUndefined()
  const [head = '', first = ''] = command.said.out
    .split('\n')
    .filter((text) => !text.startsWith('#'))
  expect(head).toMatch(/VERSION +PEER +ADDRESS +CPU +MEM +DISK +GPU$/)
  expect(first).toMatch(/peer-onyx +\/ip4\/127\.0\.0\.1\/tcp\/1 +4\/4 +8GiB\/8GiB +1GiB +-$/)
})

test('a queued job is cancelled at once, with reason and grace as they were given', async () => {
  const orders: CancelTerms[] = []
  const { state } = await daemon(({ board }) => ({
    cancel: async (job, terms) => {
      orders.push(terms)
      const cancelled = { kind: 'cancel', ...terms } as const
      board.foldJob(jobLife(runWith(RUN, 2), job.spec.index, ['peer-onyx', cancelled]), 0)
      return await Promise.resolve('cancelled')
    }
  }))
  const terms = ['--reason', 'superseded', '--grace', '1m30s']
  const first = agent(state, ['cancel', '7K3QF2.0', ...terms])
  expect(await first.done).toBeUndefined()
  const second = agent(state, ['cancel', '7K3QF2.1', '--json'])
  expect(await second.done).toBeUndefined()

  expect(first.said.out).toBe('7K3QF2.0 cancelled\n')
  expect(JSON.parse(second.said.out)).toMatchObject({
    schema: 'agent.cancelled/1',
    verdict: 'cancelled',
    job: { state: 'cancelled', cancel: { by: 'onyx', graceMs: null } }
  })
  expect(orders).toEqual([
    { reason: 'superseded', graceMs: 90_000 },
    { reason: 'asked for on onyx' }
  ])
})

test.each([
  ['cancelled', undefined, { out: '7K3QF2.0 cancelled\n' }],
  ['succeeded', 1, { out: '', err: 'ended before it could be stopped: succeeded' }]
] as const)('the end of a running job is waited for: %s', async (outcome, exit, words) => {
  const { state, happens } = await daemon(() => ({ cancel: async () => 'requested' as const }))
  happens(ONYX)
  const command = agent(state, ['cancel', '7K3QF2.0'])
  await eventually('it waits', () => command.said.err.includes('asked onyx to stop'))
  happens(ONYX, ['peer-onyx', completed({ state: outcome })])
  let error: unknown = 'open'
  void command.done.then((value) => {
    error = value
  })
  await until(command.clock, () => error !== 'open')

  if (exit === undefined) expect(error).toBeUndefined()
  else expect(error).toMatchObject({ exit })
  expect(command.said.out).toBe(words.out)
  if ('err' in words) expect(command.said.err).toContain(words.err)
})

describe('a second cancel, while the grace of the first one runs,', () => {
  const standing = { kind: 'cancel', reason: 'new host', graceMs: 600_000 } as const
  const usual = { kind: 'cancel', reason: 'new host' } as const
  const second = async (words: readonly string[] = [], first: Deed[1] = standing) => {
    const { state, happens } = await daemon(() => ({ cancel: async () => 'requested' as const }))
    happens(ONYX, ['peer-onyx', first])
    const command = agent(state, ['cancel', '7K3QF2.0', ...words])
    return { command, happens }
  }

  test('answers at once, by whom and with which grace the first one is', async () => {
    const { command } = await second()

    expect(await command.done).toMatchObject({ exit: 5 })
    expect(command.said.out).toBe('')
    for (const fact of ['onyx', '600 s', 'new host', 'the first order counts']) {
      expect(command.said.err).toContain(fact)
    }
  })

  test('gives the same as JSON, and is all right where it was not to wait', async () => {
    const { command } = await second(['--json'])
    expect(await command.done).toMatchObject({ exit: 5 })
    expect(JSON.parse(command.said.out)).toMatchObject({ job: { cancel: { graceMs: 600_000 } } })

    const patient = await second(['--no-wait'])
    expect(await patient.command.done).toBeUndefined()
  })

  test('answers at once as well where the first one gives the usual time, and it less', async () => {
    const { command } = await second(['--grace', '1s'], usual)

    expect(await command.done).toMatchObject({ exit: 5 })
    expect(command.said.err).toContain('its steps have 5 s from then on')
  })

  test('waits where it allows as much itself', async () => {
    const { command, happens } = await second(['--grace', '10m'])
    await eventually('it waits', () => command.said.err.includes('waiting until it has stopped'))
    happens(ONYX, ['peer-onyx', standing], ['peer-onyx', completed({ state: 'cancelled' })])
    let isDone = false
    void command.done.then(() => {
      isDone = true
    })
    await until(command.clock, () => isDone)
    expect(command.said.out).toBe('7K3QF2.0 cancelled\n')
  })
})

test('a cancel that does not wait says what was asked, and a late one what it found', async () => {
  const facts = { id: 'x', state: 'failed' }
  let isLate = false
  const { state, happens } = await daemon(() => ({
    cancel: async () => {
      if (isLate) throw new MeshError('JOB_ENDED', facts)
      return await Promise.resolve('requested' as const)
    }
  }))
  happens(ONYX)
  const asked = agent(state, ['cancel', '7K3QF2.0', '--no-wait'])
  expect(await asked.done).toBeUndefined()
  isLate = true
  const late = agent(state, ['cancel', '7K3QF2.0'])

  expect(asked.said).toEqual({ out: '', err: 'asked onyx to stop 7K3QF2.0\n' })
  expect(await late.done).toMatchObject({ code: 'JOB_ENDED', kind: { exit: 1 }, facts })
})

test('drain --wait names what is held until nothing is; resume takes it back', async () => {
  const view = { state: 'busy' as 'busy' | 'idle' | 'draining', jobs: ['RUN.0'], drained: false }
  const orders = {
    view: () => ({ ...view }),
    drain: () => void Object.assign(view, { state: 'draining' }),
    resume: () => void Object.assign(view, { state: 'idle', drained: false })
  }
  const { state } = await daemon(() => ({ orders }))
  const command = agent(state, ['drain', '--wait'])
  await eventually('it waits', () => command.said.err === 'draining · held: RUN.0\n')
  Object.assign(view, { jobs: [], drained: true })
  await until(command.clock, () => command.said.out !== '')
  expect(await command.done).toBeUndefined()
  expect(command.said.out).toMatch(/^drained: nothing is held/)

  const resumed = agent(state, ['resume', '--json'])
  expect(await resumed.done).toBeUndefined()
  expect(JSON.parse(resumed.said.out)).toMatchObject({ schema: 'agent.orders/1', state: 'idle' })
})

test('drain --wait gives exit 1 where somebody took the order back', async () => {
  const view = { state: 'draining' as 'draining' | 'busy', jobs: ['RUN.0'], drained: false }
  const nothing = (): void => undefined
  const orders = { view: () => ({ ...view }), drain: nothing, resume: nothing }
  const { state } = await daemon(() => ({ orders }))
  const command = agent(state, ['drain', '--wait'])
  await eventually('it waits', () => command.said.err !== '')
  view.state = 'busy'
  await until(command.clock, () => command.said.out !== '')

  expect(await command.done).toMatchObject({ exit: 1 })
})
