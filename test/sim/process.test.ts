import { describe, expect, test } from 'vitest'
import { Timeline } from '../support/timeline.ts'
import { SimProcess } from './process.ts'

function started(): { timeline: Timeline; process: SimProcess; seen: string[] } {
  const timeline = new Timeline(1)
  const process = new SimProcess('a', timeline, 0)
  process.start()
  return { timeline, process, seen: [] }
}

describe('a simulated process that was stopped', () => {
  test('goes on with what came meanwhile, in that order, before anything newer', () => {
    const { timeline, process, seen } = started()
    const { boot } = process
    const say = (word: string) => () => process.run(boot, () => void seen.push(word))
    process.pause(1_000)
    timeline.at(100, say('first'))
    timeline.at(200, say('second'))
    timeline.at(300, () => process.resume(400))
    timeline.at(400, say('third'))
    timeline.at(900, say('fourth'))
    timeline.run(2_000)

    expect(seen).toEqual(['first', 'second', 'third', 'fourth'])
  })

  test('is stopped for as long as the last of two stops says', () => {
    const { timeline, process, seen } = started()
    const { boot } = process
    process.pause(100)
    timeline.at(50, () => process.run(boot, () => void seen.push(String(timeline.nowMs))))
    timeline.at(60, () => process.pause(500))
    timeline.at(70, () => process.run(boot, () => void seen.push(String(timeline.nowMs))))
    timeline.run(2_000)

    expect(seen).toEqual(['560', '560'])
  })

  test('stands still again in the middle of catching up', () => {
    const { timeline, process, seen } = started()
    const { boot } = process
    const say = (): void => void seen.push(String(timeline.nowMs))
    process.pause(100)
    timeline.at(50, () => process.run(boot, () => process.pause(200)))
    timeline.at(60, () => process.run(boot, say))
    timeline.run(2_000)

    expect(seen).toEqual(['300'])
  })

  test('does what a task of its own asks for at once, whatever still waits', () => {
    const { timeline, process, seen } = started()
    const { boot } = process
    process.pause(100)
    timeline.at(50, () => {
      process.run(boot, () => process.run(boot, () => void seen.push('inner')))
      process.run(boot, () => void seen.push('outer'))
    })
    timeline.run(2_000)

    expect(seen).toEqual(['inner', 'outer'])
  })

  test('forgets in a crash what it had not come to', () => {
    const { timeline, process, seen } = started()
    const { boot } = process
    process.pause(100)
    timeline.at(50, () => process.run(boot, () => void seen.push('old')))
    timeline.at(60, () => process.crash())
    timeline.at(70, () => process.start())
    timeline.at(80, () => process.run(process.boot, () => void seen.push('new')))
    timeline.run(2_000)

    expect(seen).toEqual(['new'])
  })
})
