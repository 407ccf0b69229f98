import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RUNNER_FILES, type RunnerForge } from '../../../gateway/forge/runner-api.ts'
import { RunnerNames } from '../../../gateway/provision/runner-name.ts'
import { slotEvent } from '../../../gateway/provision/slot-event.ts'
import { slotManifest } from '../../../gateway/provision/slot-manifest.ts'
import { originOf, subjectOf } from '../../../gateway/source-event.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { runIdOfOrigin } from '../../../protocol/wire/run-id.ts'
import { provisionedRepository } from '../../support/provision-rig.ts'

const URL_OF = 'https://git.example/team/kernel.git'
const LABELS = ['linux', 'big']

const event = slotEvent('team/kernel', {
  job: '7',
  jobName: 'build',
  labels: LABELS,
  generation: 0
})

function slotOf(kind: RunnerForge) {
  const manifest = slotManifest(event, provisionedRepository(kind, URL_OF, 'team/kernel'))
  const [spec] = manifest?.jobs ?? []
  if (manifest === undefined || spec === undefined) throw new Error('no slot')
  return { manifest, spec, script: spec.steps[0]?.run ?? '' }
}

test.each(['github', 'gitea', 'forgejo'] as const)(
  'a slot of %s is of no commit, never trusted, and has no source but a runner',
  (kind) => {
    const { manifest, spec } = slotOf(kind)

    expect(manifest).toMatchObject({ trust: 'untrusted', title: 'runner for build' })
    expect(manifest.origin).toMatchObject({ event: 'workflow_job', number: '7', rerunNonce: '0' })
    expect(manifest.origin.ref.startsWith('refs/heads/')).toBe(false)
    expect(spec).toMatchObject({ runner: { labels: LABELS }, onLoss: 'retry', env: {} })
  }
)

test.each(['github', 'gitea', 'forgejo'] as const)(
  'the runner of %s gets its secrets from files in memory, and none as an argument',
  (kind) => {
    const { spec, script } = slotOf(kind)

    const files = RUNNER_FILES[kind].map(({ name, path }) => ({ name, file: path }))
    expect(spec.secrets).toEqual(files)
    expect(files.every(({ file }) => file.startsWith('/run/secrets/'))).toBe(true)
    const command = script.split('\n').find((line) => line.startsWith('exec ')) ?? ''
    const shown = kind === 'forgejo' ? ['runner-uuid', 'runner-handle'] : []
    const read = [...command.matchAll(/\$\(cat \/run\/secrets\/([\w-]+)\)/g)].map(
      ([, name]) => name
    )
    // A uuid is a name; without its token it opens nothing.
    expect(read).toEqual(shown)
    expect(command).not.toContain('jitconfig')
  }
)

test('the configuration that GitHub gives is out of its file before a job could read it', () => {
  const lines = slotOf('github').script.split('\n')
  const read = lines.findIndex((line) => line.startsWith('ACTIONS_RUNNER_INPUT_JITCONFIG='))
  const removed = lines.findIndex((line) => line.startsWith('rm -f /run/secrets/'))
  const begun = lines.findIndex((line) => line.startsWith('exec '))

  expect([read, removed, begun].every((at) => at >= 0)).toBe(true)
  expect(read < removed && removed < begun).toBe(true)
})

test('Forgejo gives its runner the one job that its handle names, on the host of its box', () => {
  const { script } = slotOf('forgejo')

  expect(script).toContain('--token-url file:/run/secrets/runner-token')
  expect(script).toContain(`--url 'https://git.example'`)
  expect(script).toContain(`--label 'linux:host' --label 'big:host'`)
})

test('a label set that gateway.yaml does not have makes no slot', () => {
  const repository = provisionedRepository('github', URL_OF, 'team/kernel')

  expect(slotManifest({ ...event, labels: ['arm'] }, repository)).toBeUndefined()
  expect(slotManifest(event, { ...repository, provision: undefined })).toBeUndefined()
})

test('two gateways name the slot of one job alike, and each of its slots differently', () => {
  const runOf = (change: Partial<typeof event>, url = URL_OF) =>
    runIdOfOrigin(originOf({ ...event, ...change }, url))

  expect(runOf({ labels: ['other'], jobName: 'said otherwise' })).toBe(runOf({}))
  expect(runOf({}, 'ssh://git@git.example/team/kernel.git')).toBe(runOf({}))
  expect(new Set([runOf({}), runOf({ nonce: '1' }), runOf({ job: '8' })]).size).toBe(3)
  // A pull request of that number is another subject.
  expect(subjectOf(originOf(event, URL_OF))).toBe('')
})

test('the name of a runner says whose attempt it is, to members of its mesh alone', () => {
  const [mesh, other] = [generateKey().peerId, generateKey().peerId]
  fc.assert(
    fc.property(
      fc.stringMatching(/^[0-9A-HJKMNP-TV-Z]{26}$/),
      fc.integer({ min: 1, max: 2 ** 40 }),
      (runId, epoch) => {
        const name = new RunnerNames(mesh).nameOf({ runId, epoch })

        expect(new RunnerNames(mesh).attemptOf(name)).toEqual({ runId, epoch })
        expect(new RunnerNames(other).attemptOf(name)).toBeUndefined()
        // What GitHub takes.
        expect(name.length).toBeLessThanOrEqual(64)
      }
    )
  )
  expect(new RunnerNames(mesh).attemptOf('somebody')).toBeUndefined()
})
