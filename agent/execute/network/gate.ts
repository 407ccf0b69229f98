import type { ContainerBody } from '../engine-types.ts'
import type { NetworkedPolicy } from './bridge.ts'
import type { OnLost } from './firewall.ts'
import type { Opening } from './openings.ts'

/** The network of one attempt, as whatever stands at its gate has to know it. */
export interface Guarded {
  readonly jobId: string
  readonly name: string
  readonly bridge: string
  /** Of the host on the bridge; '' where a process before this one has made it. */
  readonly gateway: string
  readonly policy: NetworkedPolicy
  readonly openings: readonly Opening[]
  readonly nameServers: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  /** The attempt must end: the rules cannot be proven any more. */
  readonly onLost: OnLost
}

/** Runs a command in the job's container as its own user; gives its exit code and what it says. */
export type RunInside = (
  command: readonly string[]
) => Promise<{ readonly code: number | undefined; readonly said: string }>

/** What keeps jobs to their policies. Everything throws NETWORK_UNENFORCED where it cannot. */
export interface Gate {
  /** Why it can be relied on no more; undefined while it can. */
  readonly lost: string | undefined
  /** Called when `lost` comes or goes; one listener. */
  onChange(listener: () => void): void
  check(): Promise<void>
  /** Before the container is made: what it is to be made of in place of `body`. */
  open(network: Guarded, body: ContainerBody): Promise<ContainerBody>
  /** In place of `open`, where a process before this one has opened it: gives the same. */
  adopt(network: Guarded, body: ContainerBody): Promise<ContainerBody>
  /** Once the container runs, before anything of the job does. */
  prove(network: Guarded, run: RunInside): Promise<void>
  /** Once the container is gone, before the network goes. May be called again. */
  leave(network: Guarded): Promise<void>
  /** Once the network is gone. */
  close(network: Guarded): Promise<void>
  stop(): void
}

/** The same container on a network of its own. */
export function onNetwork(
  body: ContainerBody,
  { name, nameServers }: Pick<Guarded, 'name' | 'nameServers'>
): ContainerBody {
  // Without servers of its own a container asks the host's, from the host's own place.
  const own = { NetworkMode: name, Dns: nameServers, DnsSearch: ['.'] }
  return { ...body, HostConfig: { ...body.HostConfig, ...own } }
}
