import { z } from 'zod'

/** `127.0.0.1:9471`, `[::1]:9471`. */
const HOST_PORT = /^(?:\[([0-9a-fA-F:]+)\]|([\w.-]+)):(\d{1,5})$/
const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1|localhost)$/
const PORT_MAX = 65_535

const listenSchema = z.string().transform((text, context) => {
  const [, six, other, digits] = HOST_PORT.exec(text) ?? []
  const host = six ?? other
  const port = Number(digits)
  if (host !== undefined && port <= PORT_MAX) return { host, port }
  context.addIssue({ code: 'custom', message: 'use HOST:PORT, as in 127.0.0.1:9471' })
  return z.NEVER
})

/** Where a scraper gets at the metrics; nowhere but on the local socket where nothing is said. */
export const metricsSettingsSchema = z
  .strictObject({
    listen: listenSchema.optional(),
    /** File of mode 0600 with the bearer token that a scraper must show. */
    tokenFile: z.string().startsWith('/').optional()
  })
  .refine(({ listen, tokenFile }) => {
    return listen === undefined || tokenFile !== undefined || LOOPBACK.test(listen.host)
  }, 'an address that others reach needs a tokenFile: whoever reads metrics sees ids of jobs')
  .prefault({})

export type MetricsSettings = z.output<typeof metricsSettingsSchema>
