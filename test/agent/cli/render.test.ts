import { expect, test } from 'vitest'
import type { Console } from '../../../agent/cli/console.ts'
import { renderJobs } from '../../../agent/cli/render-jobs.ts'
import { renderLogHead, renderLogLines, renderVerdict } from '../../../agent/cli/render-log.ts'
import { renderPeer, renderStatus } from '../../../agent/cli/render-status.ts'
import type { LogView } from '../../../agent/control/contract.ts'
import { statusView } from '../../../agent/control/status-view.ts'
import { jobContext, jobDocument } from '../../../protocol/api/job-document.ts'
import type { JobDocument } from '../../../protocol/api/job-schema.ts'
import { controlParts, RUN } from '../../support/control-parts.ts'

const plain: Console = {
  out: () => undefined,
  err: () => undefined,
  paint: (_colour, text) => text,
  columns: undefined,
  unicode: true
}

function job(more: Partial<JobDocument> = {}): JobDocument {
  const parts = controlParts()
  const known = parts.board.job(`${RUN}.0`)
  if (known === undefined) throw new Error('the board has the job')
  return { ...jobDocument(known, jobContext(parts)), ageMs: 240_000, ...more }
}

test('status is one aligned row a peer, self marked, totals last', () => {
  const text = renderStatus(statusView(controlParts()), plain)
  const [head, first, second, third] = text.split('\n')

  expect(head).toMatch(/^NAME {5}STATE {5}JOBS {3}PLATFORM/)
  expect(first).toMatch(/^onyx \* {3}idle {6}0\/4 {4}linux\/amd64 {3}site=lab/)
  expect(second).toMatch(/^basalt {3}idle .* 3ms /)
  expect(third).toMatch(/^front {4}offline {3}- /)
  expect(text).toContain(
    '2 agents, 1 gateway · 0 running, 2 queued · 3 witnesses, 3 a run, quorum 2, all reachable'
  )
})

test('health lines come first and carry their fix', () => {
  const status = statusView(controlParts())
  const health = [{ code: 'X', message: 'disk: full', fix: 'free some' }]
  const text = renderStatus({ ...status, health }, plain)

  expect(text.startsWith('# disk: full\n#        fix: free some\n\nNAME')).toBe(true)
})

test('one peer in full names its identity and what it has', () => {
  const [peer] = statusView(controlParts()).peers
  if (peer === undefined) throw new Error('there is a peer')

  expect(renderPeer(peer)).toContain('peer        peer-onyx\n')
  expect(renderPeer(peer)).toContain('capacity    4 cpu, 8 GiB, 80 GiB of disk, 4 jobs\n')
  expect(renderPeer(peer)).toContain('disk limit  soft\n')
})

test('GPUs are counted by model in a row, and named each in the full view', () => {
  const [peer] = statusView(controlParts()).peers
  if (peer === undefined) throw new Error('there is a peer')
  const gpu = {
    id: 'nvidia:GPU-1',
    vendor: 'nvidia' as const,
    model: 'NVIDIA H100 80GB HBM3',
    pci: '0000:3b:00.0',
    memoryBytes: 80 * 2 ** 30,
    sharedMemory: false,
    driver: '580.65.06',
    architecture: 'sm_90',
    numaNode: 1,
    parent: null,
    health: 'ok' as const,
    reasons: [],
    shares: 1,
    held: 1,
    jobs: ['7K3QF2.0'],
    use: {
      busyPercent: 87,
      memoryBytes: 2 ** 31,
      powerWatts: null,
      temperature: 53,
      ageMs: 12_000
    }
  }
  const ill = { ...gpu, id: 'nvidia:GPU-3', health: 'lost' as const, reasons: ['it is gone'] }
  const shared = { id: 'nvidia:GPU-2', shares: 4, held: 0.5, jobs: ['A.1', 'B.2'], use: null }
  const gpus = [gpu, { ...gpu, ...shared }, ill]
  const status = { ...statusView(controlParts()), peers: [{ ...peer, gpus }] }

  expect(renderStatus(status, plain)).toContain('4/4 cpu 8GiB/8GiB 2x H100 80GB HBM3, 1 lost')
  expect(renderStatus(status, plain, 'wide')).toContain('2x H100 80GB HBM3, 1 lost')
  const full = renderPeer({ ...peer, gpus })
  expect(full).toContain(
    'gpu         NVIDIA H100 80GB HBM3, 80 GiB, sm_90, driver 580.65.06, 0000:3b:00.0, NUMA node 1, nvidia:GPU-1\n'
  )
  expect(full).toContain('            held by 7K3QF2.0\n')
  expect(full).toContain('            in use: 87 %, 2 GiB, 53 C, 12s ago\n')
  expect(full).toContain('            shared by at most 4 jobs: held by A.1, B.2, 50 % of it\n')
  expect(full).toContain('            lost: it is gone\n')
})

