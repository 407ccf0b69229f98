import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AttemptRig } from '../support/attempt-rig.ts'

const TEST_MS = 60_000

/** Sockets with a place in the file system. */
const FIND = 'find / \\( -path /proc -o -path /sys \\) -prune -o -type s -print 2>/dev/null'

let rig: AttemptRig
let server: Server

beforeAll(async () => {
  rig = await AttemptRig.open()
  server = createServer()
  // Where a careless mount would bring one along: beside the folders that boxes are given.
  await new Promise<void>((resolve) => server.listen(join(rig.root, 'agent.sock'), resolve))
})

afterAll(async () => {
  await new Promise((resolve) => server.close(resolve))
  await rig.close()
})

async function said(...scripts: readonly string[]): Promise<readonly string[]> {
  const { result, lines } = await rig.run({ steps: scripts.map((run) => ({ run })) })
  expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
  return lines.map(({ text }) => text)
}

describe('a stranger that looks for an engine to speak to', { timeout: TEST_MS }, () => {
  test('finds no socket in the box, with a search that does find one of his own', async () => {
    // It is there a moment after the command that makes it.
    const own = `syslogd -O ./log; until [ -S /dev/log ]; do sleep 0.1; done; ${FIND}`
    expect(await said(`${FIND}; echo searched`, own)).toEqual(['searched', '/dev/log'])
  })

  test('has no variable that names one, and no client', async () => {
    const variables = 'env | grep -i -e docker -e container_host || echo none'
    const clients = 'command -v docker podman nerdctl crictl || echo none'

    expect(await said(variables, clients)).toEqual(['none', 'none'])
  })
})
