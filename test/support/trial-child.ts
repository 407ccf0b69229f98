import '../../protocol/host/node20.ts'
import { Engine } from '../../agent/execute/engine.ts'
import { tryRuntimes } from '../../agent/probe/runtimes.ts'
import { systemClock } from '../../protocol/host/clock.ts'

/*
 * A process that tries the runtimes of an engine, to be killed in the middle of it:
 *   node --import tsx test/support/trial-child.ts SOCKET PEER_ID WORKSPACES
 */
const [, , socket = '', peerId = '', workspaces = ''] = process.argv
const engine = Engine.local(socket, 10_000)
const parts = { engine, peerId, busybox: '/bin/busybox', workspaces, clock: systemClock() }
await tryRuntimes(parts, 3_000, new AbortController().signal)
