import { setTimeout as sleep } from 'node:timers/promises'
import { causeOf } from '../../../protocol/core/errors.ts'
import { SERVICE_ASK_EVERY_MS, SERVICE_ASK_MS_MAX } from '../../../protocol/core/service-limits.ts'
import type { Container } from '../container.ts'
import type { ContainerBody, ContainerExec, ExecEnd } from '../engine-types.ts'
import { BUSYBOX_INSIDE } from '../guard.ts'
import type { Leftover } from '../removal.ts'
import type { ServiceHooks } from '../sandbox.ts'
import { settled } from '../settled.ts'
import type { Service } from './service.ts'

/** Seconds that one connection may take. */
const CONNECT_SECONDS = '2'

/** A process in the job's own container, as whoever helps there. */
export type RunInJob = (request: Pick<ContainerExec, 'command' | 'signal'>) => Promise<ExecEnd>

/** As `user`, with no variables; what it says is of no interest. */
export function inContainer(container: Pick<Container, 'exec'>, user: string): RunInJob {
  const place = { env: [], user, workdir: '/', onOutput: () => undefined }
  return (request) => container.exec({ ...place, ...request })
}

/** All that runs beside the steps of one job. */
export class Services {
  readonly #services: readonly Service[]
  readonly #stop = new AbortController()
  #running: readonly Promise<void>[] = []

  constructor(services: readonly Service[]) {
    this.#services = services
  }

  async create(): Promise<void> {
    await settled(this.#services.map((service) => service.create()))
  }

  async start(): Promise<void> {
    await settled(this.#services.map((service) => service.start()))
  }

  async attach(since: string): Promise<void> {
    await settled(this.#services.map((service) => service.attach(since)))
  }

  /** Starts what they run; resolves once all are ready. Throws SERVICE_NOT_READY. */
  async serve(inJob: RunInJob, hooks: ServiceHooks, signal: AbortSignal): Promise<void> {
    const begun = this.#services.map((service) => this.#begin(service, hooks))
    this.#running = begun.map(({ ended }) => ended.then(() => undefined))
    const failed = new AbortController()
    const either = AbortSignal.any([signal, failed.signal, this.#stop.signal])
    const ready = begun.map(async ({ service, ended }) => {
      const { name, ready: wanted } = service.spec
      const over = ended.then((how) => Promise.reject(service.failure(how)))
      await Promise.race([over, this.#untilReady(service, inJob, either)]).catch(
        (error: unknown) => {
          failed.abort(error)
          throw error
        }
      )
      const how = wanted.port === undefined ? '' : ` on port ${wanted.port}`
      hooks.say(`service ${name} is ready${how}`)
    })
    await settled(ready)
  }

  /** Goes on with what an agent before this one has started. */
  resume(hooks: ServiceHooks): void {
    this.#running = this.#services.map(async (service) => {
      const { name } = service.spec
      hooks.say(`service ${name} runs on; what it wrote while the agent was away is not here`)
      await this.#told(name, hooks, (signal) =>
        service.follow((stream, bytes) => hooks.output(name, stream, bytes), signal)
      )
    })
  }

  /** What its containers are made of. */
  get bodies(): readonly ContainerBody[] {
    return this.#services.map(({ body }) => body)
  }

  /** Of their containers' first processes. */
  async pids(): Promise<readonly number[]> {
    return await Promise.all(this.#services.map((service) => service.pid()))
  }

  /** Of the engine's disk, all of them together. */
  async diskBytes(): Promise<number> {
    const each = await Promise.all(this.#services.map((service) => service.diskBytes()))
    return each.reduce((sum, bytes) => sum + bytes, 0)
  }

  leftovers(): readonly Leftover[] {
    return this.#services.flatMap((service) => service.leftovers())
  }

  /** Nothing of them is heard any more. */
  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#running)
    await Promise.all(this.#services.map((service) => service.stopWatching()))
  }

  #begin(service: Service, hooks: ServiceHooks) {
    const { name } = service.spec
    const onOutput = (stream: 'out' | 'err', bytes: Uint8Array): void =>
      hooks.output(name, stream, bytes)
    const ended = this.#told(name, hooks, (signal) =>
      service.serve(hooks.files(name), onOutput, signal)
    )
    return { service, ended }
  }

  /** How it ended, which the job's log says too unless the job has ended first. */
  async #told(
    name: string,
    hooks: ServiceHooks,
    run: (signal: AbortSignal) => Promise<string>
  ): Promise<string> {
    const { signal } = this.#stop
    const how = await run(signal).catch(causeOf)
    if (!signal.aborted) {
      hooks.ended(name)
      hooks.say(`service ${name} ${how}`)
    }
    return how
  }

  async #untilReady(service: Service, inJob: RunInJob, signal: AbortSignal): Promise<void> {
    const { port, command, timeoutMs } = service.spec.ready
    if (port === undefined && command === undefined) return
    const late = AbortSignal.timeout(timeoutMs)
    const either = AbortSignal.any([signal, late])
    while (!(await isReady(service, inJob, either))) {
      await sleep(SERVICE_ASK_EVERY_MS, undefined, { signal: either }).catch(() => undefined)
      signal.throwIfAborted()
      if (!late.aborted) continue
      const what =
        port === undefined ? `\`${command?.[0]}\` did not exit 0` : `port ${port} is closed`
      throw service.notReady(`${what} after ${timeoutMs} ms: raise its ready.timeout`)
    }
  }
}

/** Never from the host: a way in for the agent would be one for others. */
async function isReady(service: Service, inJob: RunInJob, until: AbortSignal): Promise<boolean> {
  const { port, command } = service.spec.ready
  const signal = AbortSignal.any([until, AbortSignal.timeout(SERVICE_ASK_MS_MAX)])
  try {
    if (command !== undefined) return (await service.ask(command, signal)) === 0
    const address = await service.address()
    if (address === undefined) return false
    const end = await inJob({ command: connectCommand(address, Number(port)), signal })
    return end.kind === 'exited' && end.code === 0
  } catch {
    // Asked again until its time is over; a job that has ended is seen by whoever runs it.
    return false
  }
}

/** Runs `true` once it is connected. */
function connectCommand(address: string, port: number): readonly string[] {
  const connect = [BUSYBOX_INSIDE, 'nc', '-w', CONNECT_SECONDS, address, String(port)]
  return [...connect, '-e', BUSYBOX_INSIDE, 'true']
}
