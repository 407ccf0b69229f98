import { describe, expect, test } from 'vitest'
import type { RegisterValue } from '../../protocol/core/messages.ts'
import { DIGEST } from '../support/arbitrary-register.ts'
import { complete, jobAfter } from '../support/job-ops.ts'
import { plainSigner } from '../support/plain-signer.ts'
import { checkI1 } from './checks/i01-one-value-per-ballot.ts'
import { checkI2 } from './checks/i02-one-chain.ts'
import { checkI3 } from './checks/i03-no-way-back.ts'
import { checkAnswers } from './checks/i04-answers.ts'
import { checkI4 } from './checks/i04-one-outcome.ts'
import { checkI5 } from './checks/i05-epochs.ts'
import { checkI9 } from './checks/i09-no-lost-delivery.ts'
import { checkI10 } from './checks/i10-nothing-unsynced.ts'
import { checkPromisesKept } from './checks/i10-promises-kept.ts'
import { checkI11 } from './checks/i11-one-configuration.ts'
import { checkFloors } from './checks/i12-floors-of-what-ended.ts'
import { checkForgotten } from './checks/i12-forgotten.ts'
import { checkI12 } from './checks/i12-no-creation-below-the-floor.ts'
import { checkI13 } from './checks/i13-no-poison.ts'
import type { Fact } from './events.ts'
import {
  ballot,
  CLAIM,
  CREATE,
  chosen,
  LEASED,
  PLACE,
  proposes,
  QUEUED,
  RIVAL,
  TAKEN,
  takes,
  verdict,
  written
} from './traces.ts'

/*
 * A checker that cannot fail is worthless: each is shown a trace that breaks its invariant, and one
 * that nearly does.
 */

describe('I1', () => {
  test('sees two values under one ballot', () => {
    const check = () => checkI1(new Set())
    expect(verdict(check(), proposes(LEASED, 2), proposes(RIVAL, 2))).toMatch('I1')
    expect(verdict(check(), proposes(LEASED, 2), proposes(LEASED, 2))).toBeUndefined()
  })

  test('sees a ballot that is begun twice', () => {
    const begin: Fact = { kind: 'prepares', by: 'agent', place: PLACE, ballot: ballot(1) }
    expect(verdict(checkI1(new Set()), begin, begin)).toMatch('I1')
  })

  test('sees a store that takes two values of one who lies', () => {
    const check = checkI1(new Set(['agent']))
    expect(verdict(check, takes(LEASED, 2, QUEUED, 0), takes(RIVAL, 2, LEASED, 0))).toMatch('I1')
  })
})

describe('I2', () => {
  test('sees two chosen values of which none descends from the other', () => {
    const trace = [proposes(QUEUED, 1), proposes(LEASED, 2), proposes(RIVAL, 3)]
    expect(verdict(checkI2(), ...trace, chosen(LEASED, 2), chosen(RIVAL, 3))).toMatch('I2')
    expect(verdict(checkI2(), ...trace, chosen(QUEUED, 1), chosen(RIVAL, 3))).toBeUndefined()
  })
})

describe('I3', () => {
  test('sees a store that goes back', () => {
    const syncs = (round: number): Fact => ({
      kind: 'syncs',
      store: 's',
      place: PLACE,
      promised: ballot(round),
      accepted: undefined
    })
    expect(verdict(checkI3(), syncs(2), syncs(1))).toMatch('I3')
    expect(verdict(checkI3(), syncs(1), syncs(2))).toBeUndefined()
    expect(verdict(checkI3(), syncs(3), takes(LEASED, 2, QUEUED, 0))).toMatch('I3')
  })
})

describe('I4', () => {
  const done = jobAfter(CREATE, CLAIM, complete('peerA', 1, 'one'))

  test('sees a job that goes on after its end', () => {
    const trace = [proposes(LEASED, 2), chosen(done, 3)]
    expect(verdict(checkI4(), ...trace, chosen(TAKEN, 4))).toMatch('I4')
    // A majority of an older round that comes together late is no revival.
    expect(verdict(checkI4(), ...trace, chosen(LEASED, 2))).toBeUndefined()
  })

  test('sees an outcome of somebody who never held the job', () => {
    expect(verdict(checkI4(), proposes(RIVAL, 2), chosen(done, 3))).toMatch('I4')
  })

  test('sees an answer that the history does not bear out', () => {
    const hears = (answer: 'applied' | 'rejected', base: RegisterValue): Fact => ({
      kind: 'hears',
      place: PLACE,
      op: LEASED.op,
      answer,
      base: DIGEST.hash(base)
    })
    expect(verdict(checkAnswers(), hears('rejected', QUEUED))).toMatch('not chosen')
    const no = [chosen(QUEUED, 1), hears('rejected', QUEUED), chosen(LEASED, 2)]
    expect(verdict(checkAnswers(), ...no)).toMatch('heard no')
    const yes = [chosen(LEASED, 2), hears('applied', LEASED), chosen(RIVAL, 3)]
    expect(verdict(checkAnswers(), ...yes)).toMatch('heard yes')
  })
})

