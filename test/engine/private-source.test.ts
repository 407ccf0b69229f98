import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MeshError } from '../../protocol/core/errors.ts'
import { AttemptRig } from '../support/attempt-rig.ts'
import { FakeForge } from '../support/fake-forge.ts'
import type { FakeRepository } from '../support/fake-forge-repository.ts'

const TEST_MS = 60_000
const PATH = 'team/kernel'

let rig: AttemptRig
let forge: FakeForge
let repository: FakeRepository
let token = ''

beforeAll(async () => {
  rig = await AttemptRig.open()
  forge = await FakeForge.serve('gitea')
  repository = await forge.repository(PATH, { isPrivate: true })
  token = forge.world.token('reader', ['read'])
})

afterAll(async () => {
  await forge.stop()
  await rig.close()
})

describe('the job of a private repository', { timeout: TEST_MS }, () => {
  test('has its source, and nowhere what it was fetched by', async () => {
    const commit = await repository.commit({ 'a.txt': 'private\n' })
    const url = forge.cloneUrl(PATH)
    // What a job may read of its box; never the word itself, which the log would mask.
    const half = token.slice(0, token.length / 2)
    const rest = token.slice(token.length / 2)
    const look = [
      'cat a.txt .git/config',
      `printf "%s%s" "${half}" "${rest}" > /tmp/word`,
      'echo variables: $(env | grep -cFf /tmp/word)',
      'echo processes: $(cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | grep -cFf /tmp/word)',
      'prune="-path /proc -o -path /sys -o -path /tmp"',
      'echo files: $(find / \\( $prune \\) -prune -o -type f -exec grep -lFf /tmp/word {} +)',
      'echo proof: $(grep -cFf /tmp/word /tmp/word)'
    ].join('\n')
    let bodies = ''
    const { result, lines } = await rig.run({
      commit,
      url,
      steps: [{ run: look }],
      releaseSource: () => Promise.resolve({ kind: 'password', user: 'git', password: token }),
      onStep: async () => {
        const names = await rig.left()
        const found = await Promise.all(names.map((name) => rig.engine.inspect(name)))
        bodies = JSON.stringify(found)
      }
    })

    const text = lines.map((line) => line.text)
    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    expect(text).toContain('private')
    expect(text.join('\n')).toContain(url)
    const counts = ['variables: 0', 'processes: 0', 'files:', 'proof: 1']
    expect(text.slice(-counts.length)).toEqual(counts)
    expect(bodies).toContain('runner-mesh')
    expect(bodies).not.toContain(token)
  })

  test('that prints it all the same shows three stars', async () => {
    const commit = await repository.commit({ 'a.txt': 'private\n' })
    const { lines } = await rig.run({
      commit,
      url: forge.cloneUrl(PATH),
      steps: [{ run: `echo ${token}` }],
      releaseSource: () => Promise.resolve({ kind: 'password', user: 'git', password: token })
    })

    expect(lines.map(({ text }) => text)).toEqual(['***'])
  })

  test('whose gateway gives nothing for it ends as errored, and says what to do', async () => {
    const commit = await repository.commit({ 'a.txt': 'private\n' })
    const refusal = new MeshError('SECRET_REFUSED', { name: 'source', reason: 'unset' })
    const { result } = await rig.run({
      commit,
      url: forge.cloneUrl(PATH),
      releaseSource: () => Promise.reject(refusal)
    })

    expect(result).toMatchObject({ outcome: { state: 'errored', reason: 'source_unavailable' } })
    expect(result).toHaveProperty('outcome.message', expect.stringContaining('`checkout`'))
  })
})
