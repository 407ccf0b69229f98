import { expect, test } from 'vitest'
import type { Console } from '../../../agent/cli/console.ts'
import { renderWhy } from '../../../agent/cli/render-why.ts'
import { whyDocument } from '../../../protocol/api/why-document.ts'
import type { WhyDocument } from '../../../protocol/api/why-schema.ts'
import { advertisement, controlParts, RUN } from '../../support/control-parts.ts'
import { plainDigest } from '../../support/plain-digest.ts'

const plain: Console = {
  out: () => undefined,
  err: () => undefined,
  paint: (_colour, text) => text,
  columns: undefined,
  unicode: true
}

function why(change: Parameters<typeof advertisement>[1] = {}): WhyDocument {
  const parts = controlParts()
  for (const name of ['onyx', 'basalt']) {
    parts.board.forgetAgent(`peer-${name}`)
    parts.board.foldAdvertisement(advertisement(name, change), parts.clock.bootMs())
  }
  const job = parts.board.job(`${RUN}.0`)
  if (job === undefined) throw new Error('the board has the job')
  return whyDocument(job, parts, plainDigest())
}

test('each requirement is a row and each host a column, with what it has', () => {
  const lines = renderWhy(why(), plain).split('\n')
  expect(lines[0]).toMatch(/^7K3QF2\.0 .* · queued \d/)
  expect(lines[1]).toMatch(/^a claim is due from basalt, onyx$/)
  const table = lines.slice(3)
  expect(table[0]).toMatch(/^NEEDS +basalt +onyx$/)
  expect(table.find((line) => line.startsWith('cpu'))).toMatch(/^cpu \S+ +✓ 4 +✓ 4$/)
  expect(table.find((line) => line.startsWith('takes jobs'))).toMatch(/✓ idle +✓ idle/)
  expect(renderWhy(why(), plain)).not.toContain('fix:')
})

test('what passes says so, what does not has a way out', () => {
  const none = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, jobs: 0 }
  expect(renderWhy(why({ free: none }), plain)).toMatch(/free cpu \S+ +… 0, passes/)
  const text = renderWhy(why({ platforms: [] }), { ...plain, unicode: false })
  expect(text).toContain('it will not resolve by itself')
  expect(text).toMatch(/platform any native +x none/)
  expect(text).toMatch(/\nfix: add a host of /)
})

test('of many hosts those that come closest are shown, and the rest counted', () => {
  const document = why()
  const hosts = Array.from({ length: 9 }, (_, index) => {
    return { ...document.hosts[0], name: `h${index}` } as WhyDocument['hosts'][number]
  })
  const text = renderWhy({ ...document, hosts }, plain)
  expect(text).toMatch(/h0 +h1 +h2 +h3\n/)
  expect(text).toContain('and 5 more hosts: `agent why 7K3QF2.0 --json`')
})

test('of a job that runs there is nothing to show but what it does', () => {
  const document = { ...why(), waits: false, hosts: [] }
  const job = { ...document.job, state: 'running', why: '' } as const
  expect(renderWhy({ ...document, job }, plain)).toMatch(/· running .*\nit waits for no host\n$/)
})

test('of a job that is held back it is said where no host could take it afterwards', () => {
  const document = { ...why({ platforms: [] }) }
  const job = { ...document.job, why: 'needs lint, which runs' }
  const text = renderWhy({ ...document, job }, plain)
  expect(text).toContain('\nneeds lint, which runs; no known host could take it then\n')
})
