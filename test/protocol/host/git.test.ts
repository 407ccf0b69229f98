import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CHECKOUT_BYTES_MAX, GIT_MEMORY_BYTES_MAX } from '../../../protocol/core/limits.ts'
import { GitError, git, streamGit } from '../../../protocol/host/git.ts'
import { bombPack } from '../../support/hostile-pack.ts'

const NEVER = new AbortController().signal

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'runner-mesh-git-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const inside = () => ({ cwd: dir })
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')

/** Runs a shell command as git would run a command of its own: in the same surroundings. */
const shell = (command: string) => git(['-c', `alias.run=!${command}`, 'run'], inside())

/** A repository with one commit, made by the git of this host with nobody's settings. */
async function repository(settings: Readonly<Record<string, string>> = {}): Promise<void> {
  const env = {
    PATH: process.env['PATH'],
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null'
  }
  const run = (...args: string[]) => promisify(execFile)('git', ['-C', dir, ...args], { env })
  await run('init', '--quiet', '--initial-branch=main')
  for (const [key, value] of Object.entries(settings)) await run('config', key, value)
  const who = ['-c', 'user.name=T', '-c', 'user.email=t@example.org', '-c', 'core.fsmonitor=false']
  await run(
    ...who,
    '-c',
    'core.hooksPath=/dev/null',
    'commit',
    '--quiet',
    '--allow-empty',
    '-m',
    'x'
  )
}

/** An executable that leaves a file behind, for whoever is led to run it. */
async function trap(path: string): Promise<string> {
  const whole = join(dir, path)
  await writeFile(whole, `#!/bin/sh\ntouch ${join(dir, 'sprung')}\necho secret\n`)
  await chmod(whole, 0o755)
  return whole
}

const sprung = async (): Promise<boolean> => (await readdir(dir)).includes('sprung')

describe('what a repository asks for', () => {
  test('its hooks are not run', async () => {
    await repository()
    await trap('.git/hooks/post-checkout')
    await git(['checkout', '--quiet', '--detach', 'HEAD'], inside())

    expect(await sprung()).toBe(false)
  })

  test('its file system monitor is not run', async () => {
    await repository({ 'core.fsmonitor': await trap('monitor') })
    await git(['status'], inside())

    expect(await sprung()).toBe(false)
  })

  test.each([
    ['core.hooksPath', 'hooks', '/dev/null'],
    ['core.fsmonitor', 'true', 'false'],
    ['core.askPass', '/bin/true', ''],
    ['protocol.allow', 'always', 'never'],
    ['protocol.ext.allow', 'always', 'never'],
    ['protocol.file.allow', 'always', 'never'],
    ['submodule.recurse', 'true', 'false'],
    ['fetch.recurseSubmodules', 'true', 'false'],
    ['gc.auto', '1', '0'],
    ['maintenance.auto', 'true', 'false'],
    ['core.bigFileThreshold', '4g', '64m'],
    ['core.packedGitWindowSize', '4g', '32m'],
    ['core.packedGitLimit', '4g', '256m'],
    ['transfer.unpackLimit', '1000', '1'],
    ['pack.threads', '64', '4'],
    ['index.threads', '64', '1'],
    ['core.preloadIndex', 'true', 'false']
  ])('its %s gives way to ours', async (key, theirs, ours) => {
    await repository({ [key]: theirs })
    const { stdout } = await git(['config', '--get', key], inside())

    expect(text(stdout).trim()).toBe(ours)
  })

  test('a path or a command is no transport for it, even if it says so itself', async () => {
    await repository({ 'protocol.file.allow': 'always', 'protocol.ext.allow': 'always' })

    await expect(git(['ls-remote', dir], inside())).rejects.toThrow(/not allowed/)
    await expect(git(['ls-remote', 'ext::id'], inside())).rejects.toThrow(/not allowed/)
  })
})

