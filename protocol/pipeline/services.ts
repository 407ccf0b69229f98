import { z } from 'zod'
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
import { envNameProblem } from './environment.ts'
import { parseCpu, parseDuration, parseMemory } from './quantity.ts'
import { secretFileProblem, secretNameProblem, secretRequests, secretsProblem } from './secrets.ts'
import { names, quantity, text } from './shapes.ts'
import { type Check, envValueProblem, imageProblem } from './text.ts'

const PORT_MAX = 65_535
const SECOND_MS = 1_000

/** The job reaches it by this name, and so does every other service of it. */
const serviceNameProblem: Check = (name) => {
  const isLabel = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(name)
  if (name === 'localhost') return "is every host's own name: choose another"
  if (isLabel && name.length <= SERVICE_NAME_CHARACTERS_MAX) return undefined
  return `is no host name: use at most ${SERVICE_NAME_CHARACTERS_MAX} of a-z, 0-9 and -, not - at an end`
}

const wordProblem: Check = (word) => {
  if (word === '') return 'is empty: remove it'
  return word.includes('\0') ? 'holds a NUL character: remove it' : undefined
}

const words = z
  .array(text(wordProblem))
  .min(1, "is empty: leave it out for the image's own")
  .max(SERVICE_COMMAND_WORDS_MAX)
  .refine(
    (list) =>
      list.reduce((sum, word) => sum + Buffer.byteLength(word), 0) <= SERVICE_COMMAND_BYTES_MAX,
    {
      message: `is too long: at most ${SERVICE_COMMAND_BYTES_MAX} bytes are allowed`
    }
  )

const ready = z
  .strictObject({
    port: z.number().int().min(1).max(PORT_MAX).optional(),
    command: words.optional(),
    timeout: quantity(parseDuration)
      .refine((ms) => ms <= SERVICE_READY_MS_MAX, {
        message: `is too long: at most ${SERVICE_READY_MS_MAX / SECOND_MS}s are allowed`
      })
      .optional()
  })
  .refine(({ port, command }) => port === undefined || command === undefined, {
    message: 'has a port and a command: remove one of them'
  })

const service = z
  .strictObject({
    image: text(imageProblem),
    env: names(text(envNameProblem), text(envValueProblem), ENV_ENTRIES_MAX).optional(),
    secrets: names(
      text(secretNameProblem),
      z.strictObject({ file: text(secretFileProblem) }),
      SECRETS_PER_JOB_MAX
    ).optional(),
    command: words.optional(),
    resources: z
      .strictObject({
        cpu: quantity(parseCpu).optional(),
        memory: quantity(parseMemory).optional()
      })
      .optional(),
    ready: ready.optional()
  })
  .superRefine(({ secrets = {}, env = {} }, context) => {
    const message = secretsProblem(secretRequests(secrets), env)
    if (message !== undefined) context.addIssue({ code: 'custom', message, path: ['secrets'] })
  })

/** `services` of a job, by their names. */
export const services = names(text(serviceNameProblem), service, SERVICES_PER_JOB_MAX)

type ServiceDocument = z.output<typeof service>

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
