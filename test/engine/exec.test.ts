import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Engine } from '../../agent/execute/engine.ts'
import { BASE_IMAGE, ensureBaseImage } from '../../deploy/base-image.ts'
import { eventually } from '../support/eventually.ts'
import { ExecProcess } from '../support/exec-process.ts'

/* `agent exec` as a process of its own, with real containers and real working trees. */

vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 })

const run = promisify(execFile)
const engine = Engine.local(undefined)

let root: string
let work: string
let started: ExecProcess[]

beforeEach(async () => {
  await ensureBaseImage(engine)
  root = await mkdtemp(join(tmpdir(), 'rm-exec-'))
  work = join(root, 'work')
  await mkdir(work)
  started = []
})

afterEach(async () => {
  for (const each of started) await each.kill('SIGKILL')
  await eventually(
    'nothing is left',
    async () => {
      if ((await left()).length === 0) return true
      await lay({ '.runner-mesh.yml': pipeline('true') })
      await exec('build').exited
      return false
    },
    60_000
  )
  await rm(root, { recursive: true, force: true })
})

/** In the working tree, with the rooms of these tests apart from all others. */
function exec(...words: readonly string[]): ExecProcess {
  const process = new ExecProcess(words, { cwd: work, temporary: root })
  started.push(process)
  return process
}

async function lay(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(work, name), text)
}

async function git(...words: readonly string[]): Promise<string> {
  const who = ['-c', 'user.name=t', '-c', 'user.email=t@example.org']
  return (await run('git', [...who, ...words], { cwd: work })).stdout.trim()
}

function pipeline(script: string, more: readonly string[] = []): string {
  return [
    'jobs:',
    '  build:',
    `    image: ${BASE_IMAGE}`,
    '    resources: { memory: 64MiB }',
    ...more.map((line) => `    ${line}`),
    '    steps:',
    '      - run: |',
    ...script.split('\n').map((line) => `          ${line}`),
    ''
  ].join('\n')
}

/** Rooms of these tests, and what is in the engine of their owners. */
async function left(): Promise<readonly string[]> {
  const rooms = (await readdir(root)).filter((name) => name.startsWith('runner-mesh-exec-'))
  const boxes = await engine.containers({ 'runner-mesh.store': 'exec' })
  return [...rooms, ...boxes.map(({ name }) => name)]
}

test('a job sees tracked and new files as they are here, none that is ignored, and its commit', async () => {
  await lay({
    '.runner-mesh.yml': pipeline('cat tracked new; ls; cat .git/HEAD\nexit 3'),
    '.gitignore': 'ignored\n',
    tracked: 'before\n',
    gone: 'x'
  })
  await git('init', '--quiet', '--initial-branch=work')
  await git('add', '.')
  await git('commit', '--quiet', '-m', 'one')
  const commit = await git('rev-parse', 'HEAD')
  await lay({ tracked: 'changed here\n', new: 'not added\n', ignored: 'secret\n' })
  await rm(join(work, 'gone'))

  const { code, stdout, stderr } = await exec('build').exited

  expect(stdout.split('\n').slice(0, 4), stderr).toEqual([
    'changed here',
    'not added',
    'new',
    'tracked'
  ])
  expect(stdout).toContain(commit)
  expect(stderr).toContain('failed')
  expect(code).toBe(1)
  expect(await left()).toEqual([])
})

test('a plain folder will do, and the result is one document', async () => {
  await lay({ '.runner-mesh.yml': pipeline('echo "$RUNNER_MESH_EVENT $RUNNER_MESH_BRANCH"') })

  const { code, stdout, stderr } = await exec('build', '--json', '--branch', 'next').exited

  expect(code, stderr).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({
    schema: 'agent.executed/1',
    job: 'build',
    state: 'succeeded',
    event: { kind: 'push', branch: 'next' },
    steps: [{ state: 'succeeded', exitCode: 0 }]
  })
  expect(stderr).toContain('push next')
})

test('an entry of a matrix is chosen, and must be', async () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: of the pipeline.
  const more = ['matrix: { node: ["22", "24"] }', "env: { NODE: '${{ matrix.node }}' }"]
  await lay({ '.runner-mesh.yml': pipeline('echo "node $NODE"', more) })

  const open = await exec('build').exited
  const one = await exec('build', '--matrix', 'node=24').exited

  expect(open.code).toBe(4)
  expect(open.stderr).toContain('EXEC_JOB_AMBIGUOUS')
  expect(one.code, one.stderr).toBe(0)
  expect(one.stdout).toBe('node 24\n')
})

test('a job that names a secret is refused without it, and its value is masked', async () => {
  const more = ['secrets: [TOKEN]']
  await lay({ '.runner-mesh.yml': pipeline('echo "<$TOKEN>" | wc -c; echo "$TOKEN"', more) })
  await writeFile(join(root, 'token'), 'correct-horse\n')

  const without = await exec('build').exited
  const given = await exec('build', '--secret-file', `TOKEN=${join(root, 'token')}`).exited

  expect(without.code).toBe(1)
  expect(without.stderr).toContain('--secret-file')
  expect(given.code, given.stderr).toBe(0)
  expect(given.stdout).toBe('16\n***\n')
})

test('Ctrl-C ends the job, and nothing of it is left', async () => {
  await lay({ '.runner-mesh.yml': pipeline('echo begun; sleep 600') })
  const process = exec('build')
  await eventually('it has begun', () => process.stdout.includes('begun'), 90_000)

  const { code } = await process.kill('SIGINT')

  expect(code).toBe(130)
  expect(await left()).toEqual([])
})

test('a reader that goes, as `head` does, ends the job, and nothing of it is left', async () => {
  await lay({ '.runner-mesh.yml': pipeline('while true; do echo more; sleep 0.1; done') })
  const main = resolve(import.meta.dirname, '../../agent/main.ts')
  const words = `"$0" --import "$1" "$2" exec build | head -1; echo "\${PIPESTATUS[0]}"`
  const shell = ['-c', words, process.execPath, import.meta.resolve('tsx'), main]

  const { stdout } = await run('bash', shell, {
    cwd: work,
    env: { ...process.env, TMPDIR: root }
  })

  expect(stdout).toBe('more\n141\n')
  expect(await left()).toEqual([])
})

test('a killed one leaves its container for no longer than its deadline', async () => {
  await lay({ '.runner-mesh.yml': pipeline('echo begun; sleep 600') })
  const process = exec('build')
  await eventually('it has begun', () => process.stdout.includes('begun'), 90_000)

  await process.kill('SIGKILL')
  await eventually(
    'its container is gone',
    async () => {
      return (await engine.containers({ 'runner-mesh.store': 'exec' })).length === 0
    },
    60_000
  )
  const rooms = await left()
  await lay({ '.runner-mesh.yml': pipeline('true') })
  await eventually(
    'its guardian has ended, and the next one clears the rest',
    async () => {
      await exec('build').exited
      return (await left()).length === 0
    },
    90_000
  )

  expect(rooms).toHaveLength(1)
})
