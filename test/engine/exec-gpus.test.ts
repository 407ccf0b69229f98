import { execFile, execFileSync } from 'node:child_process'
import { chmod, chown, mkdir, mkdtemp, readdir, rm, rmdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { Engine } from '../../agent/execute/engine.ts'
import { BASE_IMAGE, ensureBaseImage } from '../../deploy/base-image.ts'
import { GpuHostTree } from '../support/gpu-host.ts'

/* `agent exec` of jobs that ask for a GPU: a node that takes what is written to it. */

vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 })

const run = promisify(execFile)
const engine = Engine.local(undefined)
/** Far from what any GPU of this host may have. */
const MINOR = 4_094
const NODE = `/dev/dri/renderD${MINOR}`
const GROUP = 29_110
const ADDRESS = '0000:4d:00.0'
const MAIN = resolve(import.meta.dirname, '../support/gpu-exec.ts')

let root: string
let work: string
let host: GpuHostTree
let madeFolder: string | undefined

beforeAll(async () => {
  await ensureBaseImage(engine)
  madeFolder = await mkdir(dirname(NODE), { recursive: true })
  execFileSync('mknod', [NODE, 'c', '1', '3'])
  await chown(NODE, 0, GROUP)
  await chmod(NODE, 0o660)
  root = await mkdtemp(join(tmpdir(), 'rm-exec-gpus-'))
  host = await GpuHostTree.in(join(root, 'host'))
  const intel = { vendor: '0x8086', device: '0x56c0', class: '0x038000', driver: 'i915' }
  await host.pci(ADDRESS, { ...intel, card: 1, render: MINOR })
})

afterAll(async () => {
  await rm(NODE, { force: true })
  if (madeFolder !== undefined) await rmdir(madeFolder).catch(() => undefined)
  await rm(root, { recursive: true, force: true })
})

beforeEach(async () => {
  work = await mkdtemp(join(root, 'work-'))
})

async function exec(gpu: string, script: string) {
  const pipeline = [
    'jobs:',
    '  build:',
    `    image: ${BASE_IMAGE}`,
    `    resources: { memory: 64MiB, gpu: ${gpu} }`,
    `    steps: [{ run: ${JSON.stringify(script)} }]`,
    ''
  ]
  await writeFile(join(work, '.runner-mesh.yml'), pipeline.join('\n'))
  const words = ['--import', import.meta.resolve('tsx'), MAIN, '--root', host.root]
  const { stdout } = await run(process.execPath, [...words, '--tools', host.tools], {
    cwd: work,
    env: { ...process.env, TMPDIR: root }
  })
  return JSON.parse(stdout) as Readonly<Record<string, unknown>>
}

test('a job of `agent exec` gets the GPU that it asks for, alone, and gives it back', async () => {
  const script = `ls /dev/dri; echo work >${NODE} && echo taken`
  const took = { state: 'succeeded', lines: [`renderD${MINOR}`, 'taken'] }

  expect(await exec('{ vendor: intel }', script)).toEqual(took)
  expect(await exec('{}', script)).toEqual(took)
  expect((await readdir(root)).filter((name) => name.startsWith('runner-mesh-exec-'))).toEqual([])
})

test('where the host has no such GPU, or an agent has given it away, it says so', async () => {
  const none = await exec('{ vendor: nvidia }', 'true')
  expect(none).toMatchObject({ code: 'EXEC_HOST_LACKING', lines: [] })
  expect(none['message']).toContain('gpu vendor is intel, and nvidia is wanted')

  const name = `runner-mesh-test-exec-neighbour-${process.pid}`
  const labels = ['--label', `runner-mesh.gpu=intel:${ADDRESS}`, '--label', 'runner-mesh.peer=one']
  const place = ['--name', name, ...labels, '--network', 'none', BASE_IMAGE, 'sleep', '600']
  execFileSync('docker', ['run', '-d', ...place])
  try {
    const taken = await exec('{}', 'true')
    expect(taken).toMatchObject({ code: 'EXEC_HOST_LACKING' })
    expect(taken['message']).toContain(`the container ${name} of another agent`)
  } finally {
    execFileSync('docker', ['rm', '-f', name])
  }
})
