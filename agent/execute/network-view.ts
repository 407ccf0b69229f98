import type { NetworkPlace, NetworkView } from './engine-types.ts'

/** What the engine says of a network, as far as it matters here. */
export interface NetworkAnswer {
  readonly Id: string
  readonly Name: string
  readonly Driver: string
  readonly Scope: string
  readonly Internal: boolean
  readonly Attachable: boolean
  readonly EnableIPv6: boolean
  readonly IPAM?: { readonly Config?: readonly { readonly Subnet?: string }[] | null } | undefined
  readonly Options?: Readonly<Record<string, string>> | null | undefined
  readonly Labels?: Readonly<Record<string, string>> | null | undefined
}

export function networkView(answer: NetworkAnswer): NetworkView {
  return {
    id: answer.Id,
    name: answer.Name,
    driver: answer.Driver,
    scope: answer.Scope,
    internal: answer.Internal,
    attachable: answer.Attachable,
    ipv6: answer.EnableIPv6,
    // The engine sends null for none.
    subnets: (answer.IPAM?.Config ?? []).flatMap(({ Subnet }) => Subnet ?? []),
    options: answer.Options ?? {},
    labels: answer.Labels ?? {}
  }
}

/** Where a container is on its networks, as its inspection says. */
export function networkPlaces(
  answer: Readonly<Record<string, PlaceAnswer>> | undefined
): Readonly<Record<string, NetworkPlace>> {
  const places = Object.entries(answer ?? {}).map(
    ([name, { IPAddress, Aliases }]) =>
      [name, { address: IPAddress ?? '', aliases: Aliases ?? [] }] as const
  )
  return Object.fromEntries(places)
}

interface PlaceAnswer {
  readonly IPAddress?: string | undefined
  readonly Aliases?: readonly string[] | null | undefined
}
