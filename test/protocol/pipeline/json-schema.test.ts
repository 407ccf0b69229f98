import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Ajv } from 'ajv'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { DESCRIPTIONS } from '../../../protocol/pipeline/descriptions.ts'
import { pipelineSchemaText } from '../../../protocol/pipeline/json-schema.ts'
import { KEYS } from '../../../protocol/pipeline/keys.ts'
import { parseText } from '../../support/pipeline.ts'
import { BAD, GOOD } from './corpus.ts'

const schema = JSON.parse(pipelineSchemaText()) as Record<string, unknown>
const validate = new Ajv({ allErrors: true, strictSchema: true }).compile(schema)

test('docs/pipeline.schema.json is the schema of what files are checked with', async () => {
  const file = resolve(import.meta.dirname, '../../../docs/pipeline.schema.json')
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(schema)
})

test.each(GOOD)('good for both: %s', (file) => {
  const parsed = parseText(file)
  expect(parsed.kind === 'error' ? parsed.error.message : '').toBe('')
  expect(validate(parse(file)), JSON.stringify(validate.errors)).toBe(true)
})

test.each(BAD)('wrong for both: %s', (file) => {
  expect(parseText(file).kind).toBe('error')
  expect(validate(parse(file))).toBe(false)
})

test('each key that is taken has its description in the schema', () => {
  const described = JSON.stringify(schema)
  for (const [context, { built }] of Object.entries(KEYS)) {
    const descriptions = DESCRIPTIONS[context as keyof typeof KEYS]
    expect(new Set(Object.keys(descriptions)), context).toEqual(new Set(built))
    for (const text of Object.values(descriptions))
      expect(described).toContain(JSON.stringify(text))
  }
})

test('the schema takes whatever the parser takes', () => {
  const values = fc.oneof(
    fc.constantFrom(
      'x',
      '',
      0,
      1,
      2.5,
      true,
      null,
      '30m',
      '1GiB',
      'main',
      'linux/amd64',
      ['a'],
      {}
    ),
    fc.record({ group: fc.constant('a') }),
    fc.record({ allow: fc.constant(['1.1.1.1:53']) }),
    fc.record({ a: fc.constantFrom([1], ['x'], { file: '/run/secrets/a' }, { image: 'x' }) })
  )
  const keys = fc.constantFrom(...KEYS.job.built.filter((key) => !['image', 'steps'].includes(key)))
  let good = 0
  fc.assert(
    fc.property(fc.dictionary(keys, values, { maxKeys: 2 }), (more) => {
      const file = { jobs: { build: { image: 'x', steps: [{ run: 'make' }], ...more } } }
      if (parseText(JSON.stringify(file)).kind === 'error') return
      good += 1
      expect(validate(file), JSON.stringify([file, validate.errors])).toBe(true)
    }),
    { numRuns: 3_000 }
  )
  expect(good).toBeGreaterThan(100)
})