test('platforms that are only emulated are told apart', () => {
  const [peer] = statusView(controlParts()).peers
  if (peer === undefined) throw new Error('there is a peer')
  const platforms = [
    { name: 'linux/amd64', native: true },
    { name: 'linux/arm64/v8', native: false },
    { name: 'linux/riscv64', native: false }
  ]
  const status = { ...statusView(controlParts()), peers: [{ ...peer, platforms }] }

  expect(renderStatus(status, plain)).toContain('linux/amd64 +2 emulated')
  expect(renderPeer({ ...peer, platforms })).toContain(
    'platforms   linux/amd64, linux/arm64/v8 (emulated), linux/riscv64 (emulated)\n'
  )
})

test('a host that is closed is told apart, and what its owner takes is in its full view', () => {
  const [peer] = statusView(controlParts()).peers
  if (peer === undefined) throw new Error('there is a peer')
  const closing = { by: 'hours', text: "its owner's hours begin Mon 20:00 (UTC)" } as const
  const lists = { refs: [], events: [], authors: [], images: [], registries: [] }
  const policy = { repositories: ['team/*'], ...lists, pinned: true, trustedOnly: true }
  const rows = (state: typeof peer.state) => {
    const peers = [{ ...peer, state, closing }]
    return renderStatus({ ...statusView(controlParts()), peers }, plain)
  }

  expect(rows('idle')).toMatch(/^onyx \* {3}closed /m)
  expect(rows('busy')).toMatch(/^onyx \* {3}busy, closed /m)
  expect(rows('offline')).toMatch(/^onyx \* {3}offline /m)
  const full = renderPeer({ ...peer, closing, policy })
  expect(full).toContain("closed      its owner's hours begin Mon 20:00 (UTC)\n")
  expect(full).toContain(
    'takes only  repositories team/*; images by digest only; no untrusted runs\n'
  )
  expect(renderPeer(peer)).not.toContain('takes only')
})

test('a queued job says why in its last column', () => {
  const row = renderJobs([job({ why: 'no agent fits' })], plain).split('\n')[1] ?? ''

  expect(row).toMatch(/^7K3QF2\.0 {3}team {3}main@ccccccc {3}job-0 {3}○ queued {3}- .* 4m/)
  expect(row.endsWith('no agent fits')).toBe(true)
})

test('the wide list has what a job needs, its retries and its group', () => {
  const build = job({ id: `${RUN}.0`, name: 'build' })
  const needs = [`${RUN}.0`, `${RUN}.7`]
  const deploy = job({ id: `${RUN}.1`, name: 'deploy', needs, retries: 2, group: 'prod' })

  const [head, first, second] = renderJobs([build, deploy], plain, 'wide').split('\n')

  expect(head).toMatch(/TIME +NEEDS +RETRIES +GROUP +WHY/)
  expect(first).toMatch(/- +- +- +- +a claim is due/)
  expect(second).toMatch(/ build,\.7 +2 +prod/)
  expect(renderJobs([deploy], plain)).not.toContain('prod')
})