describe('I5', () => {
  test('sees two holders of one epoch', () => {
    const trace = [chosen(QUEUED, 1), chosen(LEASED, 2)]
    expect(verdict(checkI5(), ...trace, chosen(RIVAL, 3))).toMatch('I5')
    expect(verdict(checkI5(), ...trace, chosen(LEASED, 3))).toBeUndefined()
  })

  test('sees an epoch that is left out', () => {
    const late = { ...LEASED, epoch: 3 }
    expect(verdict(checkI5(), chosen(QUEUED, 1), chosen(late, 2))).toMatch('I5')
  })
})

describe('I9', () => {
  test('sees an answer before the sync, and a run that is shown too early', () => {
    const delivery = { gateway: 'gateway', delivery: 'd' }
    expect(verdict(checkI9(), { kind: 'received', ...delivery })).toMatch('I9')
    const early: Fact = {
      kind: 'shown',
      gateway: 'gateway',
      place: PLACE,
      annHash: QUEUED.annHash
    }
    expect(verdict(checkI9(), early)).toMatch('I9')
    expect(verdict(checkI9(), chosen(QUEUED, 1), early)).toBeUndefined()
  })
})

describe('I10', () => {
  const reply: Fact = {
    kind: 'replies',
    store: 's',
    place: PLACE,
    what: 'promise',
    promised: ballot(2),
    accepted: undefined,
    lease: undefined,
    remainingMs: undefined,
    madeAtMs: 0
  }
  const syncs: Fact = {
    kind: 'syncs',
    store: 's',
    place: PLACE,
    promised: ballot(2),
    accepted: undefined
  }

  test('sees a reply that shows what is not synced', () => {
    expect(verdict(checkI10(), reply)).toMatch('I10')
    expect(verdict(checkI10(), syncs, reply)).toBeUndefined()
  })

  test('sees a reply of a store that has lost its past', () => {
    expect(verdict(checkI10(), syncs, { kind: 'damaged', store: 's' }, reply)).toMatch('I10')
  })

  test('sees a yes without the promise that its proposer counts on', () => {
    const owes = (round: number): Fact => {
      return { kind: 'owes', store: 's', place: PLACE, promised: ballot(round) }
    }
    expect(verdict(checkPromisesKept(), syncs, owes(3))).toMatch('I10')
    expect(verdict(checkPromisesKept(), syncs, owes(2))).toBeUndefined()
  })
})

describe('I11', () => {
  const op = plainSigner('gateway', DIGEST).runOp('RUN', 'op', { kind: 'create', annHash: 'ann' })
  const rest = { register: 'RUN', version: 1, prevHash: '', phase: 'run', annHash: 'ann' } as const
  const run: RegisterValue = { kind: 'run', ...rest, op }
  const announced: Fact = { kind: 'chosen', ...written(run, 1), place: 'RUN@1' }

  test('sees a run at two places, and jobs that are not of it', () => {
    const moved: Fact = { kind: 'chosen', ...written(run, 1), place: 'RUN@2' }
    expect(verdict(checkI11(), announced, moved)).toMatch('I11')
    expect(verdict(checkI11(), chosen(QUEUED, 1))).toMatch('I11')
    const other = { ...QUEUED, annHash: 'other' }
    expect(verdict(checkI11(), announced, chosen(other, 1))).toMatch('another announcement')
    expect(verdict(checkI11(), announced, chosen(QUEUED, 1))).toBeUndefined()
  })

  test('sees a gateway that shows a run by its own words, where others were chosen', () => {
    const shown = { kind: 'shown', gateway: 'gateway', place: 'RUN@1' } as const
    expect(verdict(checkI11(), announced, { ...shown, annHash: 'own' })).toMatch('I11')
    expect(verdict(checkI11(), announced, { ...shown, annHash: 'ann' })).toBeUndefined()
  })

  test('sees two sets of witnesses', () => {
    const looks = (stores: string): Fact => ({
      kind: 'addresses',
      by: 'agent',
      runId: 'RUN',
      witnessEpoch: 1,
      stores
    })
    expect(verdict(checkI11(), looks('a b c'), looks('a b d'))).toMatch('I11')
  })
})

