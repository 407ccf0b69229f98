import type { RegisterReply, RejectCode } from '../core/messages.ts'

/** A refusal that tells nothing of the register. */
export function refusal(code: RejectCode, detail: string): RegisterReply {
  return { kind: 'rejected', code, promised: undefined, remainingMs: undefined, detail }
}
