import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { eventually } from '../../deploy/demo/process.ts'
import { CredentialStore } from '../../gateway/secrets/credential-store.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { statePaths } from '../../protocol/host/paths.ts'
import { E2eMesh, pipelineOf } from '../support/e2e-mesh.ts'
import { type ForgeSide, forgeSide, REPOSITORY } from '../support/forge-side.ts'

let e2e: E2eMesh | undefined
let side: ForgeSide | undefined
afterEach(async () => {
  await e2e?.stop()
  await side?.stop()
})

/** Declares it in gateway.yaml, with a credential, and has the running gateway read that. */
async function declare(running: E2eMesh, { forge, secret, token, settings }: ForgeSide) {
  const { mesh } = running
  const { state, name } = mesh.gateway
  const paths = statePaths('gateway', { state }, {})
  const file = join(state, 'forge.secret')
  await writeFile(file, secret, { mode: 0o600 })
  const files = { file: paths.credentials, keyFile: paths.secretsKey, secrets: paths.secrets }
  const wanted = { name: 'forge', kind: 'token' } as const
  const value = Buffer.from(token ?? '')
  await new CredentialStore(files).set(wanted, value, systemClock().wallMs())
  const config = parse(await readFile(paths.config, 'utf8')) as { repositories: unknown[] }
  const url = forge.cloneUrl(REPOSITORY)
  const entry = { name: REPOSITORY, forge: 'gitea', url, secret_file: file, ...settings }
  config.repositories.push(entry)
  await writeFile(paths.config, stringify(config))
  await mesh.daemon(name).kill('SIGHUP')
  await eventually('the gateway knows both repositories', async () => {
    return (await running.logOf(name)).includes('"repositories":2') || undefined
  })
}

test('a push to a private repository runs in a real box, and its forge hears how it ended', async () => {
  e2e = await E2eMesh.start({ agents: 1 })
  side = await forgeSide('gitea', { isPrivate: true })
  const { forge, repository, secret } = side
  await declare(e2e, side)
  forge.addHook(repository, `${e2e.mesh.httpUrl}/hooks/gitea`, secret)
  const good = await repository.commit({ '.runner-mesh.yml': pipelineOf(1, 'echo built here') })
  const bad = await repository.commit({ '.runner-mesh.yml': pipelineOf(1, 'exit 3') })

  for (const after of [good, bad]) await side.push({ ref: 'refs/heads/main', after })
  const run = await e2e.runOf(good)
  const [job] = await e2e.ended(run.id, 1)
  await e2e.ended((await e2e.runOf(bad)).id, 1)
  const stateOf = (commit: string, context: string) => {
    const all = repository.statuses.filter(({ sha }) => sha === commit)
    return all.findLast((status) => status.context === context)?.state
  }
  const contexts = ['runner-mesh', 'runner-mesh/job-1']
  await eventually('all statuses are told', () => {
    const isGood = contexts.every((context) => stateOf(good, context) === 'success')
    return (isGood && contexts.every((context) => stateOf(bad, context) === 'failure')) || undefined
  })

  expect(job).toMatchObject({ state: 'succeeded', epoch: 1 })
  expect(await e2e.log(job?.id ?? '')).toContain('built here')
  const said = await e2e.logOf(e2e.mesh.gateway.name)
  expect(said).toContain('"names":":source"')
  expect(said).not.toContain(side.token)
  await e2e.clean()
}, 180_000)
