import '../../protocol/host/node20.ts'
import { openStore } from '../../protocol/store/mesh-store.ts'
import { JSON_CODEC } from './json-codec.ts'
import { acceptOf, jobValue } from './store-records.ts'

/*
 * A process to be killed: WRITERS side by side save rising rounds in the store of argv[2], from the
 * round in argv[3] on. Tells on stdout `ready`, `acked WRITER ROUND` for each, and `failed CODE`.
 */
const WRITERS = 16
/** Writes tried after the first failure: a store that stopped acknowledges none of them. */
const TRIES_AFTER_FAILURE = 50

const [, , dir = '', first = '1'] = process.argv
const tell = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

const store = await openStore({
  dir,
  peerId: 'peer-a',
  create: true,
  openedBy: 'test',
  codec: JSON_CODEC,
  onFailure: ({ code }) => tell(`told ${code}`)
})

async function write(writer: number): Promise<void> {
  let failures = 0
  for (let round = Number(first); failures < TRIES_AFTER_FAILURE; round += 1) {
    const register = `RUN.${writer}`
    const record = acceptOf(round, jobValue(register, round))
    try {
      const key = { register, witnessEpoch: 1 }
      await store.witness.save({ key, record, announcement: undefined })
      tell(`acked ${writer} ${round}`)
    } catch (error) {
      failures += 1
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
      tell(`failed ${code}`)
    }
  }
}

tell('ready')
await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)))
