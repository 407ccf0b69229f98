import type { NetworkBody, NetworkView } from '../engine-types.ts'

export const BRIDGE_OPTION = 'com.docker.network.bridge.name'

/** What the engine is asked for: one bridge of this name and subnet, without IPv6. */
export function networkBody(parts: {
  readonly name: string
  readonly bridge: string
  readonly subnet: string
  readonly labels: Readonly<Record<string, string>>
  /** Leads nowhere: neither out, nor to the host, which has no address on it. */
  readonly closed: boolean
}): NetworkBody {
  return {
    Name: parts.name,
    Driver: 'bridge',
    CheckDuplicate: true,
    Internal: parts.closed,
    Attachable: false,
    EnableIPv6: false,
    Options: {
      [BRIDGE_OPTION]: parts.bridge,
      // Others know no way back to a job's own address.
      'com.docker.network.bridge.enable_ip_masquerade': String(!parts.closed),
      // `Internal` alone leaves each address of the host open (20.10.24).
      ...(parts.closed ? { 'com.docker.network.bridge.inhibit_ipv4': 'true' } : {})
    },
    IPAM: { Driver: 'default', Config: [{ Subnet: parts.subnet }] },
    Labels: parts.labels
  }
}

/** What the engine made otherwise than it was asked; engines take options that they do not know. */
export function networkDifferences(asked: NetworkBody, made: NetworkView): readonly string[] {
  const wanted: Readonly<Record<string, unknown>> = {
    name: asked.Name,
    driver: asked.Driver,
    scope: 'local',
    internal: asked.Internal,
    attachable: asked.Attachable,
    ipv6: asked.EnableIPv6,
    subnets: asked.IPAM.Config.map(({ Subnet }) => Subnet),
    ...Object.fromEntries(
      Object.entries(asked.Options).map(([key, value]) => [`option ${key}`, value])
    )
  }
  const stored: Readonly<Record<string, unknown>> = {
    ...made,
    ...Object.fromEntries(
      Object.entries(made.options).map(([key, value]) => [`option ${key}`, value])
    )
  }
  return Object.entries(wanted)
    .map(([key, value]) => [key, JSON.stringify(value), JSON.stringify(stored[key])] as const)
    .filter(([, value, found]) => value !== found)
    .map(([key, value, found]) => `${key} is ${found ?? 'absent'}, asked ${value}`)
}
