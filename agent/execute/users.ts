import { layFile } from './laid-file.ts'

/** Where programs look users up. */
export const USERS_INSIDE = '/etc/passwd'

/**
 * Writes a list of users (passwd(5)) where containers mount it from, and gives its path. No image
 * knows the numbers that our profiles run as, and some programs give up over that.
 */
export async function layUsers(dir: string, lines: readonly string[]): Promise<string> {
  const text = lines.map((line) => `${line}\n`).join('')
  return await layFile(dir, { stem: 'passwd', ending: '', text, mode: 0o444 })
}
