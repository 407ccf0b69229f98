import '../../protocol/host/node20.ts'
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { fastify } from 'fastify'
import { answerCalls } from './child-calls.ts'

/*
 * What `bench -- intake` stands beside: a route that verifies the same signature over the same
 * bytes, and does nothing else.
 */

const app = fastify({ logger: false })

answerCalls(
  {
    start: async (secret: string) => {
      const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
      app.removeAllContentTypeParsers()
      app.addContentTypeParser(
        'application/json',
        { parseAs: 'buffer' },
        (_request, body, done) => {
          done(null, body)
        }
      )
      app.post('/hooks/git', async ({ headers, body }, reply) => {
        const id = String(headers['webhook-id'])
        const signed = `${id}.${String(headers['webhook-timestamp'])}.`
        const digest = createHmac('sha256', key)
          .update(signed)
          .update(body as Buffer)
          .digest()
        const given = Buffer.from(String(headers['webhook-signature']).slice(3), 'base64')
        const isGood = given.length === digest.length && timingSafeEqual(given, digest)
        if (!isGood) return await reply.code(401).send({ verdict: 'refused' })
        return await reply.code(202).send({ verdict: 'accepted', delivery: id, run: '' })
      })
      await app.listen({ host: '127.0.0.1', port: 0 })
      return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/hooks/git`
    }
  },
  async () => await app.close()
)
