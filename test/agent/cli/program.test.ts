import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { CommanderError } from 'commander'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { agentProgram } from '../../../agent/cli/program.ts'
import { encodeJoinString, type JoinTicket } from '../../../protocol/wire/join-string.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { temporaryFolder } from '../../support/gateway-rig.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let state: string

beforeEach(async () => {
  folder = await temporaryFolder()
  state = join(folder.dir, 'agent')
})

afterEach(() => folder.remove())

interface Said {
  out: string
  err: string
  /** What the command rejected with. */
  error: unknown
}

async function agent(...args: readonly string[]): Promise<Said> {
  return await agentOn(state, ...args)
}

async function agentOn(dir: string, ...args: readonly string[]): Promise<Said> {
  return await agentWith('', dir, ...args)
}

async function agentWith(input: string, dir: string, ...args: readonly string[]): Promise<Said> {
  const said: Said = { out: '', err: '', error: undefined }
  const stdin = Readable.from([input])
  const stdout = { write: (text: string) => (said.out += text) } as never
  const stderr = { write: (text: string) => (said.err += text) } as never
  const program = agentProgram({ env: {}, stdin, stdout, stderr })
  said.error = await program
    .parseAsync(['node', 'agent', ...args, '--state', dir])
    .then(() => undefined)
    .catch((error: unknown) => error)
  return said
}

const INIT = ['init', '--name', 'onyx', '--address', '/ip4/10.0.0.7/tcp/4471']
const ADMIT = ['--name', 'basalt', '--role', 'agent', '--address', '/ip4/10.0.0.8/tcp/4471']

test('init makes the authority and prints it alone; a second one is refused', async () => {
  const made = await agent(...INIT)

  expect(made.error).toBeUndefined()
  expect(made.out).toMatch(/^12D3\w+\n$/)
  for (const name of ['authority.key', 'agent.key']) {
    expect((await stat(join(state, name))).mode & 0o777, name).toBe(0o600)
  }
  expect(await readFile(join(state, 'authority'), 'utf8')).toContain(made.out.trim())
  expect(await readdir(join(state, 'rosters'))).toEqual(['1.roster'])
  const again = await agent(...INIT)
  expect(again.error).toMatchObject({ code: 'STATE_EXISTS' })
  expect(again.out).toBe('')
})

test('id and admit: a member is signed in without a daemon, and goes out at its start', async () => {
  const authority = (await agent(...INIT)).out.trim()
  const second = await agentOn(join(folder.dir, 'basalt'), 'id', '--authority', authority)
  const id = second.out.trim()

  const admitted = await agent('admit', id, ...ADMIT, '--witness', '--json')

  expect(id).toMatch(/^12D3\w+\/[0-9a-f]{32}$/)
  expect(JSON.parse(admitted.out)).toMatchObject({
    schema: 'agent.admitted/1',
    name: 'basalt',
    peerId: id.split('/')[0],
    rosterVersion: 2,
    witnessEpoch: 2,
    pushed: false
  })
  const people = await agent('admit', id, ...ADMIT, '--witness')
  expect(people.out).toMatch(/^basalt is admitted: roster 3 is signed and goes out when/)
})

test('only the host with the authority key can admit', async () => {
  const authority = generateKey().peerId
  const id = (await agent('id', '--authority', authority)).out.trim()

  const said = await agent('admit', id, ...ADMIT)

  expect(said.error).toMatchObject({ code: 'AUTHORITY_ABSENT' })
})

test.each(['agent.key', 'authority.key'])('a %s that others may read is refused', async (name) => {
  const authority = (await agent(...INIT)).out.trim()
  const id = (await agentOn(join(folder.dir, 'other'), 'id', '--authority', authority)).out.trim()
  await chmod(join(state, name), 0o640)

  const said =
    name === 'agent.key'
      ? await agent('start', '--log-level', 'silent')
      : await agent('admit', id, ...ADMIT)

  expect(said.error).toMatchObject({ code: 'KEY_MODE_WIDE', kind: { exit: 78 } })
  expect(String(said.error)).toContain('0640')
})

