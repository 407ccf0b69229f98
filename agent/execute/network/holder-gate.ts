import { Readable } from 'node:stream'
import { causeOf, MeshError } from '../../../protocol/core/errors.ts'
import { RULES_CALL_MS_MAX } from '../../../protocol/core/network-limits.ts'
import { ContainerWatch } from '../container-watch.ts'
import type { Engine } from '../engine.ts'
import type { ContainerBody } from '../engine-types.ts'
import { BUSYBOX_INSIDE, INSIDE } from '../guard.ts'
import { nativePlatform } from '../native-platform.ts'
import { HOLDER, holderBody } from '../profile-holder.ts'
import { differences } from '../read-back.ts'
import { PROFILE_LABEL } from '../sandbox-profile.ts'
import type { Denied } from './denied.ts'
import { type Gate, type Guarded, onNetwork, type RunInside } from './gate.ts'
import { type HolderRules, holderCount, holderText } from './holder-rules.ts'
import type { HostNetwork } from './host-network.ts'
import type { NftKit } from './nft-kit.ts'
import { openingKey } from './openings.ts'
import { TABLE } from './ruleset.ts'
import { parseTable } from './table-view.ts'

/** On the image of nothing that holders are made of: one for each agent. */
export const HOLDER_IMAGE_LABEL = 'runner-mesh.holder'
/** The two blocks that end an archive. */
const NOTHING = Buffer.alloc(1_024)
const KIT_INSIDE = `${INSIDE}/nft`
const OUTPUT_CHARACTERS_MAX = 4_194_304
/** What a kernel says to whoever has not the right. */
const REFUSED = /Operation not permitted/

export interface HolderGateParts {
  readonly engine: Engine
  readonly host: Pick<HostNetwork, 'addresses'>
  readonly peerId: string
  /** The owner's. */
  readonly denied: Denied
  /** See layNftKit. */
  readonly kit: () => Promise<NftKit>
}

/**
 * For hosts where the agent may set no rules: each job joins the network namespace of a holder,
 * which has put rules into it first. Nobody but the holder may change them, and what is sent meets
 * them before it leaves. The host itself is not changed.
 */
export class HolderGate implements Gate {
  readonly lost = undefined
  readonly #parts: HolderGateParts
  #kit: NftKit | undefined
  readonly #watches = new Map<string, ContainerWatch>()

  constructor(parts: HolderGateParts) {
    this.#parts = parts
  }

  onChange(): void {
    // Never: what one holder cannot do ends its own job.
  }

  async check(): Promise<void> {
    await orUnenforced(async () => {
      this.#kit = await this.#parts.kit()
    })
  }

  async open(network: Guarded, body: ContainerBody): Promise<ContainerBody> {
    return await orUnenforced(async () => {
      const { engine } = this.#parts
      const kit = this.#kit ?? (await this.#parts.kit())
      const image = await this.#image()
      const parts = { image, kit: kit.dir, kitInside: KIT_INSIDE }
      const made = holderBody(onNetwork(body, network), network.labels, parts)
      await this.leave(network)
      const platform = nativePlatform(await engine.info())
      const id = await engine.create(`${network.name}-net`, platform, made)
      const stored = await engine.inspect(id)
      const [difference] = stored === undefined ? ['it is gone'] : differences(made, stored)
      if (difference !== undefined) throw new Error(`its holder's ${difference}`)
      await engine.start(id)
      const rules = this.#rulesOf(network)
      await this.#nft(id, kit, ['-f', '-'], holderText(rules))
      await this.#compare(id, kit, rules)
      await this.#watch(network)
      return joining(body, id)
    })
  }

  async adopt(network: Guarded, body: ContainerBody): Promise<ContainerBody> {
    return await orUnenforced(async () => {
      const kit = this.#kit ?? (await this.#parts.kit())
      const id = await this.#holder(network)
      await this.#compare(id, kit, this.#rulesOf(network))
      await this.#watch(network)
      return joining(body, id)
    })
  }

  /** That it is in there, and that what is there is not its own to change. */
  async prove(network: Guarded, run: RunInside): Promise<void> {
    await orUnenforced(async () => {
      const where = [BUSYBOX_INSIDE, 'readlink', '/proc/self/ns/net']
      const holder = await this.#exec(await this.#holder(network), where, '')
      const job = await run(where)
      if (job.code !== 0 || job.said.trim() !== holder.trim()) {
        throw new Error(`the job is in ${job.said.trim()}, its holder in ${holder.trim()}`)
      }
      const change = await run([BUSYBOX_INSIDE, 'ip', 'route', 'del', 'default'])
      if (change.code !== 0 && REFUSED.test(change.said)) return
      throw new Error(`the job may change its network: ${change.said.trim() || 'it just did'}`)
    })
  }

