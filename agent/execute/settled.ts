/** Resolves once all have; rejects with the first one's reason, but only when none goes on. */
export async function settled(work: readonly Promise<unknown>[]): Promise<void> {
  const ends = await Promise.allSettled(work)
  const failed = ends.find((end) => end.status === 'rejected')
  if (failed?.status === 'rejected') throw failed.reason
}
