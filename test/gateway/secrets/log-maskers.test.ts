import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { LogMaskers } from '../../../gateway/secrets/log-maskers.ts'
import { SecretStore } from '../../../gateway/secrets/secret-store.ts'
import type { LogLine } from '../../../protocol/core/log-line.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { temporaryFolder } from '../../support/gateway-rig.ts'
import { sealedRun } from '../../support/run-life.ts'

const PIPELINE =
  'jobs: { a: { image: x, secrets: [TOKEN], steps: [{ run: a }] }, b: { image: x, steps: [{ run: b }] } }\n'
const sealed = sealedRun(generateKey(), { commit: 'a'.repeat(40), pipeline: PIPELINE })
const [first, second] = [`${sealed.announcement.runId}.0`, `${sealed.announcement.runId}.1`]
const line = (text: string): LogLine => ({ number: 1, atMs: 0, step: 1, stream: 'out', text })

async function rig() {
  const folder = await temporaryFolder()
  onTestFinished(() => folder.remove())
  const files = { file: join(folder.dir, 's.json'), keyFile: join(folder.dir, 's.key') }
  const store = new SecretStore(files)
  const set = async (value: string): Promise<void> => {
    const place = { repository: 'team/kernel', name: 'TOKEN' }
    const rules = { events: ['push'], branches: [], images: [] }
    await store.set(new FakeClock(), place, rules, Buffer.from(value))
  }
  const maskers = new LogMaskers({ store, sealedOf: () => sealed, log: silentLog() })
  const textOf = async (job: string, text: string): Promise<string | undefined> =>
    (await maskers.masked(job, [line(text)]))[0]?.text
  return { set, maskers, textOf }
}

test('lines of a job are masked with the secrets that it names, and of no other job', async () => {
  const { set, textOf } = await rig()
  await set('hunter22')

  expect(await textOf(first, 'a hunter22 and aHVudGVyMjI= b')).toBe('a *** and ***I= b')
  expect(await textOf(second, 'a hunter22 b')).toBe('a hunter22 b')
})

test('a value that is set anew is masked from its first release on', async () => {
  const { set, textOf, maskers } = await rig()
  await set('hunter22')
  expect(await textOf(first, 'hunter22')).toBe('***')
  await set('correct horse')

  maskers.forget(first)

  expect(await textOf(first, 'correct horse')).toBe('***')
})
