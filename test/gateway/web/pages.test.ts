import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { LogQuestion } from '../../../gateway/logs/log-reader.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import { PAGE_LOG_LINES_MAX } from '../../../protocol/core/follow-limits.ts'
import type { LogLine } from '../../../protocol/core/log-line.ts'
import type { SealedAnnouncement } from '../../../protocol/core/run.ts'
import { advertisement, ROSTER } from '../../support/control-parts.ts'
import { HttpRig } from '../../support/http-rig.ts'
import { claimed, completed, jobLife, sealedRun } from '../../support/run-life.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const PIPELINE = [
  'jobs:',
  '  lint: { image: "debian:13", steps: [{ run: make lint }] }',
  '  build: { image: "debian:13", labels: { gpu: h100 }, steps: [{ run: make }] }',
  ''
].join('\n')

let rig: HttpRig
let sealed: SealedAnnouncement
let runId: string
let base: string
let token: string
let lines: LogLine[]
let asked: LogQuestion[]
let trouble: MeshError | undefined

beforeEach(async () => {
  lines = []
  asked = []
  trouble = undefined
  rig = await HttpRig.make({
    api: {
      roster: () => ROSTER,
      readLog: async (question) => {
        asked.push(question)
        if (trouble !== undefined) throw trouble
        if (lines.length === 0) return { kind: 'absent' }
        const from = question.fromLine - 1
        const some = lines.slice(from, from + question.limit)
        const next = question.fromLine + some.length
        return { kind: 'page', epoch: 1, lines: some, next, end: next > lines.length }
      }
    }
  })
  sealed = sealedRun(rig.key, { commit: 'a'.repeat(40), pipeline: PIPELINE })
  runId = sealed.announcement.runId
  rig.board.addRun(sealed, Date.now())
  rig.board.foldAdvertisement(advertisement('onyx'), rig.bootMs())
  await rig.app.listen({ host: '127.0.0.1', port: 0 })
  base = `http://127.0.0.1:${(rig.app.server.address() as AddressInfo).port}`
  token = (await rig.bearer()).authorization.replace('Bearer ', '')
})

afterEach(() => rig.stop())

/** As a browser asks once it was told a user and a password. */
async function browse(path: string, password: string | undefined = token) {
  const basic = Buffer.from(`lena:${password}`).toString('base64')
  const headers = password === '' ? {} : { authorization: `Basic ${basic}` }
  const reply = await fetch(`${base}${path}`, { headers })
  return { status: reply.status, headers: reply.headers, text: await reply.text() }
}

function says(count: number, text = 'line'): void {
  lines = Array.from({ length: count }, (_, index) => {
    return { number: index + 1, atMs: 0, step: 1, stream: 'out', text: `${text} ${index + 1}` }
  })
}

describe('the page of a run', () => {
  test('shows its jobs with state, attempt, agent and why, and leads to each', async () => {
    rig.board.foldJob(jobLife(sealed, 0, ['peer-onyx', claimed()]), Date.now())
    const { status, text } = await browse(`/runs/${runId}`)

    expect(status).toBe(200)
    expect(text).toContain('<html lang="en">')
    expect(text).toMatch(/<h1>Run \w+ of team\/kernel: .*running<\/h1>/)
    expect(text).toContain(`<a href="../jobs/${runId}.0">lint</a>`)
    expect(text).toContain('<td>1 of 3</td><td>onyx</td>')
    expect(text).toContain('no agent fits; closest is onyx')
  })

  test('of a pipeline file that is wrong says where and what', async () => {
    const wrong = sealedRun(rig.key, { commit: 'b'.repeat(40), pipeline: 'jobs: { build: 1 }\n' })
    rig.board.addRun(wrong, Date.now())
    const { text } = await browse(`/runs/${wrong.announcement.runId}`)

    expect(text).toMatch(/<dt>Error<\/dt><dd>PIPELINE_INVALID: jobs\.build: .*line 1, column/)
    expect(text).toContain('<p>None.</p>')
  })
})

