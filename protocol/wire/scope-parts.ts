import { type Ballot, NO_BALLOT } from '../core/ballot.ts'
import { STEPS_PER_JOB_MAX } from '../core/limits.ts'
import type { AnnouncementRef, RegisterScope, Stage } from '../core/messages.ts'
import { loose } from './codec.ts'
import {
  BOOT_BYTES,
  bytesOf,
  bytesOrNone,
  count,
  HASH_BYTES,
  hexOf,
  hexOrNone,
  ID_BYTES,
  need,
  optional,
  peerId,
  refuse,
  register
} from './fields.ts'
import type * as wire from './generated/register.ts'
import { stageNames } from './register-names.ts'

export function ballotToWire(ballot: Ballot): wire.Ballot {
  const boot = bytesOrNone(ballot.boot, BOOT_BYTES, 'boot')
  checkBallot(ballot)
  return { round: ballot.round, peer: ballot.peer, boot }
}

export function ballotFromWire(message: wire.Ballot | undefined): Ballot {
  const { round, peer, boot } = need(message, 'ballot')
  const ballot = { round, peer, boot: hexOrNone(boot, BOOT_BYTES, 'boot') }
  checkBallot(ballot)
  return ballot
}

// A round without its proposer, or the reverse, would sort among real ballots and be nobody's.
function checkBallot(ballot: Ballot): void {
  count(ballot.round, 'round')
  if (ballot.round === NO_BALLOT.round) {
    if (ballot.peer !== '' || ballot.boot !== '') refuse('ballot', 'has a proposer in round 0')
    return
  }
  peerId(ballot.peer, "ballot's peer")
  if (ballot.boot === '') refuse('boot', 'is missing')
}

export function annToWire(ann: AnnouncementRef): wire.AnnouncementRef {
  return {
    gateway: peerId(ann.gateway, 'gateway'),
    gwSeq: count(ann.gwSeq, 'gwSeq'),
    annHash: bytesOf(ann.annHash, HASH_BYTES, 'annHash')
  }
}

function annFromWire(message: wire.AnnouncementRef): AnnouncementRef {
  return {
    gateway: peerId(message.gateway, 'gateway'),
    gwSeq: count(message.gwSeq, 'gwSeq'),
    annHash: hexOf(message.annHash, HASH_BYTES, 'annHash')
  }
}

export function scopeToWire(scope: RegisterScope): wire.RegisterScope {
  return loose<wire.RegisterScope>({
    register: register(scope.register),
    witnessEpoch: count(scope.witnessEpoch, 'witnessEpoch'),
    storeId: bytesOf(scope.storeId, ID_BYTES, 'storeId'),
    ann: optional(scope.ann, annToWire)
  })
}

export function scopeFromWire(message: wire.RegisterScope | undefined): RegisterScope {
  const scope = need(message, 'scope')
  return {
    register: register(scope.register),
    witnessEpoch: count(scope.witnessEpoch, 'witnessEpoch'),
    storeId: hexOf(scope.storeId, ID_BYTES, 'storeId'),
    ann: optional(scope.ann, annFromWire)
  }
}

export function stageToWire(stage: Stage): wire.Stage {
  return {
    name: stageNames.toWire(stage.name),
    step: count(stage.step, 'step', STEPS_PER_JOB_MAX),
    steps: count(stage.steps, 'steps', STEPS_PER_JOB_MAX)
  }
}

export function stageFromWire(message: wire.Stage): Stage {
  return {
    name: stageNames.fromWire(message.name),
    step: count(message.step, 'step', STEPS_PER_JOB_MAX),
    steps: count(message.steps, 'steps', STEPS_PER_JOB_MAX)
  }
}
