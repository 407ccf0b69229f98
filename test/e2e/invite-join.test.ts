import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../protocol/host/clock.ts'
import { statePaths } from '../../protocol/host/paths.ts'
import { RosterBook } from '../../protocol/mesh/members/roster-book.ts'
import { temporaryFolder } from '../support/gateway-rig.ts'
import { endGuardians } from '../support/guardians.ts'
import { InvitingAgent } from '../support/inviting-agent.ts'
import { clearAfterAgentsIn } from '../support/killed-agents.ts'
import { freePort } from '../support/port-block.ts'
import { ProgramProcess } from '../support/program-process.ts'

/* The real programs as processes of their own, joined over loopback. */

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let inviting: InvitingAgent
const running: ProgramProcess[] = []

beforeAll(async () => {
  folder = await temporaryFolder()
  inviting = await InvitingAgent.start(join(folder.dir, 'onyx'))
})

afterEach(async () => {
  await Promise.all(running.splice(0).map((program) => program.kill('SIGKILL')))
})

afterAll(async () => {
  await inviting.stop()
  await endGuardians(folder.dir)
  await clearAfterAgentsIn(folder.dir)
  await folder.remove()
})

function program(name: 'agent' | 'gateway', args: readonly string[], input = ''): ProgramProcess {
  const process = new ProgramProcess(name, args, input)
  running.push(process)
  return process
}

const stateOf = (name: string): string => join(folder.dir, name)

describe('agent invite', () => {
  test('prints the string alone, and what to do with it beside', async () => {
    const said = await inviting.agent('invite', '--role', 'agent', '--witness', '--for', '90s')

    expect(said.code).toBe(0)
    expect(said.stdout).toMatch(/^rmj1\.[\w-]+\n$/)
    expect(said.stderr).toMatch(
      /^one host may join as agent, witness until 2\d{3}-.*\n {2}agent join -/
    )
    expect(said.stderr).not.toContain(said.stdout.trim())
    expect((await stat(join(inviting.state, 'invites'))).mode & 0o777).toBe(0o600)
  })

  test('leaves no string in the log', async () => {
    const said = await inviting.agent('invite', '--role', 'gateway', '--json')

    const { schema, string } = JSON.parse(said.stdout)
    expect(schema).toBe('agent.invite/1')
    expect(inviting.log).not.toContain(string)
    expect(inviting.log).not.toContain('rmj1')
  })
})

describe('a host that joins', () => {
  test('as an agent needs the string and nothing else, and starts as the roster says', async () => {
    const port = await freePort()
    const listen = `/ip4/0.0.0.0/tcp/${port}`
    const string = await inviting.invite('--role', 'agent', '--witness')

    const args = ['join', '-', '--name', 'basalt', '--listen', listen, '--state', stateOf('basalt')]
    const said = await program('agent', args, `${string}\n`).exited

    expect([said.code, said.stderr]).toEqual([0, ''])
    expect(said.stdout).toContain('basalt is a member (agent, witness) of the mesh of 12D3')
    expect(said.stdout).toContain(`others reach it at /ip4/127.0.0.1/tcp/${port}\n`)
    expect(said.stdout).toContain('next: agent start')
    expect(said.stdout).not.toContain(string)
    const paths = statePaths('agent', { state: stateOf('basalt') }, {})
    expect(await readFile(paths.config, 'utf8')).toBe(`name: basalt\nlisten:\n  - ${listen}\n`)
    const book = await RosterBook.open(paths.rosters, inviting.authority, systemClock())
    const { members, witnessEpoch } = book.current()?.roster ?? {}
    expect(members?.map(({ name }) => name)).toEqual(['onyx', 'basalt'])
    expect(witnessEpoch).toBe(2)
    expect(inviting.log).not.toContain(string)
  })

  test('as a gateway starts and is a linked member of the mesh', async () => {
    const [port, http] = [await freePort(), await freePort()]
    const string = await inviting.invite('--role', 'gateway')
    const state = stateOf('front')
    const args = ['--name', 'front', '--listen', `/ip4/127.0.0.1/tcp/${port}`, '--state', state]

    const said = await program('gateway', ['join', string, ...args, '--json']).exited

    expect(said.stderr).toBe('')
    expect(JSON.parse(said.stdout)).toMatchObject({
      schema: 'gateway.joined/1',
      name: 'front',
      roles: ['gateway'],
      addresses: [`/ip4/127.0.0.1/tcp/${port}`],
      configMade: true
    })
    const start = ['start', '--state', state, '--http-listen', `127.0.0.1:${http}`]
    await program('gateway', start).said('gateway started')
    await inviting.linkedTo('front')
  })

  test('again with a used string, on another host, is refused without a trace', async () => {
    const string = await inviting.invite('--role', 'agent')
    await inviting.invite('--role', 'agent')
    const join = (name: string, ...more: string[]) =>
      program('agent', ['join', string, '--name', name, '--state', stateOf(name), ...more]).exited

    expect((await join('granite')).code).toBe(0)
    const second = await join('slate')
    const again = await join('granite', '--json')

    expect([second.code, second.stdout]).toEqual([1, ''])
    expect(second.stderr).toMatch(/^INVITE_USED: .*another one with `agent invite`/)
    expect(second.stderr).not.toContain(string)
    // The same host may ask again: its first answer could have been lost.
    expect(JSON.parse(again.stdout)).toMatchObject({ name: 'granite', configMade: false })
  })
})

describe('a join is refused', () => {
  test('where an option and the settings disagree, before the invite is used', async () => {
    const file = join(folder.dir, 'agent.yaml')
    await writeFile(file, 'name: gneiss\n')
    const string = await inviting.invite('--role', 'agent')
    const joined = (...args: string[]) =>
      program('agent', ['join', string, '--config', file, ...args]).exited

    const other = await joined('--name', 'slate', '--state', stateOf('gneiss'))
    const busy = await joined('--state', inviting.state)
    const good = await joined('--state', stateOf('gneiss'))

    expect(other.stderr).toMatch(/^USAGE: --name is not what .*agent\.yaml says/)
    expect(busy.stderr).toMatch(/^STATE_LOCKED: /)
    expect(good.stdout).toContain('gneiss is a member')
    expect(await readFile(file, 'utf8')).toBe('name: gneiss\n')
  })
})