test('a running job shows its step, and state is never colour alone', () => {
  const stage = { name: 'step', step: 3, steps: 5 }
  expect(renderJobs([job({ state: 'running', stage })], plain)).toContain('● step 3/5')
  const ascii = { ...plain, unicode: false }
  expect(renderJobs([job({ state: 'failed' })], ascii)).toContain('x failed')
  expect(renderJobs([], plain)).toBe('no jobs\n')
})

test('on a terminal the last column is cut, when piped nothing is', () => {
  const long = job({ why: 'w'.repeat(300) })
  const cut = renderJobs([long], { ...plain, columns: 100 }).split('\n')[1] ?? ''

  expect(cut).toHaveLength(100)
  expect(cut.endsWith('…')).toBe(true)
  expect(renderJobs([long], plain)).toContain('w'.repeat(300))
})

const line = (text: string, number = 1, stream: 'out' | 'mesh' = 'out') => ({
  number,
  at: new Date(95_000).toISOString(),
  step: 1,
  stream,
  text
})

test('a person sees number and elapsed time, a pipe only the text', () => {
  const person = { timestamps: false, person: true }
  expect(renderLogLines([line('CC sched.o', 213)], 0, person, plain, 1)).toBe(
    '  213   1:35  CC sched.o\n'
  )
  const pipe = { timestamps: false, person: false }
  expect(renderLogLines([line('\u001b[2Jraw', 1)], 0, pipe, plain)).toBe('\u001b[2Jraw\n')
  expect(renderLogLines([line('x')], 0, { timestamps: true, person: false }, plain)).toBe(
    `${new Date(95_000).toISOString()} x\n`
  )
})

test.each([
  ['clear screen', '\u001b[2Jdone', '[2Jdone'],
  ['window title', '\u001b]0;owned\u0007done', 'done'],
  ['unfinished title', 'a\u001b]0;owned', 'a'],
  ['carriage return', 'good\rbad', 'good bad'],
  ['line feed', 'good\nbad', 'good bad'],
  ['eight-bit control', 'a\u009b2Jb', 'a2Jb'],
  ['right to left', 'a\u202eb', 'ab'],
  ['tab', 'a\tb', 'a\tb'],
  ['bell and backspace', 'a\u0007\u0008b', 'ab']
])('a job cannot move the reader around: %s', (_name, text, shown) => {
  const rendered = renderLogLines([line(text)], 0, { timestamps: false, person: true }, plain)

  expect(rendered.endsWith(`  ${shown}\n`)).toBe(true)
})

test('colours of a job are kept and always reset', () => {
  const style = { timestamps: false, person: true }
  const rendered = renderLogLines([line('\u001b[31mred')], 0, style, plain)

  expect(rendered.endsWith('\u001b[31mred\u001b[0m\n')).toBe(true)
})

test('head and verdict name job, holder, epoch and outcome', () => {
  const log = { job: job({ holder: 'onyx' }), epoch: 2 } as LogView
  expect(renderLogHead(log)).toBe('7K3QF2.0 job-0 · team main@ccccccc · onyx · epoch 2\n')
  const failed = job({ state: 'failed', why: 'step "x" exited 2', holder: 'onyx', durationMs: 5e3 })
  expect(renderVerdict(failed, plain)).toBe('✗ failed: step "x" exited 2 after 5s on onyx')
})

test.each([
  ['succeeded', '✓', '+'],
  ['failed', '✗', 'x'],
  ['errored', '!', '!'],
  ['cancelled', '–', '-']
] as const)(
  'a verdict of %s has the mark of the table, also without UTF-8',
  (state, mark, ascii) => {
    const ended = job({ state, why: 'because' })

    for (const [unicode, expected] of [
      [true, mark],
      [false, ascii]
    ] as const) {
      const console = { ...plain, unicode }
      expect(renderVerdict(ended, console)).toContain(`${expected} ${state}`)
      expect(renderJobs([ended], console)).toContain(`${expected} ${state}`)
    }
  }
)

