import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type {
  NetworkView,
  OwnedContainer,
  OwnedThing
} from '../../../agent/execute/engine-types.ts'
import { GROUND_DIR } from '../../../agent/execute/ground.ts'
import {
  clearClaim,
  type ReapingParts,
  reap,
  reapTrials,
  TRIAL_LABEL
} from '../../../agent/execute/reaping.ts'

const PEER = 'onyx'

let root = ''
let owned: Set<string>
let containers: OwnedContainer[]
let volumes: OwnedThing[]
let networks: NetworkView[]
let images: OwnedThing[]
let onRemove: (id: string) => Promise<void>
let asked: Record<string, string>[]
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'runner-mesh-reap-'))
  owned = new Set()
  containers = []
  volumes = []
  images = []
  networks = []
  asked = []
  onRemove = () => Promise.resolve()
})
afterEach(() => rm(root, { recursive: true, force: true }))

const matching = <T extends OwnedThing>(things: readonly T[], labels: Record<string, string>) =>
  things.filter((thing) =>
    Object.entries(labels).every(([key, value]) => thing.labels[key] === value)
  )

/** An engine of a few labelled things. */
const engine: ReapingParts['engine'] & Parameters<typeof reapTrials>[0] = {
  containers: async (labels) => {
    asked.push({ ...labels })
    return matching(containers, labels)
  },
  networks: async (labels) => matching(networks, labels),
  volumes: async (labels) => matching(volumes, labels),
  images: async (labels) => matching(images, labels).map(({ name }) => name),
  removeImage: async (id) => {
    images = images.filter((one) => one.name !== id)
    return true
  },
  remove: async (id) => {
    await onRemove(id)
    containers = containers.filter((one) => one.id !== id)
    return true
  },
  removeNetwork: async (id) => {
    networks = networks.filter((one) => one.id !== id)
    return true
  },
  removeVolume: async (name) => {
    volumes = volumes.filter((one) => one.name !== name)
    return true
  }
}

function thing(name: string, claim: string, peer = PEER): OwnedContainer {
  const labels = { 'runner-mesh.peer': peer, 'runner-mesh.claim': claim, 'runner-mesh.job': 'j.0' }
  return { id: `id-${name}`, name, labels, running: false }
}

function network(name: string, claim: string, peer = PEER): NetworkView {
  const { id, labels } = thing(name, claim, peer)
  const kind = { driver: 'bridge', scope: 'local', internal: false, attachable: false, ipv6: false }
  return { id, name, labels, ...kind, subnets: [], options: {} }
}

function trialThing(name: string, peer = PEER): OwnedContainer {
  return { id: `id-${name}`, name, labels: { [TRIAL_LABEL]: peer }, running: false }
}

const parts = (): ReapingParts => ({
  engine,
  peerId: PEER,
  workspaces: join(root, 'workspaces'),
  leases: join(root, 'leases'),
  owned: async () => owned,
  limitMs: 100
})

async function folders(...paths: readonly string[]): Promise<void> {
  for (const path of paths) await mkdir(join(root, path), { recursive: true })
}

const names = async (folder: string): Promise<string[]> =>
  (await readdir(join(root, folder))).sort()

describe('the reaper', () => {
  test('removes what is this agent’s and nobody’s', async () => {
    owned.add('kept').add('waiting')
    containers = [thing('a', 'lost'), thing('b', 'kept'), thing('c', 'lost', 'somebody')]
    volumes = [thing('va', 'lost'), thing('vb', 'kept'), thing('vc', 'lost', 'somebody')]
    networks = [network('na', 'lost'), network('nb', 'kept'), network('nc', 'lost', 'somebody')]
    await folders(`workspaces/${GROUND_DIR}`, 'workspaces/lost', 'workspaces/kept')
    // A lease is held before its container is made.
    await folders('leases/J.0-lost', 'leases/J.1-kept', 'leases/J.2-waiting')

    expect(await reap(parts())).toEqual(['a'])
    expect(containers.map(({ name }) => name)).toEqual(['b', 'c'])
    expect(volumes.map(({ name }) => name)).toEqual(['vb', 'vc'])
    expect(networks.map(({ name }) => name)).toEqual(['nb', 'nc'])
    expect(await names('workspaces')).toEqual([GROUND_DIR, 'kept'])
    expect(await names('leases')).toEqual(['J.1-kept', 'J.2-waiting'])
    expect(asked.every((labels) => labels['runner-mesh.peer'] === PEER)).toBe(true)
  })

  test('asks right before each removal who owns it: a claim may begin while it works', async () => {
    containers = [thing('a', 'lost')]
    onRemove = async () => {
      owned.add('new')
      containers.push(thing('b', 'new'))
      volumes.push(thing('vb', 'new'))
      await folders('workspaces/new', 'leases/J.0-new')
    }

    expect(await reap(parts())).toEqual(['a'])
    expect(containers.map(({ name }) => name)).toEqual(['b'])
    expect(volumes.map(({ name }) => name)).toEqual(['vb'])
    expect(await names('workspaces')).toEqual(['new'])
    expect(await names('leases')).toEqual(['J.0-new'])
  })

  test('removes the container that it saw, not a later one of the same name', async () => {
    const removed: string[] = []
    containers = [{ ...thing('same', 'lost'), id: 'old' }]
    onRemove = async (id) => void removed.push(id)
    await reap(parts())

    expect(removed).toEqual(['old'])
  })

  test('leaves the lease folder of a container that cannot be removed, and says so', async () => {
    containers = [thing('stuck', 'lost'), thing('free', 'gone')]
    onRemove = (id) =>
      id === 'id-stuck' ? Promise.reject(new Error('resource busy')) : Promise.resolve()
    await folders('leases/J.0-lost', 'leases/J.1-gone', 'workspaces/lost')

    await expect(reap(parts())).rejects.toThrow(/container stuck is left: resource busy/)
    expect(containers.map(({ name }) => name)).toEqual(['stuck'])
    expect(await names('leases')).toEqual(['J.0-lost'])
    expect(await names('workspaces')).toEqual([])
  })

  test('finds nothing where there were never any folders', async () => {
    expect(await reap(parts())).toEqual([])
  })
})

test('one claim is cleared alone: its containers, nobody else’s', async () => {
  containers = [thing('a', 'mine'), thing('b', 'other'), thing('c', 'mine', 'somebody')]
  await clearClaim(parts(), 'mine')

  expect(containers.map(({ name }) => name)).toEqual(['b', 'c'])
})

describe('what trials leave', () => {
  test('removes what trials of this agent have left, of no other, and nothing of jobs', async () => {
    containers = [trialThing('old'), trialThing('other', 'somebody'), thing('job', 'kept')]
    images = [trialThing('sha256:1'), trialThing('sha256:2', 'somebody')]

    expect(await reapTrials(engine, PEER)).toEqual(['old'])
    expect(containers.map(({ name }) => name)).toEqual(['other', 'job'])
    expect(images.map(({ name }) => name)).toEqual(['sha256:2'])
  })

  test('goes on where one thing of a trial cannot be removed', async () => {
    containers = [trialThing('stuck'), trialThing('free')]
    images = [trialThing('sha256:1')]
    onRemove = (id) => (id === 'id-stuck' ? Promise.reject(new Error('busy')) : Promise.resolve())

    expect(await reapTrials(engine, PEER)).toEqual(['free'])
    expect(images).toEqual([])
  })
})
