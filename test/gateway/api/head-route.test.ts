import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { LogStreams } from '../../../protocol/api/log-streams.ts'
import { Board } from '../../../protocol/core/board.ts'
import { systemClock } from '../../../protocol/host/clock.ts'
import { ROSTER } from '../../support/control-parts.ts'
import { ScriptedLogs } from '../../support/follow-source.ts'
import { HttpRig } from '../../support/http-rig.ts'
import { claimed, jobLife, sealedRun } from '../../support/run-life.ts'

const PIPELINE = 'jobs: { build: { image: "debian:13", steps: [{ run: make }] } }\n'

test('who asks for the head of a followed log takes no place in the list', async () => {
  const streams = new LogStreams({ max: 2 })
  const logs = new ScriptedLogs({ board: new Board(), clock: systemClock(), roster: () => ROSTER })
  const rig = await HttpRig.make({ api: { roster: () => ROSTER, streams, follow: logs } })
  logs.board = rig.board
  const sealed = sealedRun(rig.key, { commit: 'a'.repeat(40), pipeline: PIPELINE })
  rig.board.addRun(sealed, Date.now())
  rig.board.foldJob(jobLife(sealed, 0, ['peer-onyx', claimed()]), 0)
  await rig.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = rig.app.server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}/api/v1/jobs/${sealed.announcement.runId.slice(0, 6)}.0/log`
  const headers = { accept: 'text/event-stream', ...(await rig.bearer()) }

  for (let asked = 0; asked < 3; asked++) await fetch(url, { method: 'HEAD', headers })

  expect(streams.size).toBe(0)
  streams.stop()
  await rig.stop()
})
