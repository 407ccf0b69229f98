import { NO_PROVISION, type Provisioner } from '../../gateway/provision/provisioner.ts'

/** For receivers of repositories whose forge runs its jobs elsewhere. */
export const NO_JOBS: Pick<Provisioner, 'note'> = {
  note: async () => ({ verdict: 'ignored', reason: NO_PROVISION })
}
