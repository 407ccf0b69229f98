import { STATUS_CODES } from 'node:http'
import { z } from 'zod'
import type { ErrorCode, Facts, MeshError } from '../core/errors.ts'

export const PROBLEM_TYPE = 'application/problem+json'

/** RFC 9457, with our code and its facts. */
export const problemSchema = z
  .strictObject({
    type: z.string().describe('urn:runner-mesh:error: and the code; see docs/errors.md'),
    title: z.string(),
    status: z.number().int(),
    detail: z.string().describe('what happened, and the way out'),
    code: z.string(),
    facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
  })
  .meta({ id: 'Problem' })

export type Problem = z.infer<typeof problemSchema>

/**
 * Who reads it: on the Unix socket the user that runs the daemon, who could read its log as well;
 * over the network anyone.
 */
export type ProblemReader = 'owner' | 'stranger'

/**
 * Errors of 5xx that a stranger may read. All others name files of this host: their words go to
 * the log, the code alone to the client.
 */
const PUBLIC: ReadonlySet<ErrorCode> = new Set([
  'OVERLOADED',
  'HOOK_SLOW',
  'STOPPING',
  'QUORUM_UNREACHABLE',
  'EPOCH_UNREACHABLE',
  'REQUEST_TIMED_OUT'
])

export function problemOf(error: MeshError, reader: ProblemReader): Problem {
  const { status } = error.kind
  const told = reader === 'owner' || status < 500 || PUBLIC.has(error.code)
  return {
    type: `urn:runner-mesh:error:${error.code}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail: told ? error.message : 'the gateway could not do it; its log says why',
    code: error.code,
    facts: told ? factsOf(error.facts) : {}
  }
}

function factsOf(facts: Facts): Record<string, string | number | boolean> {
  const known = Object.entries(facts).filter(([, value]) => value !== undefined)
  return Object.fromEntries(known) as Record<string, string | number | boolean>
}
