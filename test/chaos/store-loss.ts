import { cp, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from '../../deploy/demo/process.ts'
import type { History } from './history.ts'
import type { Host } from './host.ts'
import type { Ledger } from './ledger.ts'
import type { World } from './world.ts'

/** A daemon on a store that it must not use ends by itself within that, or goes on. */
const REFUSAL_MS_MAX = 40_000
/** What others were shown meanwhile makes the copy an older one: so many jobs that end. */
const JOBS_BETWEEN = 3
const BETWEEN_MS_MAX = 45_000
const ADMIT_MS_MAX = 90_000

export interface LossParts {
  readonly world: World
  readonly history: History
  readonly ledger: Ledger
}

/** The daemon must not go on as if it had its store, and comes back as a new witness. */
export async function loseStore(parts: LossParts, host: Host, forMs: number): Promise<void> {
  await host.hold('its store was deleted')
  try {
    await rm(join(host.state, 'store'), { recursive: true, force: true })
    const said = await host.command(['start'], REFUSAL_MS_MAX)
    if (said.code !== 78 || !said.stderr.includes('STATE_ABSENT')) {
      const facts = { host: host.name, code: said.code, said: said.stderr.slice(-500) }
      parts.history.violation('a deleted store went unnoticed', facts)
    }
    await new Promise((resolve) => setTimeout(resolve, forMs))
    await enrolAgain(parts, host)
  } finally {
    host.release()
  }
}

/** An older copy takes the store's place; whoever remembers more must make it stop. */
export async function restoreStore(parts: LossParts, host: Host, forMs: number): Promise<boolean> {
  const { world, history } = parts
  const [store, copy] = [join(host.state, 'store'), join(world.root, 'copies', host.name)]
  await host.hold('its store is copied')
  try {
    await rm(copy, { recursive: true, force: true })
    await mkdir(copy, { recursive: true })
    await cp(store, join(copy, 'store'), { recursive: true })
  } finally {
    host.release()
  }
  await isOlder(parts, host).catch(() => undefined)
  await new Promise((resolve) => setTimeout(resolve, forMs))
  await host.hold('its store was set back')
  try {
    await rm(store, { recursive: true, force: true })
    await cp(join(copy, 'store'), store, { recursive: true })
    const said = await host.command(['start'], REFUSAL_MS_MAX)
    const noticed = said.code === 78 && said.stderr.includes('STORE_SUSPECT')
    history.note('set back', { host: host.name, noticed, code: said.code })
    await rm(copy, { recursive: true, force: true })
    await rm(store, { recursive: true, force: true })
    await enrolAgain(parts, host)
    return noticed
  } finally {
    host.release()
  }
}

/** Resolves once the host has been back while jobs ended: it has witnessed some of them. */
async function isOlder({ ledger }: LossParts, host: Host): Promise<void> {
  const idle = () => host.get('/v1/health').then(() => true as const)
  await eventually(`${host.name} is back`, idle, BETWEEN_MS_MAX, 200)
  const before = ledger.jobs.length - ledger.open.length
  const enough = (): true | undefined =>
    ledger.jobs.length - ledger.open.length >= before + JOBS_BETWEEN ? true : undefined
  await eventually('jobs end', enough, BETWEEN_MS_MAX, 200)
}

/** A new store under the old key, and a roster that names it; the signer may be away. */
async function enrolAgain({ world, history }: LossParts, host: Host): Promise<void> {
  const id = await eventually(`${host.name} has a new store`, () => world.identify(host), 60_000)
  const admit = async (): Promise<true> => {
    await world.admit(host, id)
    return true
  }
  await eventually(`${host.name} is admitted again`, admit, ADMIT_MS_MAX, 1_000)
  history.note('admitted again', { host: host.name, id })
}