  async leave({ name, labels }: Guarded): Promise<void> {
    await this.#watches.get(name)?.stop()
    this.#watches.delete(name)
    const { engine } = this.#parts
    for (const { id } of await engine.containers(ofHolder(labels))) await engine.remove(id)
  }

  async close(): Promise<void> {
    return await Promise.resolve()
  }

  stop(): void {
    for (const watch of this.#watches.values()) void watch.stop()
    this.#watches.clear()
  }

  /** One that is gone has taken the job's network with it: the job's failure would be ours. */
  async #watch({ name, labels, onLost }: Guarded): Promise<void> {
    const watch = new ContainerWatch(this.#parts.engine, ofHolder(labels))
    this.#watches.set(name, watch)
    await watch.start()
    watch.onDeath(() => onLost(unenforced('the holder of its network has ended')))
  }

  async #holder({ labels }: Guarded): Promise<string> {
    const [found, ...more] = await this.#parts.engine.containers(ofHolder(labels))
    if (found?.running === true && more.length === 0) return found.id
    throw new Error('the holder of its network is gone')
  }

  #rulesOf({ policy, openings, gateway }: Guarded): HolderRules {
    // What a host's own addresses open changes with its addresses, not with the job.
    if (policy === 'open') throw new Error('a holder keeps nobody from a whole network')
    const addresses = [...this.#parts.host.addresses()]
    const host = gateway === '' ? addresses : [gateway, ...addresses]
    return { policy, openings, host, denied: this.#parts.denied }
  }

  async #compare(id: string, kit: NftKit, rules: HolderRules): Promise<void> {
    const listed = await this.#nft(id, kit, ['-j', 'list', 'table', ...TABLE.split(' ')], '')
    const found = parseTable(listed, 'eth0')
    const [has, wanted] = [found.rules, holderCount(rules)]
    if (has !== wanted) throw new Error(`its holder has ${has} rules, not ${wanted}`)
    const keys = (openings: HolderRules['openings']): string =>
      openings
        .map((opening) => openingKey({ ...opening, bridge: '' }))
        .sort()
        .join()
    if (keys(found.openings) !== keys(rules.openings)) {
      throw new Error('its holder opens something else than it was told')
    }
  }

  /** Whatever prunes images takes it; it is made again in a moment. */
  async #image(): Promise<string> {
    const { engine, peerId } = this.#parts
    const labels = { [HOLDER_IMAGE_LABEL]: peerId }
    const [found] = await engine.images(labels)
    return found ?? (await engine.importRoot(Readable.from([NOTHING]), labels))
  }

  async #nft(
    id: string,
    { loader }: NftKit,
    args: readonly string[],
    input: string
  ): Promise<string> {
    const program = [`${KIT_INSIDE}/${loader}`, '--library-path', KIT_INSIDE, `${KIT_INSIDE}/nft`]
    return await this.#exec(id, [...program, ...args], input)
  }

  async #exec(container: string, command: readonly string[], input: string): Promise<string> {
    let said = ''
    const end = await this.#parts.engine.exec({
      ...{ container, command, env: [], user: '0:0', workdir: '/' },
      stdin: input === '' ? undefined : Readable.from([input]),
      onOutput: (_stream, bytes) => {
        said = (said + Buffer.from(bytes).toString('utf8')).slice(0, OUTPUT_CHARACTERS_MAX)
      },
      signal: AbortSignal.timeout(RULES_CALL_MS_MAX)
    })
    if (end.kind === 'exited' && end.code === 0) return said
    const cause = end.kind === 'exited' ? said.trim().split('\n')[0] : end.cause
    throw new Error(cause || 'its holder runs nothing')
  }
}

function ofHolder(labels: Guarded['labels']): Readonly<Record<string, string>> {
  return { 'runner-mesh.claim': labels['runner-mesh.claim'] ?? '', [PROFILE_LABEL]: HOLDER }
}

/** The same container in its holder's network namespace. */
function joining(body: ContainerBody, holder: string): ContainerBody {
  const joined = { NetworkMode: `container:${holder}`, Dns: [], DnsSearch: [] }
  return { ...body, HostConfig: { ...body.HostConfig, ...joined } }
}

async function orUnenforced<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof MeshError) throw error
    throw unenforced(causeOf(error), error)
  }
}

function unenforced(cause: string, error?: unknown): MeshError {
  return new MeshError('NETWORK_UNENFORCED', { cause }, { cause: error })
}
