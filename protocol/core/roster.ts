export type Role = 'agent' | 'gateway' | 'witness' | 'operator'

export interface WitnessSeat {
  /**
   * Random id of the witness's database, 32 hex digits: a store that lost data is another witness.
   */
  readonly storeId: string
  /** Failure domain; witnesses of one run come from different zones while there are any. */
  readonly zone: string
}

export interface Member {
  readonly peerId: string
  readonly name: string
  readonly roles: readonly Role[]
  /** Multiaddrs without /p2p. */
  readonly addresses: readonly string[]
  readonly witness: WitnessSeat | undefined
  /** Wall clock; the entry is void afterwards. */
  readonly notAfterMs: number
}

/** The signed, versioned list of members; it is the list of certificates. */
export interface Roster {
  readonly version: number
  /** SHA-256 over the previous roster's envelope bytes, '' for the first. */
  readonly prevHash: string
  /** Rises only when the witness set, a storeId, w or the lease profile changes. */
  readonly witnessEpoch: number
  readonly w: 1 | 3 | 5
  readonly lease: LeaseProfileName
  /** Peer id (Ed25519) of the mesh authority: the only key whose rosters are taken. */
  readonly authority: string
  readonly members: readonly Member[]
  readonly revoked: readonly string[]
  /**
   * The authority's wall clock when this witness epoch began, milliseconds; absent in the first
   * epoch, and in rosters from before it was kept. The epoch before ended then.
   */
  readonly epochSinceMs?: number | undefined
  /** The lowest witness epoch that had a gateway: no run can have begun in one below. */
  readonly runsFromEpoch?: number | undefined
  /**
   * Earlier witness epochs whose registers the authority has given up: a majority of their
   * witnesses is gone for good. Ascending; absent where there is none.
   */
  readonly lostEpochs?: readonly number[] | undefined
}

export type LeaseProfileName = 'default' | 'short'

export interface SealedRoster {
  readonly roster: Roster
  /** SHA-256 over `bytes`. */
  readonly hash: string
  readonly bytes: Uint8Array
}
