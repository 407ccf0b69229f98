import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { killAll, lingering, processesOf } from '../../../agent/probe/container-processes.ts'
import { eventually } from '../../support/eventually.ts'

let children: ChildProcess[]
beforeEach(() => {
  children = []
})
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
})

const anId = (): string => randomBytes(32).toString('hex')

/** A process that waits, with these words in its command line. */
async function waiting(...words: readonly string[]): Promise<number> {
  const child = spawn('/bin/sh', ['-c', 'echo; read x', ...words])
  children.push(child)
  await new Promise((resolve) => child.stdout?.once('data', resolve))
  return child.pid ?? 0
}

const pidsOf = (id: string): readonly number[] => processesOf(id).map(({ pid }) => pid)

test('processes of a container are those that name it, alone or within a path', async () => {
  const id = anId()
  const named = await waiting('boot', id)
  const within = await waiting(`--log=/run/moby/${id}/log.json`)
  await waiting('boot', anId())

  expect(new Set(pidsOf(id))).toEqual(new Set([named, within]))
})

test('what is no whole id of a container names no process, whatever runs', async () => {
  const id = anId()
  await waiting(id)

  for (const part of ['', 'sh', id.slice(0, 12), `${id}0`]) expect(pidsOf(part)).toEqual([])
})

test('those that linger are told from those that go, and are killed without the others', async () => {
  const [id, other] = [anId(), anId()]
  const left = await waiting(id)
  const innocent = await waiting(other)

  expect((await lingering(id, 100)).map(({ pid }) => pid)).toEqual([left])
  killAll(id)
  await eventually('it is killed', () => pidsOf(id).length === 0)
  expect(pidsOf(other)).toEqual([innocent])
  children[1]?.stdin?.end()
  await eventually('it goes by itself', () => pidsOf(other).length === 0)
  expect(await lingering(other, 100)).toEqual([])
})
