import { type Ballot, NO_BALLOT } from '../core/ballot.ts'
import { STEPS_PER_JOB_MAX } from '../core/limits.ts'
import type { AnnouncementRef, RegisterScope, Stage } from '../core/messages.ts'
import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { BOOT_BYTES, HASH_BYTES, ID_BYTES, refuse } from './fields.ts'
import { stageNames } from './register-names.ts'

export function writeBallot(writer: FieldWriter, ballot: Ballot): void {
  checkBallot(ballot)
  writer.hexOrNone(3, 'boot', ballot.boot, BOOT_BYTES)
  writer.peerIdOrNone(2, "ballot's peer", ballot.peer)
  writer.count(1, 'round', ballot.round)
}

export function readBallot(reader: FieldReader): Ballot {
  const ballot = {
    round: reader.count(1, 'round'),
    peer: reader.peerIdOrNone(2, "ballot's peer"),
    boot: reader.hexOrNone(3, 'boot', BOOT_BYTES)
  }
  checkBallot(ballot)
  return ballot
}

// A round without its proposer, or the reverse, would sort among real ballots and be nobody's.
function checkBallot({ round, peer, boot }: Ballot): void {
  if (round === NO_BALLOT.round) {
    if (peer !== '' || boot !== '') refuse('ballot', 'has a proposer in round 0')
  } else if (peer === '' || boot === '') refuse('ballot', 'has no proposer')
}

function writeAnn(writer: FieldWriter, ann: AnnouncementRef): void {
  writer.hex(3, 'annHash', ann.annHash, HASH_BYTES)
  writer.count(2, 'gwSeq', ann.gwSeq)
  writer.peerId(1, 'gateway', ann.gateway)
}

function readAnn(reader: FieldReader): AnnouncementRef {
  return {
    gateway: reader.peerId(1, 'gateway'),
    gwSeq: reader.count(2, 'gwSeq'),
    annHash: reader.hex(3, 'annHash', HASH_BYTES)
  }
}

export function writeScope(writer: FieldWriter, scope: RegisterScope): void {
  writer.optionalMessage(4, scope.ann, writeAnn)
  writer.hex(3, 'storeId', scope.storeId, ID_BYTES)
  writer.count(2, 'witnessEpoch', scope.witnessEpoch)
  writer.register(1, 'register', scope.register)
}

export function readScope(reader: FieldReader): RegisterScope {
  return {
    register: reader.register(1, 'register'),
    witnessEpoch: reader.count(2, 'witnessEpoch'),
    storeId: reader.hex(3, 'storeId', ID_BYTES),
    ann: reader.optionalMessage(4, 'ann', readAnn)
  }
}

export function writeStage(writer: FieldWriter, stage: Stage): void {
  writer.count(3, 'steps', stage.steps, STEPS_PER_JOB_MAX)
  writer.count(2, 'step', stage.step, STEPS_PER_JOB_MAX)
  writer.name(1, stage.name, stageNames)
}

export function readStage(reader: FieldReader): Stage {
  return {
    name: reader.name(1, stageNames),
    step: reader.count(2, 'step', STEPS_PER_JOB_MAX),
    steps: reader.count(3, 'steps', STEPS_PER_JOB_MAX)
  }
}
