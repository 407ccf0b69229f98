import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { GUARD_COMMAND } from '../../agent/execute/guard.ts'
import { nftTable } from '../../agent/execute/network/nft.ts'
import type { NetworkPolicy } from '../../protocol/core/network.ts'
import { AttemptRig } from '../support/attempt-rig.ts'
import { eventually } from '../support/eventually.ts'
import { NetworkBed, WORLD } from './network-bed.ts'
import { byName, compileInto, everyTry, reachedBy, type Try, tooMany } from './network-tries.ts'

const SET_UP_MS = 120_000
const TEST_MS = 60_000
const LIST = { allow: [`${WORLD.internet}:1-100`] }
const NETWORKS = {
  rules: 'holder',
  offer: ['internet', 'private', 'open'],
  subnets: '10.213.0.0/16',
  dns: [WORLD.lan]
} as const

let bed: NetworkBed
let rig: AttemptRig
let tries: readonly Try[]
let commit: string

beforeAll(async () => {
  bed = await NetworkBed.open()
  // Rules of the host would hide what a holder leaves open.
  await bed.clearRules()
  tries = await everyTry(bed)
  rig = await AttemptRig.open({ networks: NETWORKS })
  commit = await rig.git.commitTree(compileInto)
}, SET_UP_MS)

afterAll(async () => {
  await rig?.close()
  await bed?.close()
})

describe("a job's network that a holder has", { timeout: TEST_MS }, () => {
  test('no rule of the host is set', async () => {
    expect(await nftTable().list()).toBeUndefined()
    expect([rig.networks?.rules, rig.networks?.offer]).toEqual(['holder', ['internet', 'names']])
  })

  test('a stranger reaches what the policy says, and nothing else', async () => {
    expect(await reachedBy(rig, commit, tries, 'none')).toEqual([])
    expect(await reachedBy(rig, commit, tries, 'internet')).toEqual([
      'internet',
      'name server',
      'otherInternet',
      'ping internet',
      'ping otherInternet'
    ])
    expect(await reachedBy(rig, commit, tries, LIST)).toEqual(['internet'])
  })

  test('nothing that the owner denies is reached, whatever the policy', async () => {
    const deny = ['5.6.7.0/24', `${WORLD.lan}/32`]
    const strict = await AttemptRig.open({ networks: { ...NETWORKS, deny } })
    onTestFinished(() => strict.close())
    const at = await strict.git.commitTree(compileInto)
    const found = (network: NetworkPolicy) => reachedBy(strict, at, tries, network)

    // The owner's name server is named by the owner, too.
    expect(await found('internet')).toEqual(['internet', 'name server', 'ping internet'])
    const both = [`${WORLD.internet}:80`, `${WORLD.otherInternet}:80`]
    expect(await found({ allow: both })).toEqual(['internet'])
  })

  test('no more connections are open than may be, and a neighbour opens some', async () => {
    expect(await tooMany(rig, commit)).toEqual(['taken 10'])
  })

  test("it asks names of the owner's servers alone, and of none under a list", async () => {
    const steps = [{ run: 'nslookup a.example 2>&1 | grep -o 1.2.3.4 || echo nothing' }]
    const asked = await rig.run({ steps, spec: { network: 'internet' } })
    const listed = await rig.run({ steps, spec: { network: LIST } })

    expect(asked.lines.map(({ text }) => text)).toEqual([WORLD.internet])
    expect(listed.lines.map(({ text }) => text)).toEqual(['nothing'])
  })

  test('hosts are reached by the names that a list has, through its proxy alone', async () => {
    expect(await byName(rig)).toEqual(['by its name'])
  })

  test.each(['trusted', 'untrusted'] as const)('changes nothing of it (%s)', async (trust) => {
    const tries = [
      'ip route add 10.0.0.0/8 dev eth0',
      'ip address add 10.9.9.10/32 dev eth0',
      'ip link set eth0 down',
      'ip route del default'
    ]
    const run = tries.map((one) => `${one} 2>&1 && echo "changed by ${one}"`).join('\n')
    const { lines } = await rig.run({
      trust,
      steps: [{ run: `${run}\necho end` }],
      spec: { network: 'internet' }
    })
    const said = lines.map(({ text }) => text)
    expect(said.filter((text) => /not permitted/.test(text))).toHaveLength(tries.length)
    expect(said.filter((text) => /^changed/.test(text))).toEqual([])
  })

  test.each<NetworkPolicy>(['open', { allow: ['10.9.9.9:80'] }])('refuses %s', async (network) => {
    const { result } = await rig.run({ spec: { network } })
    expect(result).toMatchObject({ kind: 'interrupted', userCodeRan: false })
    expect(await rig.left()).toEqual([])
  })

  test('its end is the end of the job, as of the host; nothing is left', async () => {
    const attempt = await rig.start({
      steps: [{ run: 'echo on; sleep 60' }],
      spec: { network: 'internet' }
    })
    await eventually('it runs', () => attempt.lines.length > 0)
    const holder = { 'runner-mesh.peer': rig.peerId, 'runner-mesh.profile': 'holder' }
    const [found] = await rig.engine.containers(holder)
    await rig.engine.kill(found?.id ?? '', 'SIGKILL')

    expect(await attempt.result).toMatchObject({
      ...{ kind: 'interrupted', reason: 'sandbox_failed', fault: 'host' },
      message: expect.stringContaining('holder of its network has ended')
    })
    expect(await rig.left()).toEqual([])
  })

  test('it is a container with one right, which ends with the lease of its job', async () => {
    const attempt = await rig.start({
      steps: [{ run: 'echo on; sleep 60' }],
      spec: { network: 'internet' }
    })
    await eventually('it runs', () => attempt.lines.length > 0)
    const holder = { 'runner-mesh.peer': rig.peerId, 'runner-mesh.profile': 'holder' }
    const [found] = await rig.engine.containers(holder)
    const seen = await rig.engine.inspect(found?.id ?? '')
    const survivors = await rig.executor.survivors()
    attempt.abort('cancelled')
    await attempt.result

    expect(seen?.hostConfig).toMatchObject({
      ...{ CapDrop: ['ALL'], Privileged: false, ReadonlyRootfs: true },
      ...{ PidsLimit: 16, Memory: 16_777_216 }
    })
    const [only] = (seen?.hostConfig['CapAdd'] ?? []) as readonly string[]
    expect(only?.replace('CAP_', '')).toBe('NET_ADMIN')
    expect(seen?.config['Entrypoint']).toEqual(GUARD_COMMAND)
    // Whoever goes on with the job after a restart goes on with the job's own.
    expect(survivors).toHaveLength(1)
  })
})
