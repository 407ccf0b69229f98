import { causeOf, type ExitCode, MeshError } from '../core/errors.ts'
import { harmless, harmlessJson } from './harmless.ts'

export interface ErrorDocument {
  readonly error: {
    readonly code: string
    readonly message: string
    readonly facts: Readonly<Record<string, unknown>>
  }
}

/** Ends a program with a code and without a word: its command has already said everything. */
export class SilentExit extends Error {
  override readonly name = 'SilentExit'
  readonly exit: ExitCode

  constructor(exit: ExitCode) {
    super(`exit ${exit}`)
    this.exit = exit
  }
}

/** The one form of an error for programs, the same in CLI, API and log. */
export function errorDocument(error: unknown): ErrorDocument {
  const known = asMeshError(error)
  return { error: { code: known.code, message: known.message, facts: { ...known.facts } } }
}

export function asMeshError(error: unknown): MeshError {
  if (error instanceof MeshError) return error
  return new MeshError('BUG', { problem: causeOf(error) }, { cause: error })
}

export interface ErrorStream {
  write(text: string): unknown
}

/** Writes `code: message`, or one JSON document, to standard error and gives the exit code. */
export function reportError(error: unknown, json: boolean, stderr: ErrorStream): ExitCode {
  if (error instanceof SilentExit) return error.exit
  const known = asMeshError(error)
  if (json) stderr.write(`${harmlessJson(JSON.stringify(errorDocument(known)))}\n`)
  // Names and causes in it may be another member's.
  else stderr.write(`${known.code}: ${harmless(known.message)}\n`)
  // A bug without its stack cannot be reported; an expected error's stack helps nobody.
  const stack = known.cause instanceof Error ? known.cause.stack : undefined
  if (known.code === 'BUG' && !json && stack !== undefined) {
    stderr.write(`${harmless(stack.split('\n')).join('\n')}\n`)
  }
  return known.kind.exit
}
