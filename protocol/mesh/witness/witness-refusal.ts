import type { RegisterReply, RejectCode } from '../../core/messages.ts'

export type Refusal = Extract<RegisterReply, { readonly kind: 'rejected' }>

/** A refusal that tells nothing of the register. */
export function refusal(code: RejectCode, detail: string): Refusal {
  return { kind: 'rejected', code, promised: undefined, remainingMs: undefined, detail }
}
