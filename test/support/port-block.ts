import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { freePorts } from '../../deploy/demo/ports.ts'

/** Ports that are cut into blocks of one size. */
export interface PortRange {
  readonly first: number
  /** Ports of one block, the one that claims it included. */
  readonly size: number
  readonly blocks: number
}

/**
 * Above the ports that agents and gateways have by default, below those that Linux gives to whoever
 * asks for any: 88 test processes at once. A block takes a mesh with all that it steps over.
 */
const RANGE: PortRange = { first: 10_000, size: 250, blocks: 88 }

/**
 * Loopback ports that no other test process of this host takes: the first one of them is bound for
 * as long as the block is held, and the system gives that to one process only, and gives it back
 * whichever way that ends. Another program's ports among them are for `freePorts` to step over.
 */
export class PortBlock {
  /** The first port that is to be used. */
  readonly first: number
  /** Behind the last one. */
  readonly end: number
  readonly #claim: Server

  private constructor(claim: Server, port: number, size: number) {
    this.#claim = claim
    this.first = port + 1
    this.end = port + size
  }

  /** Rejects where all blocks of the range are taken. */
  static async claim(range = RANGE): Promise<PortBlock> {
    const { first, size, blocks } = range
    for (let tried = 0; tried < blocks; tried += 1) {
      // Not all from the same place: the last one's connections may still be fading there.
      const port = first + ((process.pid + tried) % blocks) * size
      const claim = await bound(port)
      if (claim !== undefined) return new PortBlock(claim, port, size)
    }
    const last = first + size * blocks - 1
    throw new Error(
      `all ${blocks} blocks of ports from ${first} to ${last} are taken by test processes: end some`
    )
  }

  async release(): Promise<void> {
    this.#claim.close()
    await once(this.#claim, 'close')
  }
}

async function bound(port: number): Promise<Server | undefined> {
  const server = createServer((socket) => void socket.destroy())
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    // No process goes on for its claim.
    return server.unref()
  } catch {
    return undefined
  }
}

/** This process's own, for parts that want a single port; held until it ends. */
let own: Promise<PortBlock> | undefined
/** Ports are given one after the other: two that ask at once must not find the same one free. */
let last: Promise<number> | undefined

/** A free loopback port that was given to nobody before, here or in another test process. */
export function freePort(): Promise<number> {
  own ??= PortBlock.claim()
  const block = own
  const before = last
  last = (async () => {
    const { first, end } = await block
    const [port = end] = await freePorts([before === undefined ? first : (await before) + 1])
    if (port >= end) throw new Error(`this process has had all its ports from ${first} to ${end}`)
    return port
  })()
  return last
}
