import { execFileSync } from 'node:child_process'
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { CommitCache } from '../../../gateway/forge/commit-cache.ts'
import { codeOf } from '../../../protocol/core/errors.ts'
import { type GitAccess, git } from '../../../protocol/host/git.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { forgeRig, noEnd } from '../../support/forge-rig.ts'
import { PIPELINE } from '../../support/gateway-rig.ts'
import { temporaryFolder } from '../../support/store-folder.ts'

// Real files and sockets: on a loaded machine they take their time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const path = process.env['PATH']

afterEach(() => {
  process.env['PATH'] = path
})

test('the pipeline of a private repository is read with the credential, which is kept nowhere', async () => {
  const rig = await forgeRig('gitea', { isPrivate: true })
  const commit = await rig.repository.commit({ '.runner-mesh.yml': PIPELINE })
  const dir = await temporaryFolder()
  const access = () => rig.credentials.access(rig.holder, noEnd())
  const cache = new CommitCache({ log: silentLog(), access }, { dir })
  const repository = { name: 'team/kernel', url: rig.holder.url }

  const { pipeline } = await cache.read(repository, commit, noEnd())

  expect(pipeline.kind).toBe('found')
  for (const name of await readdir(dir, { recursive: true })) {
    const bytes = await readFile(join(dir, name)).catch(() => Buffer.alloc(0))
    expect(bytes.includes(rig.token), name).toBe(false)
  }
})

test('without a credential, and with one that is not good, it cannot be read', async () => {
  const rig = await forgeRig('gitea', { isPrivate: true })
  const commit = await rig.repository.commit({ '.runner-mesh.yml': PIPELINE })
  const dir = await temporaryFolder()
  const repository = { name: 'team/kernel', url: rig.holder.url }
  const wrong: GitAccess = { kind: 'password', url: rig.holder.url, user: 'git', password: 'none' }

  for (const given of [undefined, wrong]) {
    const access = () => Promise.resolve(given)
    const cache = new CommitCache({ log: silentLog(), access }, { dir })
    const error = await cache.read(repository, commit, noEnd()).catch((thrown: unknown) => thrown)
    expect(codeOf(error)).toBe('WORKSPACE_FETCH_FAILED')
  }
})

test('a password is for the host that it was given for, and for no other', async () => {
  const rig = await forgeRig('gitea', { isPrivate: true })
  await rig.repository.commit({ a: 'a' })
  const elsewhere = 'http://127.0.0.1:9/team/kernel.git'
  const access: GitAccess = {
    kind: 'password',
    url: elsewhere,
    user: 'git',
    password: rig.token
  }

  const listed = git(['ls-remote', rig.holder.url], { access })

  await expect(listed).rejects.toThrow(/could not read Username|Authentication failed/)
})

// No SSH server is at hand: in its place a program of that name shows what git's ssh would have.
test('a deploy key is in the agent that ssh asks, and in no file and no variable', async () => {
  const rig = await forgeRig('gitea')
  await rig.repository.commit({ a: 'a' })
  const dir = await temporaryFolder()
  const keyFile = join(dir, 'key')
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'deploy', '-f', keyFile])
  const key = await readFile(keyFile, 'utf8')
  const bin = join(dir, 'bin')
  await mkdir(bin)
  const seen = join(dir, 'seen')
  const script = [
    '#!/bin/sh',
    `ssh-add -l > ${seen}`,
    `env >> ${seen}`,
    `exec git-upload-pack ${rig.repository.dir}`
  ]
  await writeFile(join(bin, 'ssh'), `${script.join('\n')}\n`)
  await chmod(join(bin, 'ssh'), 0o755)
  process.env['PATH'] = `${bin}:${path}`

  const { stdout } = await git(['ls-remote', 'ssh://git@forge.example/team/kernel.git'], {
    access: { kind: 'key', key }
  })

  expect(Buffer.from(stdout).toString()).toContain('refs/heads/main')
  const shown = await readFile(seen, 'utf8')
  expect(shown).toMatch(/^256 SHA256:.* deploy \(ED25519\)$/m)
  expect(shown).not.toContain('PRIVATE KEY')
})
