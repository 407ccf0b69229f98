import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AttemptRig } from '../support/attempt-rig.ts'
import { eventually } from '../support/eventually.ts'

const TEST_MS = 30_000
const MIB = 1_048_576

let rig: AttemptRig

beforeAll(async () => {
  rig = await AttemptRig.open()
})

afterAll(async () => {
  await rig.close()
})

async function said(run: string): Promise<string[]> {
  const { lines } = await rig.run({ steps: [{ run }] })
  return lines.map((line) => line.text)
}

describe('a job', { timeout: TEST_MS }, () => {
  test('has the seven capabilities, no new privileges and a system call filter', async () => {
    const status = await said('grep -E "Cap|NoNewPrivs|Seccomp:" /proc/self/status')

    // CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, FSETID 4, KILL 5, SETGID 6, SETUID 7
    expect(status).toContain('CapEff:\t00000000000000fb')
    expect(status).toContain('CapBnd:\t00000000000000fb')
    expect(status).toContain('NoNewPrivs:\t1')
    expect(status).toContain('Seccomp:\t2')
  })

  test('cannot mount, make devices, trace the kernel or set the clock', async () => {
    const script = [
      'mount -t tmpfs none /tmp || echo no mount',
      'mknod /tmp/d b 8 0 || echo no device',
      'chroot / true || echo no chroot',
      // This date reports the refusal and exits 0 all the same.
      'date -s 2000-01-01 2>&1 | grep -q permitted && echo no clock',
      'unshare -n true || echo no namespace'
    ].join('\n')

    const refusals = (await said(script)).filter((line) => line.startsWith('no '))
    expect(refusals).toEqual(['no mount', 'no device', 'no chroot', 'no clock', 'no namespace'])
  })

  test('has no network but its own loopback', async () => {
    const interfaces = await said("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '")
    const reached = await said('ping -c 1 -W 1 1.1.1.1 || echo unreachable')

    expect(interfaces).toEqual(['lo'])
    expect(reached).toContain('unreachable')
  })

  test('sees no process, device or file of the host', async () => {
    const [processes = '', kcore, interrupts] = await said(
      'ls -d /proc/[0-9]* | wc -l; for f in kcore interrupts; do cat /proc/$f 2>/dev/null | wc -c; done'
    )

    // The guard, the step's shell, and what keeps the step's outputs.
    expect(Number(processes)).toBeLessThan(12)
    expect([kcore, interrupts]).toEqual(['0', '0'])
  })

  test('can write to none of the paths that are only for reading, on an engine that stores them', async () => {
    const paths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']
    const attempt = await rig.start({ steps: [{ run: 'cat /proc/self/mounts; sleep 2' }] })
    const isSaid = (): boolean => attempt.lines.some(({ text }) => text.includes('/proc/sys '))
    await eventually('it has looked', isSaid, 20_000)
    const stored = await rig.engine.inspect(rig.executor.containerName(attempt.input.jobId))
    await attempt.result

    expect(stored?.hostConfig['ReadonlyPaths']).toEqual(paths)
    const mounted = attempt.lines.map(({ text }) => text.split(' '))
    for (const path of paths) {
      const [, , , options = ''] = mounted.find(([, place]) => place === path) ?? []
      // What this kernel lacks cannot be written either.
      expect(existsSync(path) ? options.split(',')[0] : 'ro', path).toBe('ro')
    }
  })

  test('has at most its number of processes', async () => {
    const lines = await said('n=0; while sleep 60 & do n=$((n + 1)); echo $n; done')

    // The guard, the shell and what the engine adds take a few of the 512.
    const started = Math.max(...lines.map(Number).filter((count) => count > 0))
    expect(started).toBeGreaterThan(400)
    expect(started).toBeLessThan(512)
  })

  test('is out of memory at its limit, and that is the reason', async () => {
    const resources = { cpuMilli: 1_000, memoryBytes: 32 * MIB }
    const run = 'x=$(head -c 200000000 /dev/zero | tail -c 150000000)'
    const { result } = await rig.run({ steps: [{ run }], spec: { resources } })

    expect(result).toMatchObject({ outcome: { state: 'failed', reason: 'oom_killed' } })
    expect(result).toHaveProperty(
      'outcome.message',
      expect.stringContaining("more than the job's 32 MiB of memory")
    )
  })

  test('that kills itself was not out of memory', async () => {
    const { result } = await rig.run({ steps: [{ run: 'kill -KILL $$' }] })

    const outcome = { state: 'failed', reason: 'exit_code', exitCode: 137 }
    expect(result).toMatchObject({ outcome })
  })

  test('has no core dumps and few open files', async () => {
    // Of process 1: for an exec, runc 1.1 races with Go's own raising of the soft limit.
    const limits = await said('grep -E "core|open files" /proc/1/limits')

    expect(limits[0]).toMatch(/Max core file size\s+0\s+0/)
    expect(limits[1]).toMatch(/Max open files\s+4096\s/)
  })

  test('leaves neither its script nor its variables in the container', async () => {
    const attempt = await rig.start({
      steps: [{ run: 'echo on; sleep 30 # canary-script' }],
      spec: { env: { TOKEN: 'canary-value' } }
    })
    const name = rig.executor.containerName(attempt.input.jobId)
    await attempt.phase('first_line')
    const stored = JSON.stringify(await rig.engine.inspect(name))
    attempt.abort('cancelled')
    await attempt.result

    expect(stored).toContain(attempt.input.claimId)
    expect(stored).not.toContain('canary')
  })
})
