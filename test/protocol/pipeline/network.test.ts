import { expect, test } from 'vitest'
import { parsePipeline } from '../../../protocol/pipeline/parse-pipeline.ts'
import { goodPipeline, jobsOf } from '../../support/pipeline.ts'

function parse(network: string, defaults = '') {
  const job = `jobs:\n  build:\n    image: x\n    network: ${network}\n    steps: [run: make]\n`
  return parsePipeline(new TextEncoder().encode(`${job}${defaults}`), { file: 'f' })
}

function networkOf(network: string) {
  const parsed = parse(network)
  return parsed.kind === 'ok' ? jobsOf(parsed.pipeline)[0]?.network : parsed.errors.map(wordsOf)
}

function wordsOf({ message }: { readonly message: string }): string {
  return message.replace(/^PIPELINE_INVALID: /, '')
}

test.each(['none', 'internet', 'open', 'audit'])('the network %s is taken', (network) => {
  expect(networkOf(network)).toBe(network)
})

test('an allow list is kept in canonical form, each entry once', () => {
  expect(
    networkOf("{ allow: ['10.1.2.0/24:5432/tcp', '10.1.2.0/24:5432', '1.1.1.1:53/udp'] }")
  ).toEqual({ allow: ['10.1.2.0/24:5432', '1.1.1.1:53/udp'] })
})

test('names of hosts are kept in canonical form, other letters as the DNS has them', () => {
  const list =
    "['Deb.Debian.org.:80', '*.M\u00fcnchen.example:443-444', 'b\u00fccher.example:443/tcp']"
  expect(networkOf(`{ allow: ${list} }`)).toEqual({
    allow: ['deb.debian.org:80', '*.xn--mnchen-3ya.example:443-444', 'xn--bcher-kva.example:443']
  })
})

test('what the defaults say is taken where the job says nothing, and nothing else is none', () => {
  const jobs = 'jobs: { a: { image: x, steps: [run: make] } }\n'
  const network = (file: string) => jobsOf(goodPipeline(file))[0]?.network

  expect(network(jobs)).toBe('none')
  expect(network(`defaults: { network: internet }\n${jobs}`)).toBe('internet')
})

test.each([
  ['lan', '4:14: jobs.build.network: "lan" is no network: write `none`'],
  ['internte', '4:14: jobs.build.network: "internte" is no network: did you mean `internet`?'],
  ['host', '4:14: jobs.build.network: "host" is refused: a job never leaves its sandbox'],
  ["'container:x'", 'is refused: a job never leaves its sandbox'],
  ['[internet]', '4:14: jobs.build.network: is no network: write `none`'],
  ['{ allow: [] }', '4:23: jobs.build.network.allow: opens nothing'],
  ['{}', 'jobs.build.network.allow: is missing: add a list'],
  ['{ alow: [] }', '4:16: jobs.build.network.alow: unknown key `alow`: did you mean `allow`?'],
  [
    "{ allow: ['1.1.1.1:53', 'localhost:443'] }",
    '4:38: jobs.build.network.allow[1]: "localhost:443" names no host'
  ],
  // Full-width digits are an address by the rules of the DNS for other letters.
  ["{ allow: ['\uff11\uff12\uff17.1:443'] }", 'is never reachable'],
  ["{ allow: ['a\u3002b/c:443'] }", 'is no address with a port'],
  ['{ allow: [80] }', '4:24: jobs.build.network.allow[0]: expected text, found the number 80']
])('%s is refused with its place', (network, message) => {
  expect(networkOf(network)).toEqual([expect.stringContaining(message)])
})

test('more entries than a kernel set should hold are refused', () => {
  const entries = Array.from({ length: 65 }, (_, at) => `'1.1.1.1:${at + 1}'`)
  expect(networkOf(`{ allow: [${entries.join(', ')}] }`)).toEqual([
    expect.stringContaining('has too many entries: at most 64 are allowed')
  ])
})
