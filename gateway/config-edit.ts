import { readFile } from 'node:fs/promises'
import { isMap, isSeq, parseDocument } from 'yaml'
import { MeshError } from '../protocol/core/errors.ts'
import { writeDurable } from '../protocol/host/durable-file.ts'
import { withFileLock } from '../protocol/host/file-lock.ts'
import { gatewaySettingsSchema, type RepositorySettings } from './config.ts'

/** Calls `write`, which puts the entry into the file, once what the entry names is there. */
export type AroundWrite = (write: () => Promise<void>) => Promise<void>

/**
 * Adds a repository to gateway.yaml; comments and order of the rest stay. What comes out is checked
 * before `around` is called and the file replaced. Throws CONFIG_INVALID, FILE_LOCKED.
 */
export async function addRepository(
  file: string,
  entry: RepositorySettings,
  around: AroundWrite = (write) => write()
): Promise<void> {
  await withFileLock(file, async () => {
    const text = await textWith(file, entry)
    await around(() => writeDurable(file, text))
  })
}

async function textWith(file: string, entry: RepositorySettings): Promise<string> {
  const document = parseDocument(await readText(file), { uniqueKeys: true })
  const [problem] = document.errors
  if (problem !== undefined) throw refused(file, problem.message.split('\n')[0] ?? problem.code)
  if (document.contents !== null && !isMap(document.contents)) {
    throw refused(file, 'it must hold `name: value` lines')
  }
  const repositories: unknown = document.get('repositories')
  if (repositories === undefined || repositories === null) {
    document.set('repositories', document.createNode([entry]))
  } else if (isSeq(repositories)) {
    repositories.flow = false
    repositories.add(document.createNode(entry))
  } else {
    throw refused(file, 'repositories: it must be a list')
  }
  const checked = gatewaySettingsSchema.safeParse(document.toJS({ maxAliasCount: 50 }))
  if (!checked.success) {
    const [issue] = checked.error.issues
    throw refused(file, `${issue?.path.map(String).join('.')}: ${issue?.message}`)
  }
  return document.toString({ lineWidth: 100 })
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    if (code === 'ENOENT') return ''
    throw refused(file, `it is ${code}`)
  }
}

function refused(file: string, problem: string): MeshError {
  return new MeshError('CONFIG_INVALID', { file, problem })
}
