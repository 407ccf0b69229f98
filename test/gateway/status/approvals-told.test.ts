import { expect, test } from 'vitest'
import { ApprovalsTold } from '../../../gateway/status/approvals-told.ts'
import { WAITING_FOR_APPROVAL } from '../../../gateway/status/status-reporter.ts'
import type { Told } from '../../../gateway/status/told.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import type { Delivery, DeliveryState } from '../../../protocol/store/inbox-store.ts'

const EVENT = {
  kind: 'pull_request',
  repository: 'team/kernel',
  repositoryId: '7',
  number: 41,
  ref: 'refs/pull/41/head',
  head: 'b'.repeat(40)
}

function delivery(state: DeliveryState, reason: string): Delivery {
  return {
    key: 'gitea:team/kernel/1',
    deliveryId: '1',
    repository: 'team/kernel',
    url: 'https://git.example/team/kernel.git',
    runId: 'RUN1',
    receivedAtMs: 5,
    state,
    reason,
    reopenable: true,
    openEpoch: 0,
    body: JSON.stringify(EVENT),
    sealed: undefined
  }
}

function rig() {
  const state = { delivery: delivery('waiting', 'waits') as Delivery | undefined }
  const going: Told[] = []
  const said: unknown[] = []
  const told = new ApprovalsTold({
    inbox: {
      waiting: () => (state.delivery?.state === 'waiting' ? [state.delivery] : []),
      get: () => Promise.resolve(state.delivery),
      byRun: () => Promise.resolve(state.delivery)
    },
    outbox: { goingOn: () => going },
    reporter: {
      waitingForApproval: (run) => {
        said.push(['waiting', run])
        const { repository, runId, event, ref, commit, sinceMs: issuedAtMs } = run
        const what = { repository, runId, event, ref, commit, issuedAtMs }
        going.push({ ...what, description: WAITING_FOR_APPROVAL } as Told)
      },
      approvalOver: (run, why) => said.push(['over', run.runId, why])
    },
    log: silentLog()
  })
  return { state, said, told }
}

const RUN = {
  repository: 'team/kernel',
  runId: 'RUN1',
  event: 'pull_request',
  ref: 'refs/pull/41/head',
  commit: 'b'.repeat(40),
  sinceMs: 5
}

test('a run that waits is told once, with its commit and since when', async () => {
  const { said, told } = rig()

  await Promise.all([told.look(), told.look()])
  await told.look()

  expect(said).toEqual([['waiting', RUN]])
})

test('one that is superseded or closed is over, with the reason; one that is forgotten too', async () => {
  const { said, state, told } = rig()
  await told.look()

  state.delivery = delivery('ignored', 'superseded: pull request 41 is at another commit')
  await told.look()
  state.delivery = undefined
  await told.look()

  expect(said.slice(1)).toEqual([
    ['over', 'RUN1', 'superseded: pull request 41 is at another commit'],
    ['over', 'RUN1', 'nobody approved it']
  ])
})

test.each(['received', 'recorded'] as const)(
  'one that was approved is left to the board: %s',
  async (next) => {
    const { said, state, told } = rig()
    await told.look()

    state.delivery = delivery(next, '')
    await told.look()

    expect(said).toHaveLength(1)
  }
)
