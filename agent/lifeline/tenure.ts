import { link, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { unwritable } from '../../protocol/host/durable-file.ts'
import {
  isAlive,
  type ProcessIdentity,
  parseIdentity
} from '../../protocol/host/process-identity.ts'

export type Tenure = { readonly kind: 'mine' } | { readonly kind: 'taken'; readonly pid: number }

interface Term {
  readonly number: number
  readonly holder: ProcessIdentity | undefined
}

const NAME = /^term\.(\d{1,15})$/
/** Each try is lost to another process that has just won: more of them are not started at once. */
const TRIES_MAX = 32
/** Names the drafts of this process apart. */
let drafts = 0

/**
 * Makes `self` the one guardian of a state folder, as long as it lives. Terms are numbered files
 * that are made by link(2), which only one process can win; the highest one counts, while its
 * process lives. It is never removed, only succeeded: a number that came back could be won twice.
 */
export async function takeTenure(dir: string, self: ProcessIdentity): Promise<Tenure> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const last = await lastTerm(dir)
    if (last?.holder !== undefined && isAlive(last.holder)) {
      return { kind: 'taken', pid: last.holder.pid }
    }
    const number = (last?.number ?? 0) + 1
    if (!(await claim(dir, number, self))) continue
    if ((await lastTerm(dir))?.number === number) {
      await removeBelow(dir, number)
      return { kind: 'mine' }
    }
    // Somebody was quicker by more than one term, and has removed the one that we found free.
    await rm(termPath(dir, number), { force: true })
  }
  throw new Error(`no end of guardians that start in ${dir}`)
}

/** The guardian that lives; undefined where none does. */
export async function tenureHolder(dir: string): Promise<ProcessIdentity | undefined> {
  const last = await lastTerm(dir).catch(() => undefined)
  return last?.holder !== undefined && isAlive(last.holder) ? last.holder : undefined
}

async function lastTerm(dir: string): Promise<Term | undefined> {
  const numbers = await termNumbers(dir)
  if (numbers.length === 0) return undefined
  const number = Math.max(...numbers)
  const text = await readFile(termPath(dir, number), 'utf8').catch(() => '')
  try {
    return { number, holder: parseIdentity(JSON.parse(text)) }
  } catch {
    // Whole before it has its name, so that only a crash of the host leaves half of one.
    return { number, holder: undefined }
  }
}

async function claim(dir: string, number: number, self: ProcessIdentity): Promise<boolean> {
  drafts += 1
  const draft = join(dir, `draft.${self.pid}.${drafts}`)
  try {
    await writeFile(draft, `${JSON.stringify(self)}\n`, { mode: 0o600 })
    await link(draft, termPath(dir, number))
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw unwritable(dir, error)
  } finally {
    // On a full disk, too: an agent tries again and again to start a guardian there.
    await rm(draft, { force: true })
  }
}

async function removeBelow(dir: string, number: number): Promise<void> {
  for (const other of await termNumbers(dir)) {
    if (other < number) await rm(termPath(dir, other), { force: true })
  }
}

async function termNumbers(dir: string): Promise<readonly number[]> {
  return (await readdir(dir)).flatMap((name) => {
    const number = NAME.exec(name)?.[1]
    return number === undefined ? [] : [Number(number)]
  })
}

function termPath(dir: string, number: number): string {
  return join(dir, `term.${number}`)
}
