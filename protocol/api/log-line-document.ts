import { z } from 'zod'
import type { LogLine } from '../core/log-line.ts'

export const logLineSchema = z.strictObject({
  number: z.number().int().describe('from 1, without gaps, within one epoch'),
  at: z.iso.datetime(),
  step: z.number().int().describe('1-based; 0 is what the mesh says'),
  stream: z.enum(['out', 'err', 'mesh']),
  text: z.string()
})

export type LogLineDocument = z.infer<typeof logLineSchema>

export function logLineDocument({ number, atMs, step, stream, text }: LogLine): LogLineDocument {
  return { number, at: new Date(atMs).toISOString(), step, stream, text }
}
