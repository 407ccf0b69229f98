import { DESCRIPTIONS } from './descriptions.ts'
import { CONTEXTS, type Context } from './keys.ts'
import { pipelineSchema } from './schema.ts'
import { jsonSchemaOf } from './shapes.ts'
import { asMap } from './value.ts'

let made: string | undefined

/**
 * The JSON Schema of a pipeline file, for editors; made from what files are checked with. It takes
 * every file that is good, and refuses what is wrong in a value; what is wrong between two of them,
 * a name in `needs` say, it cannot know.
 */
export function pipelineSchemaText(): string {
  made ??= `${JSON.stringify(pipelineJsonSchema(), null, 2)}\n`
  return made
}

function pipelineJsonSchema(): object {
  const schema = jsonSchemaOf(pipelineSchema)
  for (const [shape, context] of CONTEXTS) describe(schema, shape, context)
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Runner Mesh pipeline file',
    description: 'Of .runner-mesh.yml, in the root of a repository.',
    ...schema
  }
}

type Schema = Readonly<Record<string, unknown>>

/** What each key means, where an editor shows it. */
function describe(root: Schema, shape: readonly string[], context: Context): void {
  const properties = asMap(mapAt(root, shape)?.['properties'])
  for (const [key, description] of Object.entries(DESCRIPTIONS[context])) {
    const property = properties?.[key]
    if (typeof property === 'object' && property !== null) Object.assign(property, { description })
  }
}

function mapAt(root: Schema, shape: readonly string[]): Schema | undefined {
  let schema = formOf(root)
  for (const segment of shape) schema = formOf(inner(schema, segment))
  return schema
}

/** Of several forms the one that is a map. */
function formOf(schema: Schema | undefined): Schema | undefined {
  const forms = schema?.['anyOf']
  if (!Array.isArray(forms)) return schema
  return forms.map(asMap).find((form) => form?.['type'] === 'object')
}

function inner(schema: Schema | undefined, segment: string): Schema | undefined {
  if (segment === '[]') return asMap(schema?.['items'])
  if (segment === '*') return asMap(schema?.['additionalProperties'])
  return asMap(asMap(schema?.['properties'])?.[segment])
}
