import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { STRICT } from '../../agent/execute/profile-strict.ts'
import { isolationOf, userNamespaceOf } from '../../agent/execute/user-namespace.ts'
import { tryProfile } from '../../agent/probe/trial.ts'
import { procFile } from '../../protocol/host/process-identity.ts'
import { AttemptRig } from '../support/attempt-rig.ts'
import { containerMaker } from '../support/container-maker.ts'
import { FIRST_USER, RemappedEngine } from '../support/remapped-engine.ts'

const SET_UP_MS = 90_000
const TEST_MS = 30_000

let remapped: RemappedEngine
let rig: AttemptRig

beforeAll(async () => {
  remapped = await RemappedEngine.start()
  rig = await AttemptRig.open({ socket: remapped.socket, requireIsolation: 'userns' })
}, SET_UP_MS)

afterAll(async () => {
  await rig?.close()
  await remapped?.stop()
}, SET_UP_MS)

async function said(run: string): Promise<string[]> {
  const { lines, result } = await rig.run({ steps: [{ run }], trust: 'untrusted' })
  expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
  return lines.filter(({ step }) => step > 0).map(({ text }) => text)
}

describe('an engine that maps users', { timeout: TEST_MS }, () => {
  test('is recognised, with the first user that it maps to', async () => {
    const info = await rig.engine.info()

    expect(userNamespaceOf(info)).toMatchObject({ kind: 'remap', base: FIRST_USER })
    expect(isolationOf(info)).toBe('userns')
  })

  test('stands the trial of a sandbox', async () => {
    const parts = { engine: rig.engine, peerId: rig.peerId, busybox: '/bin/busybox' }

    expect(await tryProfile(parts)).toBeUndefined()
  })

  test("runs a stranger's job as root of its box: it owns its source, and gives files away", async () => {
    const lines = await said(
      [
        'id -u; cat README.md; stat -c "%u %a" /work README.md',
        'touch /etc/own && chown 1234 /etc/own && stat -c %u /etc/own',
        'grep -E "^CapEff" /proc/self/status',
        'read -r inside outside count </proc/self/uid_map; echo "$inside $outside $count"'
      ].join('\n')
    )

    expect(lines).toEqual([
      ...['0', 'hello', '0 755', '0 644', '1234'],
      'CapEff:\t00000000000000fb',
      `0 ${FIRST_USER} 65536`
    ])
  })

  test('has nobody in the box who is root on the host', async () => {
    const attempt = await rig.start({
      steps: [{ run: 'echo on; exec sleep 30' }],
      trust: 'untrusted'
    })
    await attempt.phase('first_line')
    const found = await rig.engine.inspect(rig.executor.containerName(attempt.input.jobId))
    const status = procFile(found?.pid ?? 0, 'status') ?? ''
    attempt.abort('cancelled')
    await attempt.result

    expect(/^Uid:\t(\d+)/m.exec(status)?.[1]).toBe(String(FIRST_USER))
    expect(found?.labels['runner-mesh.profile']).toBe('standard')
  })

  test("keeps what is root's alone on the host from root in the box", async () => {
    // Beside the deadline: what the box has of the host is mounted, and this is such a mount.
    const lay = async (): Promise<void> => {
      const leases = join(rig.root, 'leases')
      for (const name of await readdir(leases)) {
        await writeFile(join(leases, name, 'secret'), 'canary', { mode: 0o600 })
        await writeFile(join(leases, name, 'plain'), 'for all', { mode: 0o644 })
      }
    }
    const run = 'for f in plain secret; do cat /.runner-mesh/lease/$f 2>&1 || true; echo; done'
    const { lines } = await rig.run({ steps: [{ run }], trust: 'untrusted', onUserCode: lay })
    const text = lines.map((line) => line.text).join('\n')

    expect(text).toContain('for all')
    expect(text).toContain('Permission denied')
    expect(text).not.toContain('canary')
  })

  test('is told of volumes in its own numbers, so that they are of the user in the box', async () => {
    const maker = await containerMaker(rig.engine, STRICT)
    const { sandbox } = await maker.make()
    const { signal } = new AbortController()
    let said = ''
    try {
      await sandbox.create(signal)
      await sandbox.start(signal)
      const script = 'for p in /work /tmp /run $HOME; do touch $p/x; stat -c %u $p; done'
      const onOutput = (_stream: string, bytes: Uint8Array): void => {
        said += Buffer.from(bytes).toString()
      }
      const end = await sandbox.run({ step: 1, script, env: [], onOutput }, signal)
      expect(end).toMatchObject({ kind: 'exited', code: 0 })
    } finally {
      await sandbox.close()
      await maker.stop()
    }

    expect(said.trim().split('\n')).toEqual(Array(4).fill('10001'))
  })

  test('ends a box by its guard when the lease is over', async () => {
    const { result } = await rig.run({
      steps: [{ run: 'sleep 60' }],
      trust: 'untrusted',
      deadlineInMs: 4_000
    })

    expect(result).toMatchObject({ kind: 'interrupted', reason: 'lease_lost' })
  })

  test('keeps nothing of it', async () => {
    await said('touch /tmp/x')

    expect(await rig.left()).toEqual([])
  })
})