describe('I12', () => {
  test('sees a register that is made below the floor', () => {
    const floor: Fact = { kind: 'floor', store: 's', gateway: 'gateway', gwSeq: 5 }
    const makes = (gwSeq: number): Fact => ({
      kind: 'creates',
      store: 's',
      place: PLACE,
      gateway: 'gateway',
      gwSeq
    })
    expect(verdict(checkI12(), floor, makes(5))).toMatch('I12')
    expect(verdict(checkI12(), floor, makes(6))).toBeUndefined()
  })

  test('sees a floor above a job that is open', () => {
    const rest = { store: 's', gateway: 'gateway' } as const
    const made: Fact = { kind: 'creates', ...rest, place: PLACE, gwSeq: 4 }
    const floor = (gwSeq: number): Fact => ({ kind: 'floor', ...rest, gwSeq })
    const done = jobAfter(CREATE, CLAIM, complete('peerA', 1, 'one'))
    expect(verdict(checkFloors(), made, chosen(QUEUED, 1), floor(4))).toMatch('I12')
    expect(verdict(checkFloors(), made, chosen(QUEUED, 1), floor(3))).toBeUndefined()
    expect(verdict(checkFloors(), made, chosen(done, 1), floor(4))).toBeUndefined()
  })

  test('sees a renewal of what is dropped that is not told so', () => {
    const drops: Fact = { kind: 'drops', store: 's', place: PLACE }
    const says = (answer: 'behind' | 'gone'): Fact => {
      return { kind: 'refuses', store: 's', place: PLACE, answer }
    }
    expect(verdict(checkI12(), drops, says('behind'))).toMatch('dropped')
    expect(verdict(checkI12(), drops, says('gone'))).toBeUndefined()
  })

  test('sees a register that comes back after its drop', () => {
    const drops: Fact = { kind: 'drops', store: 's', place: PLACE }
    const other: Fact = { kind: 'drops', store: 'other', place: PLACE }
    expect(verdict(checkI12(), drops, takes(LEASED, 2, undefined, 0))).toMatch('dropped')
    expect(verdict(checkI12(), other, takes(LEASED, 2, undefined, 0))).toBeUndefined()
  })

  test('sees a register that comes back once its drop is forgotten', () => {
    const forgets: Fact = { kind: 'forgets', store: 's', place: PLACE }
    const other: Fact = { kind: 'forgets', store: 'other', place: PLACE }
    const late = takes(LEASED, 2, undefined, 0)
    expect(verdict(checkForgotten(), forgets, late)).toMatch('forgotten')
    expect(verdict(checkForgotten(), other, late)).toBeUndefined()
  })
})

describe('I13', () => {
  const check = () => checkI13({ quorum: 1, rogues: new Set() })

  test('sees a witness that lets a lease go too early', () => {
    const first = takes(LEASED, 2, QUEUED, 1_000)
    expect(verdict(check(), first, takes(TAKEN, 3, LEASED, 4_000))).toMatch('I13')
    expect(verdict(check(), first, takes(TAKEN, 3, LEASED, 4_600))).toBeUndefined()
  })

  test('sees a claim that is asked for before a majority has waited', () => {
    const first = takes(LEASED, 2, QUEUED, 1_000)
    const promises = (localMs: number): Fact => ({
      kind: 'promises',
      store: 's',
      place: PLACE,
      ballot: ballot(3),
      localMs,
      lease: 'one'
    })
    expect(verdict(check(), first, promises(2_000), proposes(TAKEN, 3, 'peerB'))).toMatch('I13')
    const late = [first, promises(4_600), proposes(TAKEN, 3, 'peerB')]
    expect(verdict(check(), ...late)).toBeUndefined()
  })

  test('sees a timer that is off', () => {
    const shows = (remainingMs: number): Fact => ({
      kind: 'replies',
      store: 's',
      place: PLACE,
      what: 'value',
      promised: ballot(2),
      accepted: ballot(2),
      lease: 'one',
      remainingMs,
      madeAtMs: 2_000
    })
    const first = takes(LEASED, 2, QUEUED, 1_000)
    expect(verdict(check(), first, shows(3_500))).toMatch('I13')
    expect(verdict(check(), first, shows(2_500))).toBeUndefined()
  })
})
