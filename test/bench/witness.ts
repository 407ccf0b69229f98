import '../../protocol/host/node20.ts'
import { type BenchMember, type MemberFolder, startBenchMember } from './bench-member.ts'
import { answerCalls } from './child-calls.ts'

/* One witness of `bench -- claims`, in a process of its own. */

let host: BenchMember | undefined

const started = (): BenchMember => {
  if (host === undefined) throw new Error('not started')
  return host
}

answerCalls(
  {
    start: async (folder: MemberFolder) => {
      host = await startBenchMember(folder)
      const { key, node, store } = host
      return [{ peerId: key.peerId, storeId: store.storeId, addresses: node.addresses() }]
    },
    roster: (hex: string) => started().book.offer(Buffer.from(hex, 'hex')),
    syncs: () => started().syncs()
  },
  async () => await host?.stop()
)
