import {
  enumeration,
  inner,
  maybe,
  message,
  repeated,
  string,
  uint32,
  uint64
} from './field-table.ts'
import * as wire from './generated/announcement.ts'
import { tableCodec } from './table-codec.ts'

/* `announcement.proto` again, as tables: its fields in their order. */

const origin = message({
  forgeHost: string,
  repositoryId: string,
  event: string,
  ref: string,
  commit: string,
  number: string,
  action: string,
  rerunNonce: string
})
const pair = message({ key: string, value: string })
const step = message({ name: string, run: string, timeoutMs: maybe(uint64) })
const job = message({
  index: uint32,
  name: string,
  image: string,
  platform: maybe(string),
  resources: inner(message({ cpuMilli: uint64, memoryBytes: uint64 })),
  labels: repeated(pair),
  env: repeated(pair),
  timeoutMs: uint64,
  onLoss: enumeration(wire.OnLoss),
  network: enumeration(wire.Network),
  steps: repeated(step)
})
const error = message({
  code: string,
  message: string,
  line: maybe(uint64),
  column: maybe(uint64),
  path: maybe(string)
})
const manifest = message({
  origin: inner(origin),
  repository: string,
  url: string,
  before: string,
  pusher: string,
  title: string,
  jobs: repeated(job),
  error: inner(error)
})

export const announcementBytes = tableCodec<wire.Announcement>(
  message({
    runId: string,
    witnessEpoch: uint64,
    gateway: string,
    gwSeq: uint64,
    issuedAtMs: uint64,
    notAfterMs: uint64,
    floor: uint64,
    manifest: inner(manifest)
  })
)
