import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import type { NetworkPolicy } from '../../protocol/core/network.ts'
import { JOB_CONNECTIONS_MAX } from '../../protocol/core/network-limits.ts'
import type { AttemptRig } from '../support/attempt-rig.ts'
import { eventually } from '../support/eventually.ts'
import { type NetworkBed, WORLD } from './network-bed.ts'

const run = promisify(execFile)

/** Milliseconds until a job has opened what it can. */
const OPEN_MS_MAX = 60_000

/** Something that a stranger with a network would like to reach. */
export interface Try {
  readonly name: string
  readonly command: string
}

/** What is tried under each policy: connections, datagrams, pings, a frame, odd sockets. */
export async function everyTry(bed: NetworkBed): Promise<readonly Try[]> {
  // A fetch in full: that a connection is taken may be a proxy's doing.
  const get = (name: string, place: string): Try => {
    const fetch = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${place.replace(':', ' ')}`
    return { name, command: `${fetch} | grep -qE '^(here|host)$'` }
  }
  const world = Object.entries(WORLD)
  const hosts = (await bed.hostAddresses()).map((address, index) => ({ address, index }))
  const gateway = "$(ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p')"
  const around = (how: string, address: string): Try => ({
    name: `host by a socket that is ${how}`,
    command: `$PROGRAMS/around ${how} ${address} ${bed.hostPort}`
  })
  return [
    ...world.map(([name, address]) => get(name, `${address}:80`)),
    get('lan database', `${WORLD.lan}:5432`),
    get('mail', `${WORLD.internet}:25`),
    { name: 'name server', command: `nslookup a.example ${WORLD.lan} 2>&1 | grep -q 1.2.3.4` },
    get('gateway', `${gateway}:${bed.hostPort}`),
    { name: 'gateway by a frame', command: `arping -c 1 -w 2 -I eth0 ${gateway} >/dev/null` },
    around('bind', hosts[0]?.address ?? ''),
    around('near', gateway),
    around('all', gateway),
    ...hosts.map(({ address, index }) => get(`host ${index}`, `${address}:${bed.hostPort}`)),
    ...hosts.map(({ address, index }) =>
      get(`neighbour ${index}`, `${address}:${bed.neighbourPort}`)
    ),
    ...[...world, ['host', hosts[0]?.address ?? ''] as const].map(([name, address]) => {
      return { name: `ping ${name}`, command: `$PING ${address} >/dev/null` }
    })
  ]
}

/** Programs that need no right: an image's own ping asks for a raw socket. */
export async function compileInto(dir: string): Promise<void> {
  const flags = ['-std=gnu11', '-O1', '-static', '-Wall', '-Wextra', '-Werror']
  for (const name of ['ping', 'around', 'many']) {
    const source = join(import.meta.dirname, `${name}.c`)
    await run('cc', [...flags, '-o', join(dir, name), source])
  }
}

export function scriptOf(all: readonly Try[]): string {
  const each = all.map(
    ({ name, command }) => `(${command} 2>/dev/null && echo "reached ${name}") &`
  )
  return [...each, 'wait'].join('\n')
}

/** Sorted. */
export function reachedIn(text: string): readonly string[] {
  const names = [...text.matchAll(/^reached (.*)$/gm)].map((match) => match[1] ?? '')
  return [...new Set(names)].sort()
}

/** Sorted names of what a job under this policy reached. */
export async function reachedBy(
  rig: AttemptRig,
  commit: string,
  tries: readonly Try[],
  network: NetworkPolicy
): Promise<readonly string[]> {
  const script = `PING=./ping PROGRAMS=.\n${scriptOf(tries)}`
  const { result, lines } = await rig.run({ commit, steps: [{ run: script }], spec: { network } })
  expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
  return reachedIn(lines.map(({ text }) => text).join('\n'))
}

/** The ways that a job with one name in its list gets to the host of that name. */
export async function byName(rig: AttemptRig): Promise<readonly string[]> {
  const name = `ip-${WORLD.internet.replaceAll('.', '-')}.example`
  const ask = (words: string, place: string, way: string): string => {
    const said = `printf '${words}GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 ${place}`
    return `${said} | grep -q '^here$' && echo ${way}`
  }
  const tunnel = (to: string): string => `CONNECT ${to}:80 HTTP/1.1\\r\\n\\r\\n`
  const run = [
    "P=$(echo $http_proxy | sed 's,http://,,;s,:, ,')",
    ask(tunnel(name), '$P', 'by its name'),
    ask(tunnel('other.example'), '$P', 'by another name'),
    ask(tunnel(WORLD.internet), '$P', 'by its address through the proxy'),
    ask('', `${WORLD.internet} 80`, 'by its address'),
    'true'
  ].join('\n')
  const { lines } = await rig.run({
    steps: [{ run }],
    spec: { network: { allow: [`${name}:80`] } }
  })
  // What its proxy decides is in the log as well.
  return lines.map(({ text }) => text).filter((text) => /^by /.test(text))
}

/** What a job says that opens ten connections beside one which tries more than it may have. */
export async function tooMany(rig: AttemptRig, commit: string): Promise<readonly string[]> {
  const asked = JOB_CONNECTIONS_MAX + 1_000
  const run = `./many ${WORLD.internet} 80 ${asked} 8; echo ready; sleep 60`
  const spec = { network: 'internet' } as const
  const hog = await rig.start({ commit, steps: [{ run }], spec })
  const isOver = () => hog.lines.some(({ text }) => text.startsWith('taken '))
  await eventually('it has opened what it can', isOver, OPEN_MS_MAX)
  const steps = [{ run: `./many ${WORLD.internet} 80 10 5` }]
  const neighbour = await rig.run({ commit, steps, spec })
  hog.abort('cancelled')
  await hog.result

  const taken = Number(hog.lines.find(({ text }) => /^taken/.test(text))?.text.split(' ')[1])
  expect(taken).toBeLessThanOrEqual(JOB_CONNECTIONS_MAX)
  expect(taken).toBeGreaterThan(JOB_CONNECTIONS_MAX / 2)
  return neighbour.lines.map(({ text }) => text)
}
