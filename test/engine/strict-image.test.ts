import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { busyboxRoot } from '../../deploy/base-image.ts'
import { AttemptRig } from '../support/attempt-rig.ts'
import { testImage } from '../support/test-image.ts'

const TEST_MS = 60_000
const IMAGE = 'runner-mesh-test/declared-volumes:1'
const MIB = 1_048_576

let rig: AttemptRig
let remove: () => Promise<void>

beforeAll(async () => {
  rig = await AttemptRig.open()
  const data = { kind: 'folder', path: 'data', mode: 0o777 } as const
  remove = await testImage(rig.engine, {
    name: IMAGE,
    bare: true,
    entries: [...(await busyboxRoot()), data],
    config: { Volumes: { '/data': {}, '/tmp': {} } }
  })
})

afterAll(async () => {
  await remove()
  await rig.close()
})

const texts = (lines: readonly { readonly text: string }[]) => lines.map(({ text }) => text)

describe('a stranger whose image declares volumes', { timeout: TEST_MS }, () => {
  test('has them in memory, as large as the job may be, and leaves none', async () => {
    const run = [
      'grep " /data " /proc/mounts | cut -d" " -f1,3',
      'dd if=/dev/zero of=/data/file bs=1M count=600 2>/dev/null && echo all || echo cut',
      'echo kept >/data/small 2>/dev/null || echo full'
    ].join('; ')
    const resources = { cpuMilli: 1_000, memoryBytes: 128 * MIB }
    const spec = { image: IMAGE, resources }
    const { lines } = await rig.run({ steps: [{ run }], trust: 'untrusted', spec })

    expect(texts(lines)).toContain('tmpfs tmpfs')
    expect(texts(lines)).not.toContain('all')
    expect(await rig.left()).toEqual([])
  })
})

describe('an engine that was started again without its user namespaces', () => {
  test('is noticed before the next stranger, who is not its root', {
    timeout: TEST_MS
  }, async () => {
    const { engine } = rig
    const info = engine.info.bind(engine)
    const mapped = { security: ['userns'], rootDir: '/var/lib/docker/231072.231072' }
    let isMapped = true
    engine.info = async () => {
      const real = await info()
      const security = new Set([...real.security, ...mapped.security])
      return isMapped ? { ...real, security, rootDir: mapped.rootDir } : real
    }
    const whoami = async (): Promise<readonly string[]> => {
      const { lines } = await rig.run({ steps: [{ run: 'id -u' }], trust: 'untrusted' })
      return texts(lines)
    }
    try {
      expect(await whoami()).toEqual(['0'])
      isMapped = false
      expect(await whoami()).toEqual(['10001'])
    } finally {
      engine.info = info
    }
  })
})
