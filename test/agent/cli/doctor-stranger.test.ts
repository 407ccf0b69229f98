import { chmod, chown, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { agentProgram } from '../../../agent/cli/program.ts'
import { doctorSchema } from '../../../agent/control/contract.ts'
import { foundMesh } from '../../../agent/enrolment.ts'
import { type StatePaths, statePaths } from '../../../protocol/host/paths.ts'
import { runProgram } from '../../../protocol/host/program.ts'
import { asStranger, NOBODY } from '../../support/as-stranger.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

const isRoot = process.geteuid?.() === 0

async function founded(): Promise<StatePaths> {
  const folder = await temporaryFolder()
  // A stranger has to come as far as the state folder.
  await chmod(folder, 0o755)
  const paths = statePaths('agent', { state: join(folder, 'agent') }, {})
  const address = '/ip4/10.0.0.7/tcp/4471'
  const first = { name: 'onyx', addresses: [address], zone: 'onyx', lease: 'default' } as const
  const clock = new FakeClock(0)
  clock.jumpWall(Date.now())
  await foundMesh(paths, first, clock)
  return paths
}

/** Closed to everybody but root, so that whoever runs these tests is kept out as well. */
async function close(path: string): Promise<void> {
  await chmod(path, 0)
  onTestFinished(() => chmod(path, 0o700))
}

/** In this process: a stranger may not even read a checkout that is somebody's own. */
async function doctor({ state }: StatePaths, ...words: readonly string[]) {
  let [out, err] = ['', '']
  const stdout = { write: (text: string) => (out += text) } as never
  const stderr = { write: (text: string) => (err += text) } as never
  const argv = ['node', 'agent', 'doctor', '--state', state, ...words]
  const node = process.versions.node
  const parts = { argv, env: {}, stdout, stderr, node, load: async () => agentProgram }
  const code = await asStranger(() => runProgram(parts))
  return { code, out, err }
}

async function findingsOf(paths: StatePaths) {
  const { code, out, err } = await doctor(paths, '--json')
  expect(err).toBe('')
  expect(code).toBe(1)
  return doctorSchema.parse(JSON.parse(out)).findings
}

const AS_OWNER = expect.stringContaining('as the user of the agent, or as root')

test('who may not read the store is told so, and everything else all the same', async () => {
  const paths = await founded()
  await chmod(paths.state, 0o755)
  await close(paths.store)

  const findings = await findingsOf(paths)

  const user = isRoot ? NOBODY : process.geteuid?.()
  const found = `${paths.store} cannot be read by user ${user} (EACCES: permission denied`
  const store = findings.filter(({ subject }) => subject === 'store')
  expect(store).toEqual([
    {
      code: 'STATE_UNREADABLE',
      verdict: 'failed',
      subject: 'store',
      found: expect.stringContaining(found),
      wanted: 'that it can be read',
      fix: AS_OWNER
    }
  ])
  const subjects = findings.map(({ subject }) => subject)
  expect(subjects).toEqual(expect.arrayContaining(['state', 'key', 'disk', 'agent', 'clock']))
})

test('who has the key and not the rest is told of each part, as by the agent itself', async () => {
  const paths = await founded()
  await chmod(paths.state, 0o755)
  if (isRoot) await chown(paths.key, NOBODY, NOBODY)
  await close(paths.store)
  await close(paths.rosters)

  const findings = await findingsOf(paths)

  const failed = findings.filter(({ code }) => code === 'STATE_UNREADABLE')
  expect(failed.map(({ subject }) => subject)).toEqual(['store', 'roster'])
  expect(findings.find(({ subject }) => subject === 'key')?.verdict).toBe('ok')
})

test('a file of the store that may not be read is no matter of room for a copy', async () => {
  const paths = await founded()
  for (const path of [paths.state, paths.store, paths.rosters]) await chmod(path, 0o755)
  if (isRoot) await chown(paths.key, NOBODY, NOBODY)
  await close(join(paths.store, 'CURRENT'))

  const findings = await findingsOf(paths)

  const store = findings.filter(({ subject }) => subject === 'store')
  expect(store).toMatchObject([{ code: 'STATE_UNREADABLE', verdict: 'failed' }])
  expect(store[0]?.found).toContain('CURRENT')
})

test('who may not enter the state folder is told so of each part of it', async () => {
  const paths = await founded()
  await mkdir(paths.proofs)
  await writeFile(paths.ballast, 'room')
  await close(paths.state)

  const findings = await findingsOf(paths)

  const known = findings.map(({ subject, code }) => `${subject} ${code}`)
  expect(known).toEqual(
    expect.arrayContaining([
      'key STATE_UNWRITABLE',
      'store STATE_UNREADABLE',
      'disk STATE_UNREADABLE',
      'proof PROOFS_UNREADABLE',
      // Whether one runs cannot be known.
      'agent CONTROL_FORBIDDEN'
    ])
  )
  const bad = findings.filter(({ verdict, subject }) => {
    return verdict !== 'ok' && ['key', 'store', 'disk', 'agent'].includes(subject)
  })
  expect(bad.map(({ fix }) => fix)).toEqual(bad.map(() => AS_OWNER))
})

test('for people it is two lines of facts and one of what to do', async () => {
  const paths = await founded()
  await chmod(paths.state, 0o755)
  await close(paths.store)

  const { code, out } = await doctor(paths)

  expect(code).toBe(1)
  expect(out).toMatch(/FAILED +store +\/.*cannot be read by user \d+ .*\n/)
  expect(out).toMatch(/\n +STATE_UNREADABLE: wanted .*\n +fix: run this as the user of the agent/)
})
