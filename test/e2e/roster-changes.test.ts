import { afterEach, expect, test } from 'vitest'
import { Judge } from '../../deploy/demo/judge.ts'
import { eventually } from '../../deploy/demo/process.ts'
import type { LeaseProfileName } from '../../protocol/core/roster.ts'
import { E2eMesh, pipelineOf } from '../support/e2e-mesh.ts'

let e2e: E2eMesh | undefined
let judge: Judge | undefined
afterEach(async () => {
  judge?.stop()
  await e2e?.stop()
})

/** Three witnesses, the gateway none of them; two of the agents can be lost. */
async function threeWitnesses(lease: LeaseProfileName): Promise<E2eMesh> {
  e2e = await E2eMesh.start({ lease, gatewayWitness: false })
  judge = await Judge.start(e2e.peerIds)
  return e2e
}

/** A host more that is a witness, not started yet. */
async function newWitness({ mesh }: E2eMesh): Promise<number> {
  const index = await mesh.newHost()
  const part = mesh.agents[index]
  if (part === undefined) throw new Error('no such host')
  await mesh.join(part, await mesh.invite('--role', 'agent', '--witness'))
  return index
}

async function logHas(name: string, text: string): Promise<void> {
  await eventually(`${name} says: ${text}`, async () => {
    return (await e2e?.logOf(name))?.includes(text) || undefined
  })
}

async function witnessEpoch({ mesh }: E2eMesh): Promise<number> {
  const { roster } = await mesh.agentJson<{ roster: { witnessEpoch: number } }>(0, 'status')
  return roster.witnessEpoch
}

test('a job whose witness is gone for good moves, and ends as the attempt that it was', async () => {
  // A machine that is busy with other things must not be what ends a lease of three seconds.
  const all = await threeWitnesses('default')
  const { mesh } = all
  // Long enough for a host to join, and for what follows.
  const script = 'i=0; while [ $i -lt 400 ]; do echo "line $i"; i=$((i + 1)); sleep 0.1; done'
  const run = await all.push(pipelineOf(1, script, 'agent-2'))
  const job = `${run.id}.0`
  await eventually('the job runs', async () => (await all.log(job)).includes('line 5') || undefined)

  await mesh.daemon('agent-3').kill('SIGKILL')
  const index = await newWitness(all)
  mesh.startAgent(index)
  const unseated = await mesh.agent(0, 'unseat', 'agent-3', '--json')
  expect(unseated).toMatchObject({ code: 0 })
  await logHas('agent-2', 'job moved')
  const [ended] = await all.ended(run.id, 1, 120_000)

  expect(ended).toMatchObject({ state: 'succeeded', epoch: 1 })
  expect(judge?.startsOf(job)).toHaveLength(1)
  expect(await all.log(job)).toContain('line 399')
  await all.clean()
}, 300_000)

test('a host that is revoked is cut off, and its job goes to another one', async () => {
  const all = await threeWitnesses('default')
  const { mesh } = all
  // The host that signs cannot revoke itself, so it must not be the one that has the job.
  expect(await mesh.agent(0, 'drain')).toMatchObject({ code: 0 })
  const script = 'i=0; while [ $i -lt 600 ]; do echo "line $i"; i=$((i + 1)); sleep 0.1; done'
  const run = await all.push(pipelineOf(1, script))
  const job = `${run.id}.0`
  await eventually('the job runs', async () => (await all.log(job)).includes('line 5') || undefined)
  const holder = (await all.jobs(run.id))[0]?.holder ?? ''
  expect(['agent-2', 'agent-3']).toContain(holder)

  const revoked = await mesh.agent(0, 'revoke', holder, '--json')
  expect(revoked).toMatchObject({ code: 0 })
  expect(JSON.parse(revoked.stdout)).toMatchObject({ revoked: [{ name: holder }], pushed: true })
  const [ended] = await all.ended(run.id, 1, 240_000)

  const other = holder === 'agent-2' ? 'agent-3' : 'agent-2'
  expect(ended).toMatchObject({ state: 'succeeded', epoch: 2, holder: other })
  expect(judge?.overlapsOf(job)).toEqual([])
  const { peers } = await mesh.agentJson<{ peers: { name: string }[] }>(0, 'status')
  expect(peers.map(({ name }) => name)).not.toContain(holder)
  await all.clean()
}, 400_000)

test('after the loss of two of three witnesses a run begins anew, once it is given up', async () => {
  const all = await threeWitnesses('short')
  const { mesh } = all
  const epoch = await witnessEpoch(all)
  const run = await all.push(
    pipelineOf(1, 'for i in 1 2 3 4 5 6 7 8; do echo "n $i"; sleep 1; done', 'agent-1')
  )
  const job = `${run.id}.0`
  await eventually('the job runs', async () => (await all.log(job)).includes('n 2') || undefined)

  for (const name of ['agent-2', 'agent-3']) await mesh.daemon(name).kill('SIGKILL')
  const without = ['--without', 'agent-2', '--without', 'agent-3']
  const asked = await mesh.agent(0, 'reseal', '--epoch', `${epoch}`, ...without)
  expect(asked.code).toBe(2)
  expect(asked.stderr).toMatch(/may run a second time/)
  const given = await mesh.agent(0, 'reseal', '--epoch', `${epoch}`, ...without, '--yes')
  expect(given).toMatchObject({ code: 0 })
  await logHas('gateway', 'run begins anew')
  const [ended] = await all.ended(run.id, 1, 120_000)

  expect(ended).toMatchObject({ state: 'succeeded', epoch: 1 })
  // Once before the loss, once after it, and never both at a time.
  expect(judge?.startsOf(job)).toHaveLength(2)
  expect(judge?.overlapsOf(job)).toEqual([])
  const lines = (await all.log(job)).split('\n').filter((line) => line.includes('n 1'))
  expect(lines).toHaveLength(1)
  await all.clean()
}, 300_000)
