import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { webhookHeaders } from './standard-webhook.ts'

/** Milliseconds that a sender waits after 503 before it sends the same again. */
const AGAIN_MS = 100

/** One delivery of bare Git's hook. */
export interface FloodDelivery {
  readonly id: string
  readonly repository: string
  readonly commit: string
}

export interface FloodAnswer {
  readonly delivery: FloodDelivery
  readonly status: number
  readonly verdict: string
  readonly run: string
  /** From when it was to be sent, waits for a free connection included, to the whole answer. */
  readonly ms: number
  /** Times that it was refused before, as too much. */
  readonly refused: number
}

export interface FloodOptions {
  readonly url: string
  readonly secret: string
  readonly connections: number
  /** Deliveries a second; as fast as the answers come where absent. */
  readonly perSecond?: number | undefined
}

/**
 * Each push several times: as it was first sent, once more with its id, and under ids that nobody
 * knows. They stand side by side, so that they meet on their way.
 */
export function floodOf(
  pushes: readonly Pick<FloodDelivery, 'repository' | 'commit'>[],
  times: number
): readonly FloodDelivery[] {
  return pushes.flatMap((push) => {
    const id = randomUUID()
    return Array.from({ length: times }, (_, index) => ({
      ...push,
      id: index < 2 ? id : randomUUID()
    }))
  })
}

/** Sends all of them over that many connections; each is sent again until it is not refused. */
export async function flood(
  deliveries: readonly FloodDelivery[],
  options: FloodOptions
): Promise<readonly FloodAnswer[]> {
  const startMs = performance.now()
  const { perSecond, connections } = options
  const answers: FloodAnswer[] = []
  let next = 0
  const connection = async (): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let index = next++; index < deliveries.length; index = next++) {
      const delivery = deliveries[index]
      if (delivery === undefined) break
      const now = performance.now()
      const dueMs = perSecond === undefined ? now : startMs + (index * 1_000) / perSecond
      if (dueMs > now) await pause(dueMs - now)
      // A timer may be early: nothing is answered before it was sent.
      const fromMs = Math.min(dueMs, performance.now())
      answers.push(await sent(delivery, options, agent, fromMs))
    }
    agent.destroy()
  }
  await Promise.all(Array.from({ length: connections }, connection))
  return answers
}

async function sent(
  delivery: FloodDelivery,
  options: FloodOptions,
  agent: Agent,
  firstMs: number
): Promise<FloodAnswer> {
  for (let refused = 0, fromMs = firstMs; ; refused += 1, fromMs = performance.now()) {
    const { status, text } = await post(delivery, options, agent)
    if (status === 503) {
      await pause(AGAIN_MS)
      continue
    }
    const { verdict = '', run = '' } = JSON.parse(text) as { verdict?: string; run?: string }
    return { delivery, status, verdict, run: run ?? '', ms: performance.now() - fromMs, refused }
  }
}

function post(
  { id, repository, commit }: FloodDelivery,
  { url, secret }: FloodOptions,
  agent: Agent
): Promise<{ readonly status: number; readonly text: string }> {
  const time = new Date().toISOString()
  const before = '0'.repeat(40)
  const push = { repository, ref: 'refs/heads/main', before, after: commit, pusher: 'lena', time }
  const body = JSON.stringify(push)
  const seconds = Math.floor(Date.now() / 1_000)
  const headers = {
    ...webhookHeaders({ secret, id, seconds, body }),
    'content-length': String(Buffer.byteLength(body))
  }
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: 'POST', agent, headers }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString('utf8') })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

/** Commits in a row on main of that bare repository, each with this one file; their ids. */
export async function importCommits(
  bare: string,
  file: { readonly path: string; readonly text: string },
  count: number
): Promise<readonly string[]> {
  const marks = join(bare, 'flood.marks')
  const blob = `blob\nmark :1\ndata ${Buffer.byteLength(file.text)}\n${file.text}\n`
  const commits = Array.from({ length: count }, (_, index) => {
    const who = `committer Test <test@example.org> ${1_767_225_600 + index} +0000`
    const title = `push ${randomUUID()}`
    const mark = `commit refs/heads/main\nmark :${index + 2}\n`
    const head = `${mark}${who}\ndata ${title.length}\n${title}\n`
    return `${head}${index === 0 ? 'deleteall\n' : ''}M 100644 :1 ${file.path}\n\n`
  })
  const git = spawn(
    'git',
    ['--git-dir', bare, 'fast-import', '--quiet', '--force', `--export-marks=${marks}`],
    { stdio: ['pipe', 'ignore', 'inherit'] }
  )
  git.stdin.end(`${blob}${commits.join('')}`)
  const code = await new Promise((resolve) => {
    git.on('close', resolve)
  })
  if (code !== 0) throw new Error(`git fast-import ended with ${String(code)}`)
  const text = await readFile(marks, 'utf8')
  await rm(marks)
  const ids = new Map(
    text
      .trim()
      .split('\n')
      .map((line) => line.split(' ') as [string, string])
  )
  return Array.from({ length: count }, (_, index) => ids.get(`:${index + 2}`) ?? '')
}
