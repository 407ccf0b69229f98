import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { render } from '../../../protocol/pipeline/field.ts'
import { select } from '../../../protocol/pipeline/selection.ts'
import {
  errorsOf,
  eventWith,
  field,
  goodPipeline,
  jobsOf,
  withJob
} from '../../support/pipeline.ts'

const STEPS = 'steps: [{ run: make }]'
const withEnv = (text: string, ...more: readonly string[]): string =>
  withJob(STEPS, `env: { A: ${JSON.stringify(text)} }`, ...more)

describe('the fields of an event', () => {
  const all = ['branch', 'tag', 'commit', 'number', 'kind', 'author']
  const file = withEnv(all.map((name) => field(`event.${name}`)).join('|'))

  test('are filled in with what happened', () => {
    const facts = { branch: 'release/1', number: '7', author: 'lena' }
    expect(jobsOf(goodPipeline(file), facts)[0]?.env['A']).toBe(
      `release/1||${'1'.repeat(40)}|7|push|lena`
    )
  })

  test('are never looked at again, whatever a branch is called', () => {
    const branch = field('event.author')
    expect(jobsOf(goodPipeline(file), { branch })[0]?.env['A']).toMatch(
      /^\$\{\{ event.author \}\}\|/
    )
  })
})

test('inputs have their defaults where nobody is asked', () => {
  const on = 'on: { push: {}, manual: { inputs: { target: { default: staging } } } }'
  const pipeline = goodPipeline(`${on}\n${withEnv(field('inputs.target'))}`)
  expect(jobsOf(pipeline)[0]?.env['A']).toBe('staging')
  const manual = { kind: 'manual', inputs: { target: 'production' } } as const
  expect(jobsOf(pipeline, manual)[0]?.env['A']).toBe('production')
})

describe('what an event says is checked again:', () => {
  const image = withJob(STEPS).replace('debian:13', `'app:${field('event.branch')}'`)
  const label = withJob(STEPS, `labels: { by: '${field('event.author')}' }`)
  const group = withJob(STEPS, `concurrency: { group: 'g-${field('event.branch')}' }`)
  const name = withJob(`steps: [{ name: '${field('event.tag')}', run: make }]`)

  test.each([
    [
      'a branch that is no tag of an image',
      image,
      { branch: 'feature/x' },
      '3:12: jobs.build.image'
    ],
    ['an author who is too long', label, { author: 'a'.repeat(101) }, 'jobs.build.labels.by'],
    ['an author with a control character', label, { author: 'a\u001b[2J' }, 'jobs.build.labels.by'],
    ['an author who is half a character', label, { author: 'a\ud800' }, 'jobs.build.labels.by'],
    ['nobody', label, { author: '' }, 'jobs.build.labels.by'],
    ['a branch of 300', group, { branch: 'b'.repeat(300) }, 'jobs.build.concurrency.group'],
    ['a step without a name', name, {}, 'jobs.build.steps[0].name']
  ])('%s', (_what, file, facts, path) => {
    const selection = select(goodPipeline(file), eventWith(facts))
    expect(selection).toMatchObject({ kind: 'error', error: { code: 'PIPELINE_INVALID' } })
    expect(selection.kind === 'error' ? selection.error.message : '').toContain(`${path}: `)
    expect(selection.kind === 'error' ? selection.error.line : 0).toBeGreaterThan(1)
  })

  test('any event leads to jobs or to an error with its place, never further', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.constant(field('platform'))
    )
    const files = [image, label, group, name].map(goodPipeline)
    const facts = fc.record({ branch: texts, author: texts, tag: texts, number: texts })
    fc.assert(
      fc.property(facts, (each) => {
        for (const pipeline of files) {
          const selection = select(pipeline, eventWith(each))
          if (selection.kind === 'error') expect(selection.error.line).toBeGreaterThan(0)
          else expect(selection.kind).toBe('run')
        }
      }),
      { numRuns: 500 }
    )
  })
})

describe('is refused', () => {
  const script = withJob(`steps: [{ run: "echo ${field('event.branch')}" }]`)

  test('a field in a script, with the way to pass it', () => {
    const [error = ''] = errorsOf(script)
    expect(error).toContain('jobs.build.steps[0].run: ')
    expect(error).toContain("a branch's name could be a command. Set a variable by `env`")
  })

  test.each([
    ['an unknown axis', withEnv(field('matrix.os')), '5:15: jobs.build.env.A: '],
    [
      'a misspelled axis',
      withEnv(field('matrix.nod'), 'matrix: { node: [22] }'),
      'has the unknown field "matrix.nod": did you mean `matrix.node`?'
    ],
    ['a misspelled field', withEnv(field('event.brnach')), 'did you mean `event.branch`?'],
    [
      'an input that is not declared',
      withEnv(field('inputs.x')),
      'the fields here are event.branch'
    ],
    ['a secret', withEnv(field('secrets.TOKEN')), 'name the secret in `secrets` of the job'],
    ['a variable', withEnv(field('env.HOME')), 'steps have `env` as variables'],
    ['what other systems have', withEnv(field('github.sha')), 'has the unknown field "github.sha"'],
    ['what objects have', withEnv(field('constructor')), 'has the unknown field "constructor"'],
    ['code', withEnv(field('event.branch || 1')), 'write one name, as matrix.node; no code runs'],
    ['nothing', withEnv(field('')), 'has "" as a field'],
    ['no end', withEnv(field('event.branch').slice(0, -2)), 'without its end: close it with }}'],
    ['no platform', withEnv(field('platform')), 'the job names none: add `platform`'],
    [
      'a platform',
      withJob(STEPS, `platform: '${field('event.tag')}'`),
      'nothing is filled in here'
    ],
    [
      'a default image',
      `defaults: { image: '${field('event.tag')}' }\n${withJob(STEPS)}`,
      '1:20: defaults.image: '
    ],
    [
      "a service's command",
      withJob(STEPS, `services: { db: { image: x, command: ['${field('event.tag')}'] } }`),
      'nothing is filled in here'
    ]
  ])('%s', (_what, file, problem) => {
    const errors = errorsOf(file)
    expect(errors[0]).toContain(problem)
    expect(errors).toHaveLength(1)
  })
})

test('filling in leaves everything else as it is', () => {
  const texts = fc.stringMatching(/^[a${} .]{0,20}$/)
  fc.assert(
    fc.property(texts, texts, fc.string(), (before, after, value) => {
      fc.pre(!before.includes('{{') && !after.includes('{{') && !before.endsWith('$'))
      expect(render(`${before}${field('a.b')}${after}`, () => value)).toBe(before + value + after)
      const unknown = `${before}${field('a.b')}${after}`
      expect(render(unknown, () => undefined)).toBe(unknown)
    }),
    { numRuns: 500 }
  )
})
