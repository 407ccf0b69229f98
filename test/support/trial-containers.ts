import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/**
 * Removes what trials of these agents have left: one that was killed amid a trial clears it away at
 * its next start, which does not come once its test is over.
 */
export async function removeTrials(peerIds: readonly string[]): Promise<void> {
  for (const peerId of peerIds.filter((id) => id !== '')) {
    const { stdout } = await run('docker', ['ps', '-aq', '-f', `label=runner-mesh.trial=${peerId}`])
    const found = stdout.split('\n').filter((id) => id !== '')
    if (found.length > 0) await run('docker', ['rm', '-f', ...found])
  }
}
