import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AttemptRig } from '../support/attempt-rig.ts'
import { builderImage, containerSource } from '../support/builder-image.ts'
import { DistantRegistry } from '../support/distant-registry.ts'

const SET_UP_MS = 120_000
const TEST_MS = 60_000
const MIB = 1_048_576
const IMAGE = 'runner-mesh-test/builder-push:1'
const NETWORKS = { offer: ['private'], subnets: '10.213.0.0/16', dns: ['1.1.1.1'] } as const

let rig: AttemptRig
let registry: DistantRegistry
let removeImage = (): Promise<void> => Promise.resolve()

beforeAll(async () => {
  registry = await DistantRegistry.open()
  rig = await AttemptRig.open({ builder: true, networks: NETWORKS })
  removeImage = await builderImage(rig.engine, IMAGE)
}, SET_UP_MS)

afterAll(async () => {
  await removeImage()
  await rig?.close()
  await registry?.close()
}, SET_UP_MS)

describe('a builder of images', { timeout: TEST_MS }, () => {
  test('pushes what it has built to the registry that it may reach, and hosts run it', async () => {
    const made = `${registry.host}/team/made:1`
    const run = `buildah bud --quiet --tag ${made} . && buildah push --tls-verify=false ${made}`
    const resources = { cpuMilli: 2_000, memoryBytes: 512 * MIB }
    const built = await rig.run({
      commit: await rig.git.commitTree(containerSource),
      steps: [{ run }],
      spec: { image: IMAGE, builder: true, resources, network: { allow: [registry.host] } }
    })
    expect(built.result, JSON.stringify(built.lines)).toMatchObject({
      outcome: { state: 'succeeded' }
    })

    const nearby = await registry.nearby()
    const image = `${nearby.host}/team/made:1`
    try {
      const steps = [{ run: 'read -r what </what; read -r who </who; echo "$what by $who"' }]
      const { result, lines } = await rig.run({ steps, spec: { image } })
      expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
      expect(lines.filter(({ step }) => step > 0).map(({ text }) => text)).toEqual(['made by 0'])
    } finally {
      await rig.engine.removeImage(image)
      await nearby.close()
    }
  })
})
