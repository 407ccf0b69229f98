import type { FastifyDynamicSwaggerOptions, SwaggerTransformObject } from '@fastify/swagger'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'

/** The document at /api/openapi.json, made from the schemas that requests are checked with. */
export function openApi(version: string): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Runner Mesh gateway',
        description:
          'Takes deliveries of Git servers and shows runs, jobs, logs and agents. ' +
          'Every error is application/problem+json; docs/errors.md lists the codes.',
        version,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' }
      },
      tags: [
        { name: 'runs', description: 'Runs and their jobs' },
        { name: 'mesh', description: 'Agents and health' },
        { name: 'hooks', description: 'Deliveries of Git servers' }
      ],
      components: {
        securitySchemes: {
          token: {
            type: 'http',
            scheme: 'bearer',
            description: 'Made by `gateway token create --scope read`, or `write` to give orders.'
          }
        }
      }
    },
    transform: withHeaders,
    transformObject: withoutInputs
  }
}

type Answers = Record<string, { readonly headers?: object }>

/** The transform leaves out the headers of an answer, which are JSON schemas as they stand. */
const withHeaders: typeof jsonSchemaTransform = (parts) => {
  const { schema, ...rest } = jsonSchemaTransform(parts)
  const given = parts.schema?.response as Answers | undefined
  const made = schema?.response as Record<string, object> | undefined
  for (const [status, { headers }] of Object.entries(given ?? {})) {
    const answer = made?.[status]
    if (headers !== undefined && answer !== undefined) Object.assign(answer, { headers })
  }
  return { schema, ...rest }
}

/**
 * The transform makes every schema twice, as what is taken and as what is given; ours that have a
 * name are only given.
 */
const withoutInputs: SwaggerTransformObject = (parts) => {
  const document = jsonSchemaTransformObject(parts)
  const schemas = 'components' in document ? document.components?.schemas : undefined
  for (const name of Object.keys(schemas ?? {})) {
    if (name.endsWith('Input')) delete schemas?.[name]
  }
  return document
}
