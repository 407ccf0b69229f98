import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { freePort, PortBlock, type PortRange } from '../support/port-block.ts'

const MODULE = resolve(import.meta.dirname, '../support/port-block.ts')

/** Blocks inside one that is this test's alone: who runs the same test beside it has others. */
async function ownRange(blocks: number): Promise<PortRange> {
  const outer = await PortBlock.claim()
  onTestFinished(() => outer.release())
  return { first: outer.first, size: 10, blocks }
}

/** Another test process, which claims a block and holds it while it lives. */
async function holder(range: PortRange): Promise<{ child: ChildProcess; first: number }> {
  const claim = `const block = await PortBlock.claim(${JSON.stringify(range)})`
  const lines = [`import { PortBlock } from '${MODULE}'`, claim, 'console.log(block.first)']
  const script = [...lines, 'setInterval(() => undefined, 1_000)'].join('\n')
  const node = ['--import', 'tsx', '--input-type=module', '--eval', script]
  const child = spawn(process.execPath, node, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let said = ''
  child.stdout.on('data', (bytes: Buffer) => {
    said += bytes.toString()
  })
  await eventually('it has a block or has ended', () => /\n/.test(said), 60_000)
  return { child, first: Number(said) }
}

test('processes that claim at once have different blocks, and the last one is told of it', async () => {
  const range = await ownRange(2)
  const [one, two] = await Promise.all([holder(range), holder(range)])

  expect([one.first, two.first].sort((a, b) => a - b)).toEqual([range.first + 1, range.first + 11])
  await expect(PortBlock.claim(range)).rejects.toThrow(
    `all 2 blocks of ports from ${range.first} to ${range.first + 19} are taken by test processes`
  )
})

test('a block is free again once its process is gone, however that ended', async () => {
  const range = await ownRange(1)
  const { child, first } = await holder(range)
  child.kill('SIGKILL')
  await once(child, 'exit')

  const block = await PortBlock.claim(range)
  expect(block.first).toBe(first)
  await block.release()
  await (await PortBlock.claim(range)).release()
})

test('single ports are never given twice, though nobody has listened on them yet', async () => {
  const ports = await Promise.all(Array.from({ length: 20 }, () => freePort()))

  expect(new Set(ports).size).toBe(20)
})
