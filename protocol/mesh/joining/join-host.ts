import { MeshError } from '../../core/errors.ts'
import type { Joiner } from '../../core/invite.ts'
import { JOIN_STRING_CHARACTERS_MAX } from '../../core/join-limits.ts'
import { ADDRESSES_MAX } from '../../core/limits.ts'
import { isMemberAddress, type Reach, reachOf } from '../../core/member-fields.ts'
import {
  checkFirstSettings,
  firstSettingsFile,
  writeFirstSettings
} from '../../host/first-settings.ts'
import { type Input, inputLine } from '../../host/input-line.ts'
import { decodeJoinString } from '../../wire/join-string.ts'
import { type JoinParts, joinMesh } from './join-mesh.ts'

/** What both programs' settings say of a member. */
export interface HostSettings {
  readonly name: string
  readonly listen: readonly string[]
  readonly announce: readonly string[]
}

export interface JoinHostOrder {
  readonly joiner: Joiner
  /** The join string, or `-`: it is the first line of the input. */
  readonly text: string
  readonly input: Input | undefined
  /** Settings with this command's options, and without. */
  readonly wanted: HostSettings
  readonly found: HostSettings
  /** Where others reach this host; empty says what `wanted` says, or what the inviter sees. */
  readonly addresses: readonly string[]
}

/** What `join --json` prints, but for its schema. */
export interface JoinedHost {
  readonly name: string
  readonly peerId: string
  readonly storeId: string
  readonly authority: string
  readonly inviter: string
  readonly roles: readonly string[]
  readonly addresses: readonly string[]
  readonly rosterVersion: number
  /** The settings file, and whether it was made now. */
  readonly config: string
  readonly configMade: boolean
}

/** `agent join` and `gateway join`. Throws JOIN_STRING_INVALID, USAGE, and what joinMesh throws. */
export async function joinHost(parts: JoinParts, order: JoinHostOrder): Promise<JoinedHost> {
  const { joiner, text, input, wanted, found } = order
  const isPiped = text === '-'
  const ticket = decodeJoinString(
    isPiped ? await inputLine(input, JOIN_STRING_CHARACTERS_MAX) : text
  )
  const reach = reachOfHost(order)
  const file = await firstSettingsFile(parts.paths.config)
  checkFirstSettings(file, wanted, found)
  const { name, listen } = wanted
  const { peerId, storeId, sealed, member } = await joinMesh(parts, {
    ...reach,
    ticket,
    joiner,
    name
  })
  // Last: a join that failed must not leave a file that the next one has to agree with.
  await writeFirstSettings(file, { name, listen })
  return {
    name: member.name,
    peerId,
    storeId,
    authority: ticket.authority,
    inviter: ticket.inviter,
    roles: member.roles,
    addresses: member.addresses,
    rosterVersion: sealed.roster.version,
    config: file.file,
    configMade: !file.exists
  }
}

function reachOfHost({ wanted, addresses }: JoinHostOrder): Reach {
  const wrong = addresses.find((address) => !isMemberAddress(address))
  if (wrong !== undefined) {
    throw new MeshError('USAGE', { problem: `--address ${wrong}: use /ip4/ADDRESS/tcp/PORT` })
  }
  const said = addresses.length > 0 ? addresses : wanted.announce
  const reach = said.length > 0 ? { addresses: said, ports: [] } : reachOf(wanted.listen)
  if (reach.addresses.length + reach.ports.length > ADDRESSES_MAX) {
    throw new MeshError('USAGE', { problem: `a member has ${ADDRESSES_MAX} addresses at most` })
  }
  if (reach.ports.includes(0) || reach.addresses.some((address) => address.endsWith('/tcp/0'))) {
    const problem = 'port 0 is another one at each start: name a port with --listen'
    throw new MeshError('USAGE', { problem })
  }
  return reach
}