test.each([
  ['init', '--name', 'onyx', '--address', '/ip4/10.0.0.7/tcp/1'],
  ['id', '--authority', generateKey().peerId],
  ['start', '--log-level', 'silent']
])('%s says that it cannot write to its state', async (...args) => {
  await writeFile(join(folder.dir, 'file'), '')

  const said = await agentOn(join(folder.dir, 'file', 'agent'), ...args)

  expect(said.error).toMatchObject({ code: 'STATE_UNWRITABLE', kind: { exit: 78 } })
})

test.each([['status', '--json'], ['jobs'], ['logs', '7K3QF2.0'], ['invite', '--role', 'agent']])(
  '%s without a daemon gives exit 3 and says how to start it',
  async (...args) => {
    const said = await agent(...args)

    expect(said.error).toMatchObject({ code: 'CONTROL_SOCKET_ABSENT', kind: { exit: 3 } })
    expect(String(said.error)).toContain('agent start')
    expect(said.out).toBe('')
  }
)

test('start says what is missing before it has an identity', async () => {
  const said = await agent('start', '--log-level', 'silent')

  expect(said.error).toMatchObject({ code: 'STATE_ABSENT', kind: { exit: 78 } })
})

test.each([
  [[], ''],
  [['init', '--name', 'x'], "required option '--address <multiaddr>' not specified"],
  [['jobs', '-n', '0'], 'Use 1 to 200.'],
  [['statsu'], 'Did you mean status?']
])('%j is a usage error', async (args, message) => {
  const said = await agent(...args)

  expect(said.error).toBeInstanceOf(CommanderError)
  expect(said.err).toContain(message)
})

test.each([
  [['--address', '/ip4/10.0.0.7/udp/1', '--name', 'x'], /--address .*use \/ip4/],
  [['--address', '/ip4/10.0.0.7/tcp/1', '--name', 'a b'], /--name a b: use letters/],
  [['--address', '/ip4/10.0.0.7/tcp/1', '--name', 'x', '--lease', 'long'], /--lease long/]
])('init refuses %j and makes nothing', async (args, message) => {
  const said = await agent('init', ...args)

  expect(said.error).toMatchObject({ code: 'USAGE', kind: { exit: 2 } })
  expect(String(said.error)).toMatch(message)
  await expect(stat(join(state, 'authority.key'))).rejects.toMatchObject({ code: 'ENOENT' })
})

test.each([
  [['--role', 'witness'], /--role witness/],
  [['--role', 'agent', '--for', '25h'], /--for 25h: is too long/],
  [['--role', 'agent', '--for', 'soon'], /--for soon: is no duration/]
])('invite refuses %j', async (args, message) => {
  const said = await agent('invite', ...args)

  expect(said.error).toMatchObject({ code: 'USAGE', kind: { exit: 2 } })
  expect(String(said.error)).toMatch(message)
})

