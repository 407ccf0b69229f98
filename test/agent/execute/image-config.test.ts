import { expect, test } from 'vitest'
import { imageConfig } from '../../../agent/execute/image-config.ts'

test('what an image leaves out is nothing, and its folder is the root', () => {
  const nothing = { user: '', volumes: [], entrypoint: [], command: [], workdir: '/', labels: [] }
  expect(imageConfig(undefined)).toEqual(nothing)
  expect(imageConfig({ Volumes: null, Entrypoint: null, Cmd: null, WorkingDir: '' })).toEqual(
    nothing
  )
})

test('an entrypoint may be one word', () => {
  const { entrypoint, command, workdir } = imageConfig({
    Entrypoint: '/entry',
    Cmd: ['a', 'b'],
    WorkingDir: '/data'
  })
  expect([entrypoint, command, workdir]).toEqual([['/entry'], ['a', 'b'], '/data'])
})
