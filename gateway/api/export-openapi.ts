import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { LogStreams } from '../../protocol/api/log-streams.ts'
import { Board } from '../../protocol/core/board.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { VERSION } from '../../protocol/host/version.ts'
import { pipelineSchemaText } from '../../protocol/pipeline/json-schema.ts'
import type { ApiParts } from './parts.ts'
import { createServer } from './server.ts'

/*
 * Writes docs/openapi.json and docs/pipeline.schema.json from the schemas:
 * node --import tsx gateway/api/export-openapi.ts
 * Tests hold the committed files and the schemas together.
 */

/** The document that /api/openapi.json serves, as the text of docs/openapi.json. */
export async function openApiText(): Promise<string> {
  const absent = (): never => {
    throw new MeshError('BUG', { problem: 'the exported server answers nothing' })
  }
  const log = silentLog()
  const sources = { board: new Board(), clock: systemClock(), roster: () => undefined }
  const api: ApiParts = {
    peerId: '',
    version: VERSION,
    ...sources,
    inbox: { byRun: absent, get: absent, list: absent },
    announcer: { open: absent },
    approvals: { waiting: absent, approve: absent, reject: absent },
    door: { replay: absent },
    orders: { start: absent, retry: absent },
    orderAgent: absent,
    statuses: { open: 0, unsent: 0, givenUp: absent },
    readJob: absent,
    links: () => [],
    health: absent,
    epochs: absent,
    equivocations: absent,
    metrics: { text: absent },
    intakeQueued: () => 0,
    stopping: () => false,
    readLog: absent,
    follow: { ...sources, keeps: absent, watch: absent, readPage: absent },
    streams: new LogStreams(),
    cancel: absent,
    log
  }
  const parts = { api, receiver: { receive: absent }, tokens: { find: absent }, log }
  const app = await createServer(parts)
  await app.ready()
  const document = app.swagger()
  await app.close()
  return `${JSON.stringify(document, null, 2)}\n`
}

const script = process.argv[1]
if (script !== undefined && pathToFileURL(resolve(script)).href === import.meta.url) {
  const docs = join(import.meta.dirname, '..', '..', 'docs')
  await writeFile(join(docs, 'openapi.json'), await openApiText())
  await writeFile(join(docs, 'pipeline.schema.json'), pipelineSchemaText())
}
