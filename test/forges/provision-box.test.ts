import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { Engine } from '../../agent/execute/engine.ts'
import { eventually } from '../../deploy/demo/process.ts'
import type { RunnerForge } from '../../gateway/forge/runner-api.ts'
import { CredentialStore } from '../../gateway/secrets/credential-store.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { statePaths } from '../../protocol/host/paths.ts'
import { DistantForge } from '../support/distant-forge.ts'
import { E2eMesh, type SeenRun } from '../support/e2e-mesh.ts'
import { type ForgeSide, forgeSide, REPOSITORY } from '../support/forge-side.ts'
import { testImage } from '../support/test-image.ts'

const SET_UP_MS = 240_000
const IMAGE = 'runner-mesh-test/stand-in-runner:1'
const PROGRAM = '/bin/stand-in-runner'
const LABELS = ['self-hosted', 'linux']
const RESOURCES = { cpu: 0.25, memory: '64MiB' }
const SCRIPT = join(import.meta.dirname, '../support/stand-in-runner.sh')

let e2e: E2eMesh
let distant: DistantForge
let removeImage = (): Promise<void> => Promise.resolve()

beforeAll(async () => {
  distant = await DistantForge.open()
  const bytes = await readFile(SCRIPT)
  const entries = [{ kind: 'file', path: PROGRAM.slice(1), mode: 0o755, bytes }] as const
  removeImage = await testImage(Engine.local(undefined), { name: IMAGE, entries })
  const network = ['network: { rules: auto, offer: [private] }']
  e2e = await E2eMesh.start({ agents: 1, settings: { 'agent-1': network } })
}, SET_UP_MS)

afterAll(async () => {
  await e2e?.stop()
  await distant?.close()
  await removeImage()
}, SET_UP_MS)

/** Declares it alone in gateway.yaml, with its runners, and has the running gateway read that. */
async function declare({ kind, forge, secret, token }: ForgeSide): Promise<void> {
  const { state, name } = e2e.mesh.gateway
  const paths = statePaths('gateway', { state }, {})
  const file = join(state, `${kind}.secret`)
  await writeFile(file, secret, { mode: 0o600 })
  const files = { file: paths.credentials, keyFile: paths.secretsKey, secrets: paths.secrets }
  const value = Buffer.from(token ?? '')
  const wanted = { name: kind, kind: 'token' } as const
  await new CredentialStore(files).set(wanted, value, systemClock().wallMs())
  const host = await distant.to(forge.url)
  const runner = {
    ...{ labels: LABELS, image: IMAGE, program: PROGRAM, resources: RESOURCES },
    network: { allow: [host] }
  }
  const config = parse(await readFile(paths.config, 'utf8')) as { repositories: unknown[] }
  config.repositories = [
    {
      ...{ name: REPOSITORY, forge: kind, url: forge.cloneUrl(REPOSITORY), secret_file: file },
      ...{ credential: kind, provision: { url: `http://${host}`, runners: [runner] } }
    }
  ]
  const before = (await e2e.logOf(name)).length
  await writeFile(paths.config, stringify(config))
  await e2e.mesh.daemon(name).kill('SIGHUP')
  await eventually('the gateway has read it', async () => {
    return (await e2e.logOf(name)).slice(before).includes('settings read again') || undefined
  })
}

async function sideOf(kind: RunnerForge): Promise<ForgeSide> {
  const side = await forgeSide(kind)
  onTestFinished(() => side.stop())
  await declare(side)
  const { forge, repository, secret } = side
  repository.actions.url = `http://${await distantHost(forge.url)}`
  forge.addHook(repository, `${e2e.mesh.httpUrl}/hooks/${kind}`, secret)
  return side
}

async function distantHost(url: string): Promise<string> {
  return `10.219.44.2:${new URL(url).port}`
}

async function slots(): Promise<readonly SeenRun[]> {
  const path = '/api/v1/runs?event=workflow_job&limit=50'
  return (await e2e.mesh.api<{ runs: SeenRun[] }>(path)).runs
}

test.each(['gitea', 'forgejo', 'github'] as const)(
  'a job of %s is run by its own runner in a box, which gets its configuration and shows it nobody',
  async (kind) => {
    const side = await sideOf(kind)
    const { forge, repository } = side
    const { actions } = repository
    const before = new Set((await slots()).map(({ id }) => id))
    const job = actions.queue(repository, { labels: ['linux'], says: `built by ${kind}` })
    if (kind !== 'forgejo') await forge.sendJob(repository, job)

    await eventually('the job is done', () => job.conclusion ?? undefined, 150_000)
    const [run, ...others] = (await slots()).filter(({ id }) => !before.has(id))
    const [ended] = await e2e.ended(run?.id ?? '', 1)
    const log = await e2e.log(ended?.id ?? '')
    await e2e.clean()

    expect(others).toEqual([])
    expect(job).toMatchObject({ conclusion: 'success', log: [`built by ${kind}`] })
    expect(ended).toMatchObject({ state: 'succeeded', epoch: 1 })
    expect(log).toContain('its token is not seen')
    expect(log).toContain(`runner: task ${job.id}`)
    expect(actions.registered).toHaveLength(1)
    if (kind !== 'github') expect(log).not.toContain(actions.registered[0]?.token)
    // The forge says of its own jobs how they went.
    expect(repository.statuses).toEqual([])
  },
  240_000
)
