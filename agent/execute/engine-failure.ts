import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import { EngineError } from './engine-types.ts'

/** What went wrong with a call of the engine: ENGINE_UNREACHABLE, or an EngineError. */
export function explained(error: unknown, signal: AbortSignal, socket: string): Error {
  if (error instanceof EngineError) return error
  const cause = causeOf(error)
  if (signal.aborted) return new EngineError('the engine did not answer in time', undefined)
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'EACCES') {
    return new MeshError('ENGINE_UNREACHABLE', { socket, cause: code }, { cause: error })
  }
  const status = (error as { statusCode?: number }).statusCode
  // `(HTTP code 404) no such container - No such container: x `
  const words = cause.replace(/^\(HTTP code \d+\) [^-]*- /, '').trim()
  return new EngineError(words, status, { cause: error })
}

/** For a question that changes nothing: an engine that goes away while it is asked is away. */
export function away(error: unknown, socket: string): MeshError {
  if (error instanceof MeshError) return error
  return new MeshError('ENGINE_UNREACHABLE', { socket, cause: causeOf(error) }, { cause: error })
}
