import { expect, onTestFinished, test } from 'vitest'
import { ContainerWatch } from '../../../agent/execute/container-watch.ts'
import type { Engine } from '../../../agent/execute/engine.ts'
import type { EngineEvent } from '../../../agent/execute/engine-types.ts'

const MARK = 'ab'.repeat(16)
/** Longer than any test may take. */
const NEVER_MS = 2 ** 30

/** A watch over an engine that says what it is told to. */
async function watched() {
  let say: (event: EngineEvent) => void = () => undefined
  const events: Engine['events'] = async (_labels, _since, onEvent, signal, onReady) => {
    say = onEvent
    onReady()
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  }
  const watch = new ContainerWatch({ events } as Engine, {})
  await watch.start()
  onTestFinished(() => watch.stop())
  const blank = { execId: '', exitCode: undefined, signal: undefined, time: '1.000000' }
  return { watch, say: (event: Partial<EngineEvent>) => say({ ...blank, action: 'oom', ...event }) }
}

test('a mark is seen at once where a label hides which process an event is of', async () => {
  const { watch, say } = await watched()
  const seen = watch.until(() => watch.hasSeen(MARK), NEVER_MS)
  say({ action: 'exec_create', execId: '', mark: MARK })

  await seen
  expect(watch.hasSeen('cd'.repeat(16))).toBe(false)
})

test('nobody waits for the end of a process where a label hides which one has ended', async () => {
  const { watch, say } = await watched()
  say({ action: 'exec_create' })

  await watch.untilEnded('e', NEVER_MS)
  // Else what a step writes would no longer be read at its pace.
  expect([watch.hasEnded('e'), watch.hasEnded('')]).toEqual([false, false])
})

test('the end of a process is waited for, or that of its box', async () => {
  for (const end of [{ action: 'exec_die', execId: 'e' }, { action: 'die' }] as const) {
    const { watch, say } = await watched()
    say({ action: 'exec_create', execId: 'e' })
    const ended = watch.untilEnded('e', NEVER_MS).then(() => 'ended')
    expect(await Promise.race([ended, Promise.resolve('not yet')])).toBe('not yet')
    say(end)

    expect(await ended).toBe('ended')
  }
})

test('the end of one process is not that of another', async () => {
  const { watch, say } = await watched()
  say({ action: 'exec_die', execId: 'e', exitCode: 0 })

  expect([watch.hasEnded('e'), watch.hasEnded('f')]).toEqual([true, false])
})