describe('join', () => {
  const TICKET: JoinTicket = {
    authority: generateKey().peerId,
    inviter: generateKey().peerId,
    addresses: ['/ip4/127.0.0.1/tcp/1'],
    secret: '0a'.repeat(16),
    roles: ['agent'],
    isWitness: false,
    expiresMs: 4e12
  }
  const STRING = encodeJoinString(TICKET)

  test.each([
    ['an empty string', '', 'JOIN_STRING_INVALID', /it is empty/],
    ['one cut short', STRING.slice(0, -9), 'JOIN_STRING_INVALID', /cut short or mistyped/],
    ['an authority', TICKET.authority, 'JOIN_STRING_INVALID', /does not start with rmj1/],
    ['too long a one', `rmj1.${'A'.repeat(9_000)}`, 'JOIN_STRING_INVALID', /over 8192 characters/],
    [
      'one that is over',
      encodeJoinString({ ...TICKET, expiresMs: 1_000 }),
      'INVITE_EXPIRED',
      /good until 1970-01-01T00:00:01\.000Z, now it is 2/
    ],
    [
      'one for a gateway',
      encodeJoinString({ ...TICKET, roles: ['gateway'] }),
      'INVITE_ROLE_OTHER',
      /as gateway, not as agent: run `gateway join` here/
    ]
  ])('refuses %s, as an argument and from standard input, and makes nothing', async (...row) => {
    const [, text, code, message] = row
    const all = [await agentWith(`${text}\n`, state, 'join', '-')]
    if (text !== '') all.push(await agent('join', text))

    for (const said of all) {
      expect(said.error).toMatchObject({ code })
      expect(String(said.error)).toMatch(message)
      expect(said.out + said.err + String(said.error)).not.toContain(text.slice(5) || 'rmj1.x')
    }
    await expect(stat(state)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test.each([
    [['--address', '/ip4/10.0.0.8/udp/1'], 'USAGE', /--address .*use \/ip4/],
    [['--listen', '/ip4/0.0.0.0/tcp/0'], 'USAGE', /port 0/],
    [['--name', 'a b'], 'CONFIG_INVALID', /--name: name: use letters/]
  ])('refuses %j', async (args, code, message) => {
    const said = await agent('join', STRING, ...args)

    expect(said.error).toMatchObject({ code })
    expect(String(said.error)).toMatch(message)
  })

  test('refuses a state that belongs to another mesh, and leaves it as it is', async () => {
    const authority = (await agent(...INIT)).out.trim()

    const said = await agent('join', STRING)

    expect(said.error).toMatchObject({ code: 'STATE_BOUND', kind: { exit: 78 } })
    expect((await readFile(join(state, 'authority'), 'utf8')).trim()).toBe(authority)
  })
})

const ID = `${generateKey().peerId}/${'0'.repeat(32)}`

test.each([
  ['--role king: use agent, gateway or operator', ['admit', ID, ...ADMIT, '--role', 'king']],
  ['--role witness: use agent, gateway or operator', ['admit', ID, ...ADMIT, '--role', 'witness']],
  [': use at most 100 characters', ['admit', ID, ...ADMIT, '--name', 'x'.repeat(101)]],
  ['--zone : it must not be empty', ['admit', ID, ...ADMIT, '--witness', '--zone', '']],
  ['--address nowhere: use /ip4/', ['init', '--name', 'x', '--address', 'nowhere']],
  [': use at most 100 characters', [...INIT, '--zone', 'x'.repeat(101)]],
  ['--lease long: use default or short', [...INIT, '--lease', 'long']],
  ['--only asleep: use queued, leased, running, succeeded, ', ['jobs', '--only', 'asleep']],
  ['--only asleep: use queued, ', ['jobs', '--only', 'queued,asleep']],
  ['--since yesterday: is no duration: write it as in ', ['jobs', '--since', 'yesterday']],
  ['--repo : it must not be empty', ['jobs', '--repo', '']],
  [': use at most 1024 characters', ['jobs', '--ref', 'x'.repeat(1_025)]],
  [': use at most 1024 characters', ['jobs', '--holder', 'x'.repeat(1_025)]],
  [': use at most 128 characters', ['logs', 'x'.repeat(129)]],
  ['JOB : it must not be empty', ['logs', '']]
])('a wrong value is named with its option and what fits: %s', async (problem, args) => {
  const said = await agent(...args)

  expect(said.error).toMatchObject({ code: 'USAGE', kind: { exit: 2 } })
  expect(String(said.error)).toContain(problem)
  // Before anything is done, and before a daemon is asked: there is none.
  await expect(stat(state)).rejects.toMatchObject({ code: 'ENOENT' })
})

test.each([
  [['jobs', '-n', '500'], "'-n, --limit <rows>' argument '500' is invalid. Use 1 to 200."],
  [['jobs', '-n', 'many'], 'Use 1 to 200.'],
  [['logs', '7K3QF2.0', '--epoch', '1.5'], 'Use a whole number from 1 on.']
])('a number out of range is a usage error that names its range: %j', async (args, message) => {
  const said = await agent(...args)

  expect(said.error).toBeInstanceOf(CommanderError)
  expect(said.err).toContain(message)
})
