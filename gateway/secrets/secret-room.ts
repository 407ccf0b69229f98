import type { Clock } from '../../protocol/core/ports.ts'
import type { SealedAnnouncement } from '../../protocol/core/run.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { Member } from '../../protocol/mesh/member.ts'
import type { ProvisionRoom } from '../provision/provision-room.ts'
import { LogMaskers } from './log-maskers.ts'
import { SecretService, type SecretServiceParts } from './secret-service.ts'
import { type SecretFiles, SecretStore } from './secret-store.ts'

export interface SecretRoomParts {
  readonly member: Pick<Member, 'board' | 'readJob' | 'roster'>
  /** Peer id of this gateway. */
  readonly self: string
  readonly provision: Pick<ProvisionRoom, 'configure' | 'hiddenOf'>
  readonly sourceOf: SecretServiceParts['sourceOf']
  readonly clock: Pick<Clock, 'bootMs' | 'monotonicMs'>
  readonly log: Log
}

/** Secrets of one gateway, put together: who asks for them, and where they must not be seen. */
export class SecretRoom {
  readonly service: SecretService
  readonly maskers: LogMaskers

  constructor(parts: SecretRoomParts, files: SecretFiles) {
    const { member, self, provision, sourceOf, clock, log } = parts
    const store = new SecretStore(files)
    const sealedOf = (runId: string): SealedAnnouncement | undefined => {
      const sealed = member.board.run(runId)?.sealed
      return sealed?.announcement.gateway === self ? sealed : undefined
    }
    this.maskers = new LogMaskers({ store, sealedOf, hiddenOf: provision.hiddenOf, log })
    this.service = new SecretService({
      store,
      sealedOf,
      isAgent: (peer) => {
        const found = member.roster()?.roster.members.find(({ peerId }) => peerId === peer)
        return found?.roles.includes('agent') === true
      },
      readJob: (job) => member.readJob(job),
      isolationOf: (peer) => member.board.agent(peer, clock.bootMs())?.advertisement.isolation,
      configure: (slot) => provision.configure(slot),
      sourceOf,
      onReleased: (job) => this.maskers.forget(job),
      clock,
      log
    })
  }
}