test('each step has a heading for a person, with its name and time where they are known', () => {
  const person = { timestamps: false, person: true }
  const of = (step: number, text: string) => ({ ...line(text), step })
  const lines = [of(1, 'a'), of(1, 'b'), of(2, 'c')]
  const steps: JobDocument['steps'] = [
    { name: 'install', state: 'succeeded', exitCode: 0, durationMs: 3_000 },
    { name: 'test', state: 'not_run', exitCode: null, durationMs: 0 }
  ]

  const running = renderLogLines(lines, 0, person, plain)
  const ended = renderLogLines(lines, 0, { ...person, steps }, plain)
  const piped = renderLogLines(lines, 0, { ...person, steps, person: false }, plain)

  const shown = (text: string): readonly string[] =>
    text
      .trimEnd()
      .split('\n')
      .map((each) => each.replace(/^ +\d+ +[\d:]+ +/, ''))
  expect(shown(running)).toEqual(['▸ step 1', 'a', 'b', '▸ step 2', 'c'])
  expect(shown(ended)).toEqual(['▸ install  3s', 'a', 'b', '▸ test', 'c'])
  expect(piped).toBe('a\nb\nc\n')
  // Followed line by line, a step has no second heading.
  expect(shown(renderLogLines([of(2, 'd')], 0, person, plain, 2))).toEqual(['d'])
})

test('what the mesh says among the lines is marked, also without UTF-8', () => {
  const said = { ...line('pulling image x'), step: 0, stream: 'mesh' } as const
  const person = { timestamps: false, person: true }

  expect(renderLogLines([said], 0, person, plain)).toBe('▸ pulling image x\n')
  expect(renderLogLines([said], 0, person, { ...plain, unicode: false })).toBe(
    '> pulling image x\n'
  )
})

test('one peer in full says what it keeps jobs apart by, and what its owner wants', () => {
  const [peer] = statusView(controlParts()).peers
  if (peer === undefined) throw new Error('there is a peer')
  const isolation = { offered: 'runc', levels: ['gvisor'], required: 'gvisor' } as const

  expect(renderPeer({ ...peer, isolation: { ...isolation, levels: ['gvisor'] } })).toContain(
    'isolation   runc; without a network also gvisor; gvisor required for untrusted jobs\n'
  )
})

test('what the mesh says in the middle of a step gives the step no second heading', () => {
  const of = (step: number, text: string) => ({ ...line(text), step })
  const said = { ...line('network: allowed'), step: 0, stream: 'mesh' } as const
  const person = { timestamps: false, person: true }
  const shown = renderLogLines([of(1, 'a'), said, of(1, 'b')], 0, person, plain)

  expect(shown.match(/▸ .*/g)).toEqual(['▸ step 1', '▸ network: allowed'])
})

test('jobs with GPUs show what they have now, ended ones mean and peak, others nothing', () => {
  const now = { gpu: 'nvidia:GPU-1', busyPercent: 60, memoryBytes: 2 ** 30, ageMs: 1 }
  const gpuUse = {
    samples: 3,
    busyPeakPercent: 95,
    busyMeanPercent: 40,
    memoryPeakBytes: 2 ** 31,
    memoryMeanBytes: null
  }
  const unknown = { ...now, busyPercent: null, memoryBytes: null }
  const jobs = [job({ gpusNow: [now, unknown] }), job({ gpuUse }), job()]

  const [head, running, ended, none] = renderJobs(jobs, plain).split('\n')

  expect(head).toMatch(/ TIME +GPU +WHY$/)
  expect(running).toContain('60 % 1 GiB, ? % ?')
  expect(ended).toContain('40 %, peak 95 %, 2 GiB')
  expect(none).not.toContain('%')
  expect(renderJobs([job()], plain)).not.toContain('GPU')
})
