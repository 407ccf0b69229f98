import { describe, expect, test } from 'vitest'
import { EngineError } from '../../../agent/execute/engine-types.ts'
import { failureOf } from '../../../agent/execute/failure.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import { GitError } from '../../../protocol/host/git.ts'

const CREATING = true
const OTHERWISE = false
const host = (reason: string) => ({ kind: 'fault', fault: 'host', reason })
const job = (reason: string) => ({ kind: 'fault', fault: 'job', reason })
const final = (reason: string) => ({ kind: 'final', reason })

const engine = (status: number | undefined, message = 'x'): EngineError =>
  new EngineError(message, status)
const fetching = (stderr: string, cut?: 'timed_out'): MeshError => {
  const ended = cut && { kind: cut, problem: 'took too long' }
  const cause = new GitError(['fetch'], stderr, ended)
  return new MeshError('WORKSPACE_FETCH_FAILED', { cause: cause.message }, { cause })
}
const pulling = (cause: string): MeshError =>
  new MeshError('IMAGE_PULL_FAILED', { image: 'x', cause }, { cause: engine(500, cause) })

describe('an attempt that failed before its job’s own commands', () => {
  test.each([
    ['the engine is away', new MeshError('ENGINE_UNREACHABLE', {}), host('sandbox_failed')],
    ['the engine does not answer in time', engine(undefined), host('sandbox_failed')],
    ['the engine fails', engine(500), host('sandbox_failed')],
    ['the engine is busy', engine(503), host('sandbox_failed')],
    ['the engine refuses', engine(400), final('sandbox_failed')],
    ['the container was taken away', engine(404), job('sandbox_failed')],
    ['the container no longer runs', engine(409), job('sandbox_failed')],
    ['the engine keeps not every limit', new MeshError('SANDBOX_DIFFERS'), host('sandbox_failed')],
    ['the source does not go in', new MeshError('SANDBOX_FAILED'), job('sandbox_failed')],
    [
      'the rules of its network are gone',
      new MeshError('NETWORK_UNENFORCED'),
      host('sandbox_failed')
    ],
    ['its network is not offered', new MeshError('NETWORK_NOT_OFFERED'), job('sandbox_failed')],
    ['there is no such image', new MeshError('IMAGE_UNAVAILABLE'), final('image_unavailable')],
    [
      'the image is there for other platforms',
      new MeshError('IMAGE_PLATFORM_LACKING'),
      job('image_unavailable')
    ],
    ['the owner forbids a pull', new MeshError('IMAGE_PULL_FORBIDDEN'), job('image_unavailable')],
    ['the registry is away', pulling('connection refused'), job('image_unavailable')],
    [
      'the disk is full of images',
      pulling('write /var/lib/docker/tmp/x: no space left on device'),
      host('image_unavailable')
    ],
    [
      'an image does not fit on the disk',
      pulling('failed to register layer: write /a: no space left on device'),
      host('image_unavailable')
    ],
    [
      'a registry says that its disk is full',
      pulling('unknown: write /a: no space left on device'),
      job('image_unavailable')
    ],
    [
      'an image is called as a full disk is',
      new MeshError('IMAGE_UNAVAILABLE', { image: 'a:enospc', cause: 'EDQUOT' }),
      final('image_unavailable')
    ],
    [
      'the owner forbids a pull of one that is',
      new MeshError('IMAGE_PULL_FORBIDDEN', { image: 'a:enospc' }),
      job('image_unavailable')
    ],
    [
      'a file in the source is called as a full disk is',
      new MeshError('SANDBOX_FAILED', { cause: 'tar: ENOSPC: Permission denied' }),
      job('sandbox_failed')
    ],
    [
      'an earlier agent made it otherwise',
      new MeshError('ADOPTION_DIFFERS'),
      job('sandbox_failed')
    ],
    ['the engine isolates too little', new MeshError('ISOLATION_LACKING'), job('policy_refused')],
    ['it builds, and nobody trusts it', new MeshError('BUILDER_REFUSED'), final('policy_refused')],
    ['it builds, and not here', new MeshError('BUILDER_LACKING'), job('policy_refused')],
    [
      'its source fills its own memory, and no disk of ours',
      new MeshError('SOURCE_TOO_LARGE', {}, { cause: new Error('tar: No space left on device') }),
      final('source_unavailable')
    ],
    ['the URL is none', new MeshError('URL_REFUSED'), final('source_unavailable')],
    ['a secret is refused', new MeshError('SECRET_REFUSED'), final('policy_refused')],
    ['its gateway is away', new MeshError('SECRETS_UNAVAILABLE'), job('source_unavailable')],
    ['our own folder cannot be written', new Error('EACCES: x'), host('sandbox_failed')],
    ['our own disk is full', new Error('ENOSPC: x'), host('sandbox_failed')],
    ['somebody throws a text', 'odd', host('sandbox_failed')]
  ])('where %s', (_, error, failure) => {
    expect(failureOf(error, OTHERWISE)).toEqual(failure)
  })

  test('because its image was removed just then', () => {
    const gone = engine(404, 'No such image: sha256:12')
    expect(failureOf(gone, CREATING)).toEqual(job('sandbox_failed'))
  })

  test.each([400, 404, 409])('with status %i for the making of its container', (status) => {
    expect(failureOf(engine(status), CREATING)).toEqual(final('sandbox_failed'))
  })

  test.each([
    'fatal: unable to connect to 10.0.0.9: errno=Connection refused',
    'fatal: unable to look up forge.example (port 9418) (Name or service not known)',
    "fatal: unable to access 'https://h/x.git/': Could not resolve host: h",
    "fatal: unable to access 'https://h/x.git/': Failed to connect to h port 443",
    "fatal: unable to access 'https://h/x.git/': The requested URL returned error: 502",
    "fatal: unable to access 'https://h/x.git/': The requested URL returned error: 429",
    'ssh: connect to host h port 22: Connection timed out\nfatal: Could not read from remote',
    'fatal: the remote end hung up unexpectedly\nfatal: early EOF'
  ])('as git says: %s', (stderr) => {
    expect(failureOf(fetching(stderr), OTHERWISE)).toEqual(job('source_unavailable'))
  })

  test.each([
    'fatal: remote error: upload-pack: not our ref ffff',
    'fatal: remote error: access denied or repository not exported: /x.git',
    "fatal: unable to access 'https://h/x.git/': The requested URL returned error: 403",
    "remote: Repository not found.\nfatal: repository 'https://h/x.git/' not found",
    "fatal: could not read Username for 'https://h': terminal prompts disabled",
    'git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.',
    'remote: no space left on device\nfatal: remote error: x',
    'error: invalid path ../x',
    'fatal: Out of memory, malloc failed\nfatal: early EOF'
  ])('for good, as git says: %s', (stderr) => {
    expect(failureOf(fetching(stderr), OTHERWISE)).toEqual(final('source_unavailable'))
  })

  // As git 2 says them on a disk of a few pages: not one names the system's own error.
  test.each([
    'error: unable to write file a',
    "fatal: sha1 file '/w/.git/index.lock' write error. Out of diskspace",
    "fatal: update_ref failed for ref 'HEAD': cannot update ref 'HEAD': couldn't write 'HEAD.lock'",
    'fatal: unable to write new index file'
  ])('for this host’s disk, as git says: %s', (stderr) => {
    expect(failureOf(fetching(stderr), OTHERWISE)).toEqual(host('source_unavailable'))
  })

  test('for good, where only the other side could not write', () => {
    const there = fetching('remote: error: unable to write file a\nfatal: remote error: x')
    expect(failureOf(there, OTHERWISE)).toEqual(final('source_unavailable'))
  })

  test('for the time that a fetch takes, or for the disk that it fills', () => {
    expect(failureOf(fetching('', 'timed_out'), OTHERWISE)).toEqual(job('source_unavailable'))
    const full = fetching('fatal: cannot create x\nerror: write: No space left on device')
    expect(failureOf(full, OTHERWISE)).toEqual(host('source_unavailable'))
  })
})
