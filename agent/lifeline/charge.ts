import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeDurable } from '../../protocol/host/durable-file.ts'
import { type ProcessIdentity, parseIdentity } from '../../protocol/host/process-identity.ts'

/** Where the guardian of one state folder keeps what it needs; all below that folder. */
export interface LifelinePaths {
  readonly dir: string
  /** What the agent hands over: whose containers, which deadlines, which engine. */
  readonly charge: string
  readonly socket: string
  readonly log: string
}

/** What an agent asks its guardian to guard. It is all that a guardian needs to know. */
export interface ChargeRecord {
  readonly peerId: string
  readonly storeId: string
  /** Folder of the lease folders. */
  readonly leases: string
  /** Path of the engine's socket. */
  readonly engine: string
  readonly agent: ProcessIdentity
}

export function lifelinePaths(state: string): LifelinePaths {
  const dir = join(state, 'lifeline')
  return {
    dir,
    charge: join(dir, 'charge.json'),
    socket: join(state, 'lifeline.sock'),
    log: join(state, 'lifeline.log')
  }
}

export async function writeCharge(path: string, record: ChargeRecord): Promise<void> {
  await writeDurable(path, `${JSON.stringify(record)}\n`, 0o600)
}

/** Undefined where there is none yet, or none that can be used. */
export async function readCharge(path: string): Promise<ChargeRecord | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return parseCharge(text)
}

function parseCharge(text: string): ChargeRecord | undefined {
  let value: Partial<ChargeRecord>
  try {
    value = (JSON.parse(text) ?? {}) as Partial<ChargeRecord>
  } catch {
    return undefined
  }
  const { peerId, storeId, leases, engine } = value
  const agent = parseIdentity(value.agent)
  if (!isName(peerId) || !isName(storeId) || !isName(leases) || !isName(engine)) return undefined
  return agent === undefined ? undefined : { peerId, storeId, leases, engine, agent }
}

/** An empty label would match containers of everybody. */
function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
