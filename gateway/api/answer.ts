import type { z } from 'zod'
import { problemResponse as problem } from './problem.ts'

/* How the schemas of routes name what they answer. */

/** What every route with a token may answer besides its own. */
export const refusals = {
  400: problem,
  401: problem,
  403: problem,
  429: problem,
  500: problem,
  503: problem
}

/** What a route may answer besides that names a run or a job. */
export const missing = { 404: problem, 409: problem }

export const secured = [{ token: [] }]

/**
 * A schema of components.schemas cannot say what it is here: a reference has no words of its own.
 */
export function described<S extends z.ZodType>(description: string, schema: S) {
  return { description, content: { 'application/json': { schema } } }
}
