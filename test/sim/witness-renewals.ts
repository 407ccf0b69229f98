import { type AcceptorContext, renew } from '../../protocol/core/acceptor.ts'
import { answerMs } from '../../protocol/core/lease-profile.ts'
import type {
  RegisterReply,
  RegisterScope,
  RenewItem,
  RenewResult
} from '../../protocol/core/messages.ts'
import type { SimProcess } from './process.ts'
import type { Scene } from './scene.ts'
import type { WitnessRegister } from './witness-registers.ts'

interface Renewing {
  readonly scene: Scene
  readonly process: SimProcess
  readonly storeId: string
  take(scope: RegisterScope): WitnessRegister
  whenSynced(seq: number, task: () => void): void
}

/** An item that cannot be answered in time is left out, and silences no other. */
export function answerRenewals(
  witness: Renewing,
  items: readonly RenewItem[],
  context: AcceptorContext,
  reply: (reply: RegisterReply) => void
): void {
  const { scene, process, storeId } = witness
  const results: RenewResult[] = []
  const own = items.filter(({ scope }) => scope.storeId === storeId)
  let open = own.length
  let isOut = false
  const leave = (): void => {
    if (isOut) return
    isOut = true
    reply({ kind: 'renewed', items: results })
  }
  for (const item of own) {
    renewOne(witness, item, context, (result) => {
      open -= 1
      if (!isOut) results.push(result)
      if (open === 0) leave()
    })
  }
  if (open === 0) leave()
  process.arm(answerMs(scene.profile), leave)
}

function renewOne(
  { scene, process, storeId: store, take, whenSynced }: Renewing,
  item: RenewItem,
  context: AcceptorContext,
  done: (result: RenewResult) => void
): void {
  const register = take(item.scope)
  const step = renew(register.state, item, context)
  register.state = step.state
  const { place } = register
  const { answer } = step.result
  const { claimId, boot } = item
  if (answer === 'ok') {
    scene.emit({ kind: 'renews', store, place, claimId, boot, localMs: process.nowMs })
  }
  if (answer !== 'ok' && answer !== 'stale') scene.emit({ kind: 'refuses', store, place, answer })
  const leave = (): void => {
    if (answer === 'ok' || answer === 'stale') {
      const accepted = step.state.record.accepted?.ballot
      const shown = { promised: undefined, accepted, lease: undefined, remainingMs: undefined }
      scene.emit({ kind: 'replies', store, place, what: answer, ...shown, madeAtMs: process.nowMs })
    }
    done(step.result)
  }
  if (step.durability === 'barrier') whenSynced(register.savedAcceptSeq, leave)
  else leave()
}