describe('the page of a job', () => {
  test('that waits shows what keeps each host from it, and what would help', async () => {
    const { status, text } = await browse(`/jobs/${runId}.1`)

    expect(status).toBe(200)
    expect(text).toContain('<h2>Why it waits</h2>')
    expect(text).toContain('label gpu: wanted h100')
    expect(text).toContain('add the label gpu: h100 in agent.yaml of onyx')
    expect(text).toContain(`<a href="../runs/${runId}">`)
    expect(text).toContain('Nothing is logged.')
  })

  test('that was lost and has ended shows its attempts, steps, and reason', async () => {
    const failed = { state: 'failed', reason: 'exit_code', exitCode: 2, epoch: 2 } as const
    const deeds = [
      ['peer-onyx', claimed('c1')],
      ['peer-basalt', claimed('c2')],
      ['peer-basalt', completed(failed, 'c2')]
    ] as const
    rig.board.foldJob(jobLife(sealed, 0, ...deeds), Date.now())
    says(3)
    const { text } = await browse(`/jobs/${runId}.0`)

    expect(text).toContain('<td>1</td><td>onyx</td><td>expired</td>')
    expect(text).toContain(`<td><a href="../jobs/${runId}.0/log?epoch=2">log of epoch 2</a></td>`)
    expect(text).toContain('<dt>Exit code</dt><dd>2</dd>')
    expect(text).toContain('<td>make</td><td><span aria-hidden="true">✓ </span>succeeded</td>')
    expect(text).not.toContain('Why it waits')
  })

  test.each([1, 199, 200, 201, 399, 400, 1_000, 12_345])(
    'shows the last lines of a log of %i, read without all that came before',
    async (count) => {
      says(count)
      const { text } = await browse(`/jobs/${runId}.0`)
      const shown = [...text.matchAll(/^(?:<pre[^>]*>)?(\d+) {2}line \1$/gm)].map(([, n]) =>
        Number(n)
      )

      const first = Math.max(1, count - PAGE_LOG_LINES_MAX + 1)
      expect(shown).toEqual(Array.from({ length: count - first + 1 }, (_, index) => first + index))
      expect(asked.length).toBeLessThan(20)
    }
  )

  test('says so where nobody who has the log answers', async () => {
    trouble = new MeshError('LOG_UNAVAILABLE', { job: `${runId}.0`, cause: 'away' })
    const { status, text } = await browse(`/jobs/${runId}.0`)

    expect(status).toBe(200)
    expect(text).toContain('Nobody who has the log answers.')
  })

  test('leads to the whole log, as text that no browser takes for anything else', async () => {
    says(1_234, '<script>alert(1)</script>')
    const { headers, text } = await browse(`/jobs/${runId}.0/log?epoch=1`)

    expect(headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(text.split('\n')).toHaveLength(1_235)
  })
})

describe('what a push or a job says', () => {
  test('is shown as it is and runs nothing', async () => {
    const hostile = `</pre><script>alert('x')</script><img src=x onerror="y">\u202e&amp;`
    says(1, hostile)
    rig.board.foldJob(
      jobLife(sealed, 0, ['peer-onyx', { kind: 'cancel', reason: hostile }]),
      Date.now()
    )
    const { headers, text } = await browse(`/jobs/${runId}.0`)

    expect(text).not.toMatch(/<script|<img|\u202e/)
    expect(text.match(/&#60;script&#62;alert\(&#39;x&#39;\)/g)?.length).toBeGreaterThan(1)
    expect(text).toContain('&#38;amp;')
    const policy = headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'; style-src 'sha256-")
    expect(policy).not.toContain('unsafe')
    expect(text).not.toContain(' style="')
  })
})

describe('who may see a page', () => {
  test('nobody without a token, and is told how to get in', async () => {
    for (const path of [`/runs/${runId}`, `/jobs/${runId}.0`, `/jobs/${runId}.0/log`, '/runs/x']) {
      const { status, headers, text } = await browse(path, '')

      expect(status).toBe(401)
      expect(headers.get('www-authenticate')).toMatch(/^Basic realm="/)
      expect(headers.get('content-type')).toBe('text/html; charset=utf-8')
      expect(text).toContain('gateway token create --scope read')
      expect(text).not.toContain('team/kernel')
    }
  })

  test.each(['rmt_wrong', 'a b', ':'])('nobody with the password %j', async (password) => {
    expect(await browse(`/runs/${runId}`, password)).toMatchObject({ status: 401 })
  })

  test('a program with the same token as for the API, and a head alone', async () => {
    const headers = { authorization: `Bearer ${token}` }
    expect((await fetch(`${base}/runs/${runId}`, { headers })).status).toBe(200)
    const head = await fetch(`${base}/jobs/${runId}.0`, { method: 'HEAD', headers })
    expect([head.status, await head.text()]).toEqual([200, ''])
  })

  test('the password of a page opens nothing that could give an order', async () => {
    const headers = { authorization: `Basic ${Buffer.from(`x:${token}`).toString('base64')}` }
    const reply = await fetch(`${base}/api/v1/runs/${runId}`, { headers })
    expect(reply.status).toBe(401)
  })
})

test('a run and a job that nobody knows are a page as well', async () => {
  for (const path of ['/runs/ZZZZZZ', '/jobs/ZZZZZZ.0', '/jobs/ZZZZZZ.0/log']) {
    const { status, headers, text } = await browse(path)
    expect(status).toBe(404)
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(text).toContain('<h1>Not Found</h1>')
  }
})
