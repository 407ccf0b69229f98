import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { LogMaskers } from '../../../gateway/secrets/log-maskers.ts'
import { SecretStore } from '../../../gateway/secrets/secret-store.ts'
import type { LogLine } from '../../../protocol/core/log-line.ts'
import { SECRETS_PER_JOB_BYTES_MAX } from '../../../protocol/core/secret-limits.ts'
import { createLog } from '../../../protocol/host/log.ts'
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
  const place = { repository: 'team/kernel', name: 'TOKEN' }
  const set = async (value: string): Promise<void> => {
    const rules = { events: ['push'], branches: [], images: [] }
    await store.set(new FakeClock(), place, rules, Buffer.from(value))
  }
  const setLogin = async (value: string): Promise<void> => {
    const rules = { events: ['push'], branches: [], images: [] }
    const login = { ...place, registry: 'registry.example' }
    await store.set(new FakeClock(), login, rules, Buffer.from(value))
  }
  const said: unknown[] = []
  const stream = { write: (text: string) => void said.push(JSON.parse(text)) }
  const log = createLog({ name: 'gateway', level: 'warn', stream })
  const sealedOf = (runId: string) => (runId === sealed.announcement.runId ? sealed : undefined)
  const hiddenOf = async () => []
  const maskers = new LogMaskers({ store, sealedOf, hiddenOf, log })
  /** As after a start of the gateway. */
  const anew = () => new LogMaskers({ store: new SecretStore(files), sealedOf, hiddenOf, log })
  const textOf = async (job: string, text: string): Promise<string | undefined> =>
    (await maskers.masked(job, [line(text)]))?.[0]?.text
  return { set, setLogin, remove: () => store.remove(place), maskers, anew, textOf, said, files }
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

test('without its key no line is let through, which is said once, and with it again all are', async () => {
  const { set, textOf, said, files } = await rig()
  await set('hunter22')
  await rename(files.keyFile, `${files.keyFile}.away`)

  expect(await textOf(first, 'hunter22')).toBeUndefined()
  expect(await textOf(first, 'hunter22')).toBeUndefined()
  expect(said).toEqual([expect.objectContaining({ job: first, code: 'STATE_ABSENT' })])

  await rename(`${files.keyFile}.away`, files.keyFile)
  expect(await textOf(first, 'hunter22')).toBe('***')
})

test('no line is let through where the list of secrets cannot be read', async () => {
  const { set, textOf, files } = await rig()
  await set('hunter22')
  await writeFile(files.file, 'not a list of secrets')

  expect(await textOf(first, 'hunter22')).toBeUndefined()
  expect(await textOf(second, 'hunter22')).toBe('hunter22')

  await rm(files.file)
  await set('hunter22')
  expect(await textOf(first, 'hunter22')).toBe('***')
})

test('a secret that was removed holds no line back', async () => {
  const { set, remove, textOf, said } = await rig()
  await set('hunter22')
  await remove()

  expect(await textOf(first, 'hunter22')).toBe('hunter22')
  expect(said).toEqual([])
})

test('no line is let through of a job whose secrets are not known', async () => {
  const { set, maskers } = await rig()
  await set('hunter22')

  expect(await maskers.masked('another-run.0', [line('hunter22')])).toBeUndefined()
  expect(await maskers.masked('another-run.0', [])).toEqual([])
})

test('values that are too large together to be released are not made a masker of', async () => {
  const { set, textOf, said } = await rig()
  await set('x'.repeat(SECRETS_PER_JOB_BYTES_MAX + 1))

  expect(await textOf(first, 'a line')).toBeUndefined()
  expect(said).toEqual([expect.objectContaining({ code: 'SECRET_REFUSED' })])
})

test('a gateway that started again masks what a job was given before the value changed', async () => {
  const { set, anew } = await rig()
  await set('hunter22')
  await set('correct horse')

  const lines = await anew().masked(first, [line('hunter22 and correct horse')])
  expect(lines?.map(({ text }) => text)).toEqual(['*** and ***'])
})

test('the password of a login is masked by itself, too', async () => {
  const { setLogin, textOf } = await rig()
  await setLogin('ci:hunter22')

  expect(await textOf(first, 'a hunter22 b ci:hunter22')).toBe('a *** b ***')
})

test('values before the last one hold nothing back where there is no room for them', async () => {
  const { set, anew } = await rig()
  await set('hunter22')
  await set('y'.repeat(SECRETS_PER_JOB_BYTES_MAX - 4))

  const lines = await anew().masked(first, [line('hunter22')])
  expect(lines?.map(({ text }) => text)).toEqual(['hunter22'])
})
