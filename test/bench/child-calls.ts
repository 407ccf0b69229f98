import { causeOf } from '../../protocol/core/errors.ts'

type Call = (argument: never) => unknown

interface Request {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}

/** Answers what `Child.call` asks, and ends this process with the channel to its parent. */
export function answerCalls(calls: Readonly<Record<string, Call>>, end: () => Promise<void>): void {
  const answer = async ({ id, name, argument }: Request): Promise<void> => {
    try {
      const value = await calls[name]?.(argument as never)
      process.send?.({ id, value })
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? error.stack : causeOf(error) })
    }
  }
  process.on('message', (request: Request) => {
    void answer(request)
  })
  process.on('disconnect', () => {
    void end().then(() => process.exit())
  })
}
