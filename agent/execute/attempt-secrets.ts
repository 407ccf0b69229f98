import { Masker } from '../../protocol/core/masker/masker.ts'
import {
  hiddenOf,
  type RegistryLogin,
  readLogin,
  registryOf
} from '../../protocol/core/registry-login.ts'
import type { JobSpec, SecretRequest } from '../../protocol/core/run.ts'

const LF = 10

export interface SecretValue {
  readonly name: string
  readonly value: Uint8Array
}

export interface SecretFile {
  /** Below SECRETS_INSIDE. */
  readonly path: string
  readonly value: Uint8Array
}

/** The secrets of one attempt: how steps get them, and how what they write hides them. */
export class AttemptSecrets {
  readonly masker: Masker
  readonly #spec: Pick<JobSpec, 'secrets' | 'services'>
  readonly #values: ReadonlyMap<string, Uint8Array>

  /** `beside`: what no step gets, and no log may show. */
  constructor(
    spec: Pick<JobSpec, 'secrets' | 'services'>,
    values: readonly SecretValue[],
    beside: readonly Uint8Array[] = []
  ) {
    this.#spec = spec
    this.#values = new Map(values.map(({ name, value }) => [name, value]))
    const isLogin = (name: string): boolean => this.#logins().some((each) => each.name === name)
    const hidden = ([name, value]: readonly [string, Uint8Array]) =>
      isLogin(name) ? hiddenOf(value) : [value]
    this.masker = new Masker([...[...this.#values].flatMap(hidden), ...beside])
  }

  /** The same, with these hidden in place of those of before. */
  beside(hidden: readonly Uint8Array[]): AttemptSecrets {
    const values = [...this.#values].map(([name, value]) => ({ name, value }))
    return new AttemptSecrets(this.#spec, values, hidden)
  }

  /** Of the registry that an image of this name comes from; undefined where the job has none. */
  loginFor(image: string): RegistryLogin | undefined {
    const registry = registryOf(image)
    const wanted = this.#logins().find((each) => each.registry === registry)
    return wanted && readLogin(registry, this.#value(wanted.name))
  }

  /** `NAME=value` of those that are variables: for a step's own start, never the container's. */
  env(): readonly string[] {
    return this.#wanted().flatMap(({ name, file }) =>
      file === undefined ? [`${name}=${Buffer.from(this.#value(name)).toString('utf8')}`] : []
    )
  }

  /** Copies, which whoever hands them over erases. */
  files(): readonly SecretFile[] {
    return this.#filesOf(this.#wanted())
  }

  /** Likewise, of one of the job's services. */
  serviceFiles(service: string): readonly SecretFile[] {
    const spec = this.#spec.services?.find(({ name }) => name === service)
    return this.#filesOf(spec?.secrets ?? [])
  }

  /** Overwrites the values; copies that are text stay until their memory is used again. */
  erase(): void {
    for (const value of this.#values.values()) value.fill(0)
  }

  #wanted(): NonNullable<JobSpec['secrets']> {
    return (this.#spec.secrets ?? []).filter(({ registry }) => registry === undefined)
  }

  /** For the engine and its registries alone: no step gets them. */
  #logins(): NonNullable<JobSpec['secrets']> {
    return (this.#spec.secrets ?? []).filter(({ registry }) => registry !== undefined)
  }

  #filesOf(requests: readonly SecretRequest[]): readonly SecretFile[] {
    return requests.flatMap(({ name, file }) =>
      file === undefined ? [] : [{ path: file, value: textFileOf(this.#value(name)) }]
    )
  }

  #value(name: string): Uint8Array {
    const value = this.#values.get(name)
    if (value === undefined) throw new Error(`no value of secret ${name} was released`)
    return value
  }
}

/** Several lines end with a line end, which setting the value has dropped: keys need it. */
function textFileOf(value: Uint8Array): Uint8Array {
  const needsEnd = value.includes(LF) && value.at(-1) !== LF
  const file = new Uint8Array(value.length + (needsEnd ? 1 : 0)).fill(LF)
  file.set(value)
  return file
}

export const NO_SECRETS = new AttemptSecrets({}, [])

/** True where images may be had with what the job's gateway gives alone. */
export function hasLogins({ secrets = [] }: Pick<JobSpec, 'secrets'>): boolean {
  return secrets.some(({ registry }) => registry !== undefined)
}

/** True where its steps get values: what they write may hold one. */
export function hasValues({ secrets = [] }: Pick<JobSpec, 'secrets'>): boolean {
  return secrets.some(({ registry }) => registry === undefined)
}
