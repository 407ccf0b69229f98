import { expect, test } from 'vitest'
import { ApiClient } from '../../support/api-client.ts'
import { HttpRig } from '../../support/http-rig.ts'

test('what no forge took is shown with its reason, to whoever may read', async () => {
  const row = {
    repository: 'team/kernel',
    runId: '7K3QF2',
    context: 'runner-mesh',
    state: 'failed'
  }
  const reason = 'forge.example refused to take a status (403): no'
  const givenUp = () => [{ ...row, settled: 'given_up' as const, reason }]
  const rig = await HttpRig.make({ api: { statuses: { open: 3, unsent: 2, givenUp } } })
  try {
    const api = await ApiClient.of(rig, ['read'])

    const answer = await api.get('/statuses')

    expect(answer).toEqual({
      status: 200,
      body: { open: 3, unsent: 2, givenUp: [{ ...row, reason }] }
    })
  } finally {
    await rig.stop()
  }
})
