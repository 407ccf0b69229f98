import type { MeshError } from '../core/errors.ts'

/** The end of a daemon that may promise nothing more, as a promise to race against. */
export class Failure {
  readonly #ending = Promise.withResolvers<never>()

  constructor() {
    // Nobody may be waiting yet when the store fails; who races later still sees it.
    this.#ending.promise.catch(() => undefined)
  }

  /** Rejects with the first error that was raised; never resolves. */
  get raised(): Promise<never> {
    return this.#ending.promise
  }

  readonly raise = (error: MeshError): void => this.#ending.reject(error)
}