describe('a server that asks who we are', () => {
  async function asked(settings: Readonly<Record<string, string>>): Promise<GitError> {
    const server = createServer((_request, response) => {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      await repository(settings)
      const { port } = server.address() as { port: number }
      const url = `http://127.0.0.1:${port}/x.git`
      return await git(['ls-remote', url], inside()).then(
        () => Promise.reject(new Error('it must not succeed')),
        (error: GitError) => error
      )
    } finally {
      server.close()
    }
  }

  test('is answered by no credential helper of the repository', async () => {
    await asked({ 'credential.helper': `!${await trap('helper')}; :` })

    expect(await sprung()).toBe(false)
  })

  test('is answered by no program that asks a person', async () => {
    await asked({ 'core.askPass': await trap('ask') })

    expect(await sprung()).toBe(false)
  })

  test('is asked by nobody at a terminal: the command ends and says so', async () => {
    expect((await asked({})).message).toContain('terminal prompts disabled')
  })
})

describe('the surroundings of git', () => {
  test('are ours alone, whatever the daemon was started with', async () => {
    const before = { ...process.env }
    Object.assign(process.env, {
      GIT_DIR: '/nowhere',
      GIT_SSH: '/bin/false',
      GIT_ASKPASS: '/bin/false',
      GIT_CONFIG_SYSTEM: '/nowhere',
      LD_LIBRARY_PATH: '/nowhere'
    })
    try {
      const { stdout } = await shell('env')
      const env = Object.fromEntries(
        text(stdout)
          .split('\n')
          .map((line) => /^([A-Z_]+)=(.*)$/.exec(line)?.slice(1) ?? ['', ''])
      )

      expect(env).toMatchObject({
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_CONFIG_GLOBAL: '/dev/null',
        GIT_TERMINAL_PROMPT: '0',
        GIT_SSH_COMMAND: 'ssh -oBatchMode=yes',
        GIT_LFS_SKIP_SMUDGE: '1',
        MALLOC_ARENA_MAX: '2',
        LC_ALL: 'C'
      })
      for (const name of ['GIT_DIR', 'GIT_SSH', 'GIT_ASKPASS', 'GIT_CONFIG_SYSTEM']) {
        expect(env).not.toHaveProperty(name)
      }
      expect(env).not.toHaveProperty('LD_LIBRARY_PATH')
    } finally {
      for (const name of Object.keys(process.env)) delete process.env[name]
      Object.assign(process.env, before)
    }
  })

  test('let no file grow over the limit of a checkout', async () => {
    const beyond = `dd if=/dev/zero of=large bs=1 count=1 seek=${CHECKOUT_BYTES_MAX} 2>&1`

    await expect(shell(beyond)).rejects.toBeInstanceOf(GitError)
  })

  test('let no process have more memory than the limit of git', async () => {
    const { stdout } = await shell('ulimit -v')

    expect(Number(text(stdout)) * 1_024).toBe(GIT_MEMORY_BYTES_MAX)
  })
})

describe('a pack of 200 bytes', () => {
  const unfolded = 2 ** 31

  test('that unfolds to more than the memory limit is refused, not unfolded', async () => {
    await repository()
    const stdin = bombPack(unfolded)
    const unpacked = git(['index-pack', '--stdin'], { ...inside(), stdin })

    expect(unfolded).toBeGreaterThan(GIT_MEMORY_BYTES_MAX)
    expect(stdin.length).toBeLessThan(300)
    await expect(unpacked).rejects.toThrow(/out of memory/i)
  })

  test('that unfolds to what is large, but usual, is taken', async () => {
    await repository()
    const stdin = bombPack(2 ** 26)

    await git(['index-pack', '--stdin'], { ...inside(), stdin })
    const { stdout } = await git(['count-objects', '-v'], inside())
    expect(text(stdout)).toContain('in-pack: 2')
  })
})

describe('what git prints', () => {
  test('ends the command where it is more than anybody needs', async () => {
    await expect(shell('yes')).rejects.toThrow(/printed more than 4194304 bytes/)
  })

  test('beside its output is kept from its end: the cause stands in the last lines', async () => {
    const noise = 'i=0; while [ $i -lt 2000 ]; do echo "noise $i" >&2; i=$((i + 1)); done'
    const failed = shell(`${noise}; echo "fatal: the cause" >&2; exit 1`)

    await expect(failed).rejects.toThrow('fatal: the cause')
    const { stderr } = (await failed.catch((error: unknown) => error)) as GitError
    expect(stderr.length).toBeLessThanOrEqual(8_192)
    expect(stderr).toContain('noise 1999')
  })

  test('may be of any size for a reader that takes it as it comes', async () => {
    let bytes = 0
    const printing = ['-c', 'alias.run=!head -c 6000000 /dev/zero', 'run']
    await streamGit(printing, { ...inside(), signal: NEVER }, (chunk) => {
      bytes += chunk.length
      return undefined
    })

    expect(bytes).toBe(6_000_000)
  })

  test('ends with the reason of a reader that has enough, and is not read on', async () => {
    let chunks = 0
    const printing = streamGit(['-c', 'alias.run=!yes', 'run'], inside(), () => {
      chunks += 1
      return 'has said enough'
    })

    await expect(printing).rejects.toThrow('has said enough')
    expect(chunks).toBe(1)
  })
})

describe('a server that wants to know who asks', () => {
  test('is not told what the one who started us keeps in .netrc', async () => {
    const said: (string | undefined)[] = []
    const server = createServer((request, response) => {
      said.push(request.headers.authorization)
      response.writeHead(401, { 'www-authenticate': 'Basic realm="forge"' }).end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const word = 'machine 127.0.0.1 login lena password operators-own\n'
    await writeFile(join(dir, '.netrc'), word, { mode: 0o600 })
    const home = process.env['HOME']
    process.env['HOME'] = dir
    try {
      const url = `http://127.0.0.1:${port}/team/kernel.git`
      const error = await git(['ls-remote', url]).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(GitError)
    } finally {
      process.env['HOME'] = home
      server.close()
    }

    expect(said.length).toBeGreaterThan(0)
    expect(said.filter((each) => each !== undefined)).toEqual([])
  })
})
