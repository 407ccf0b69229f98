import { z } from 'zod'
import { causeOf, MeshError } from '../protocol/core/errors.ts'
import {
  canonicalRegistry,
  type RegistryLogin,
  registryProblem
} from '../protocol/core/registry-login.ts'
import { readSecretFile } from '../protocol/host/secret-file.ts'

const registry = z.string().superRefine((host, context) => {
  const message = registryProblem(canonicalRegistry(host))
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})
const fileSchema = z.record(
  registry,
  z.strictObject({ user: z.string().min(1), password: z.string().min(1) })
)

/** By their registries' hosts: what the host's owner lets every job pull with. */
export type RegistryLogins = ReadonlyMap<string, RegistryLogin>

/** Of a file of mode 0600. Throws STATE_ABSENT, KEY_MODE_WIDE, KEY_INVALID. */
export async function readLogins(file: string | undefined): Promise<RegistryLogins> {
  if (file === undefined) return new Map()
  const bytes = await readSecretFile(file)
  try {
    const logins = fileSchema.parse(parsed(bytes))
    return new Map(
      Object.entries(logins).map(([name, login]) => {
        const host = canonicalRegistry(name)
        return [host, { registry: host, ...login }]
      })
    )
  } catch (error) {
    const cause = error instanceof z.ZodError ? z.prettifyError(error) : causeOf(error)
    throw new MeshError('KEY_INVALID', { file, cause })
  }
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    // What JSON.parse says quotes the text, and the text has passwords in it.
    throw new Error('it is no JSON document')
  }
}
