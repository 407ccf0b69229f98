import { z } from 'zod'
import { DURATION } from '../core/duration.ts'
import { CPU_MILLI_DEFAULT, ENV_ENTRIES_MAX, MEMORY_BYTES_DEFAULT } from '../core/limits.ts'
import { type SecretRequest, type ServiceSpec, secretNamesOf } from '../core/run.ts'
import { SECRETS_PER_JOB_MAX } from '../core/secret-limits.ts'
import {
  SERVICE_COMMAND_BYTES_MAX,
  SERVICE_COMMAND_WORDS_MAX,
  SERVICE_NAME_CHARACTERS_MAX,
  SERVICE_READY_MS_DEFAULT,
  SERVICE_READY_MS_MAX,
  SERVICES_PER_JOB_MAX
} from '../core/service-limits.ts'
import { ENV_NAME } from './environment.ts'
import { cpu, duration, envName, envValue, image, memory } from './parts.ts'
import {
  SECRET_FILE,
  secretFileProblem,
  secretNameProblem,
  secretRequests,
  secretsProblem
} from './secrets.ts'
import { either, type Filling, names, text, whole } from './shapes.ts'
import type { Check } from './text.ts'

const PORT_MAX = 65_535
const SECOND_MS = 1_000

const SERVICE_NAME = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/

/** The job reaches it by this name, and so does every other service of it. */
const serviceNameProblem: Check = (name) => {
  const isLabel = SERVICE_NAME.test(name)
  if (name === 'localhost') return "is every host's own name: choose another"
  if (isLabel && name.length <= SERVICE_NAME_CHARACTERS_MAX) return undefined
  return `is no host name: use at most ${SERVICE_NAME_CHARACTERS_MAX} of a-z, 0-9 and -, not - at an end`
}

const wordProblem: Check = (word) => {
  if (word === '') return 'is empty: remove it'
  return word.includes('\0') ? 'holds a NUL character: remove it' : undefined
}

const words = z
  .array(text(wordProblem, { minLength: 1 }))
  .min(1, "is empty: leave it out for the image's own")
  .max(SERVICE_COMMAND_WORDS_MAX)
  .refine(
    (list) =>
      list.reduce((sum, word) => sum + Buffer.byteLength(word), 0) <= SERVICE_COMMAND_BYTES_MAX,
    {
      message: `is too long: at most ${SERVICE_COMMAND_BYTES_MAX} bytes are allowed`
    }
  )

const readyTimeout = duration
  .refine((ms) => ms <= SERVICE_READY_MS_MAX, {
    message: `is too long: at most ${SERVICE_READY_MS_MAX / SECOND_MS}s are allowed`
  })
  .meta({ type: 'string', pattern: DURATION.source })

const readyKeys = z
  .strictObject({
    port: whole(1, PORT_MAX).optional(),
    command: words.optional(),
    timeout: readyTimeout.optional()
  })
  .refine(({ port, command }) => port === undefined || command === undefined, {
    message: 'has a port and a command: remove one of them'
  })
  .meta({ not: { required: ['port', 'command'] } })

const READY_PORT = /^tcp:([1-9][0-9]{0,4})$/

const readyPortProblem: Check = (said) => {
  const [, port = ''] = READY_PORT.exec(said) ?? []
  if (port !== '' && Number(port) <= PORT_MAX) return undefined
  return 'says nothing: write it as in tcp:5432, or as a map with `port` or `command`'
}

/** As a map, or short for one with a port alone. */
const ready = either(
  readyKeys,
  text(readyPortProblem, { pattern: READY_PORT.source }).transform((said) => {
    return { port: Number(said.slice('tcp:'.length)), command: undefined, timeout: undefined }
  })
)

const secretFiles = names(
  text(secretNameProblem, { pattern: ENV_NAME.source }),
  z.strictObject({ file: text(secretFileProblem, { pattern: SECRET_FILE.source }) }),
  SECRETS_PER_JOB_MAX
)

const service = (filling: Filling) =>
  z
    .strictObject({
      image: image(filling),
      env: names(envName, envValue(filling), ENV_ENTRIES_MAX).optional(),
      secrets: secretFiles.optional(),
      command: words.optional(),
      resources: z.strictObject({ cpu: cpu.optional(), memory: memory.optional() }).optional(),
      ready: ready.optional()
    })
    .superRefine(({ secrets = {}, env = {} }, context) => {
      const message = secretsProblem(secretRequests(secrets), env)
      if (message !== undefined) context.addIssue({ code: 'custom', message, path: ['secrets'] })
    })

/** `services` of a job, by their names. */
export const services = (filling: Filling) =>
  names(
    text(serviceNameProblem, { pattern: SERVICE_NAME.source }),
    service(filling),
    SERVICES_PER_JOB_MAX
  )

type ServiceDocument = z.output<ReturnType<typeof service>>

/** What is wrong with the secrets of a job and its services together, with the way out. */
export function tooManySecrets(
  secrets: readonly SecretRequest[],
  document: Readonly<Record<string, ServiceDocument>>
): string | undefined {
  const { length } = secretNamesOf({ secrets, services: serviceSpecs(document) })
  if (length <= SECRETS_PER_JOB_MAX) return undefined
  return `name ${length} secrets together with the job: at most ${SECRETS_PER_JOB_MAX} are allowed`
}

/** Complete with all defaults, in the order of the file. */
export function serviceSpecs(
  document: Readonly<Record<string, ServiceDocument>>
): readonly ServiceSpec[] {
  return Object.entries(document).map(([name, found]) => ({
    name,
    image: found.image,
    env: found.env ?? {},
    secrets: secretRequests(found.secrets ?? {}),
    command: found.command,
    resources: {
      cpuMilli: found.resources?.cpu ?? CPU_MILLI_DEFAULT,
      memoryBytes: found.resources?.memory ?? MEMORY_BYTES_DEFAULT
    },
    ready: {
      port: found.ready?.port,
      command: found.ready?.command,
      timeoutMs: found.ready?.timeout ?? SERVICE_READY_MS_DEFAULT
    }
  }))
}
