/** A user that owns nothing. */
export const NOBODY = 65_534

/** Runs it without the rights of root, where these tests have them: root may read everything. */
export async function asStranger<T>(run: () => Promise<T>): Promise<T> {
  const { geteuid, seteuid } = process
  if (geteuid === undefined || seteuid === undefined || geteuid() !== 0) return await run()
  seteuid(NOBODY)
  try {
    return await run()
  } finally {
    seteuid(0)
  }
}
