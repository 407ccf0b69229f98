import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { releasesOf } from '../../agent/claim/holder-parts.ts'
import { SecretClient } from '../../agent/secrets/secret-client.ts'
import { type LeaseRead, SecretService } from '../../gateway/secrets/secret-service.ts'
import { SecretStore } from '../../gateway/secrets/secret-store.ts'
import { SOURCE_ACCESS } from '../../protocol/core/source-access.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { systemRandom } from '../../protocol/host/random.ts'
import { PROTOCOLS } from '../../protocol/wire/ids.ts'
import { generateKey } from '../../protocol/wire/keys.ts'
import { decodeSecretsReply, encodeSecretsRequest } from '../../protocol/wire/secrets-codec.ts'
import { temporaryFolder } from '../support/gateway-rig.ts'
import { TestMesh } from '../support/mesh-nodes.ts'
import { claimed, jobLife, sealedRun } from '../support/run-life.ts'

/* Real keys, a real store and real streams; only the register's answer is given. */

const PIPELINE =
  'jobs: { build: { image: x, secrets: [A_TOKEN, A_KEY], steps: [{ run: make }] } }\n'
const CLAIM = '1'.repeat(32)
const gatewayKey = generateKey()
const sealed = sealedRun(gatewayKey, { commit: 'a'.repeat(40), pipeline: PIPELINE })
const job = `${sealed.announcement.runId}.0`
const clock = systemClock()

const mesh = new TestMesh()
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let holder = ''

beforeAll(async () => {
  folder = await temporaryFolder()
  const [file, keyFile] = [join(folder.dir, 's.json'), join(folder.dir, 's.key')]
  const store = new SecretStore({ file, keyFile })
  const rules = { events: ['push'], branches: ['main'], images: [] }
  for (const [name, value] of [
    ['A_TOKEN', 'hunter22'],
    ['A_KEY', 'k'.repeat(16_384)]
  ] as const) {
    await store.set(clock, { repository: 'team/kernel', name }, rules, Buffer.from(value))
  }
  const readJob = async (): Promise<LeaseRead> => ({
    kind: 'chosen',
    state: jobLife(sealed, 0, [holder, claimed(CLAIM)]),
    leaseRemainingMs: 9_000
  })
  const service = new SecretService({
    store,
    isAgent: () => true,
    sealedOf: () => sealed,
    readJob,
    isolationOf: () => undefined,
    configure: async () => undefined,
    sourceOf: async () => ({ kind: 'password', user: 'git', password: 'hunter33' }),
    onReleased: () => undefined,
    clock,
    log: silentLog()
  })
  const prepare = (node: { handle: (protocol: string, handler: typeof service.handle) => void }) =>
    node.handle(PROTOCOLS.secrets, service.handle)
  await mesh.addHost({ key: gatewayKey, prepare })
  await mesh.addHost()
  await mesh.addHost()
  await mesh.admitAll()
  await mesh.linked()
  holder = mesh.host(1).key.peerId
})

afterAll(async () => {
  await mesh.stop()
  await folder.remove()
})

function clientOf(index: number): SecretClient {
  const { node } = mesh.host(index)
  return new SecretClient({
    send: async (gateway, request) => {
      const body = encodeSecretsRequest(request)
      const options = { timeoutMs: 10_000 }
      return decodeSecretsReply(await node.request(gateway, PROTOCOLS.secrets, body, options))
    },
    clock,
    random: systemRandom(),
    log: silentLog()
  })
}

const order = { gateway: gatewayKey.peerId, job, epoch: 1, claimId: CLAIM }

test('the holder of the lease gets the values that its job names', async () => {
  const names = ['A_TOKEN', 'A_KEY']
  const secrets = await clientOf(1).release({ ...order, names }, AbortSignal.timeout(10_000))

  expect(secrets.map(({ name, value }) => [name, Buffer.from(value).toString()])).toEqual([
    ['A_TOKEN', 'hunter22'],
    ['A_KEY', 'k'.repeat(16_384)]
  ])
})

test('and, by the same way, at its source', async () => {
  const state = jobLife(sealed, 0, [holder, claimed(CLAIM)])
  const [spec] = sealed.announcement.manifest.jobs
  if (spec === undefined) throw new Error('no job')
  const won = { jobId: job, claimId: CLAIM, spec, sealed, state, startedAtMs: 0 }
  const { releaseSource } = releasesOf({ secrets: clientOf(1) }, won)

  expect(await releaseSource?.(AbortSignal.timeout(10_000))).toEqual({
    kind: 'password',
    user: 'git',
    password: 'hunter33'
  })
})

test.each(['A_TOKEN', SOURCE_ACCESS])(
  'another agent that says the same of the lease does not get %s',
  async (name) => {
    const stop = new AbortController()
    const wanted = clientOf(2).release({ ...order, names: [name] }, stop.signal)
    const { node } = mesh.host(2)
    const request = { job, epoch: 1, claimId: CLAIM, nonce: '2'.repeat(32), names: [name] }
    const body = encodeSecretsRequest(request)
    const answer = await node.request(order.gateway, PROTOCOLS.secrets, body, { timeoutMs: 10_000 })
    stop.abort('enough')

    expect(decodeSecretsReply(answer)).toMatchObject({ kind: 'refused', reason: 'not_holder' })
    await expect(wanted).rejects.toBe('enough')
  }
)

test('a name that the job does not have is refused to its holder, too', async () => {
  const wanted = clientOf(1).release({ ...order, names: ['B_TOKEN'] }, AbortSignal.timeout(10_000))

  await expect(wanted).rejects.toMatchObject({ code: 'SECRET_REFUSED' })
})
