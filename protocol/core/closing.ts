/**
 * Why a host takes no jobs for now, though its agent is up: its owner's hours, or how busy it is.
 * What runs goes on.
 */
export interface Closing {
  readonly by: 'hours' | 'load'
  /** For people, on one line: `its owner's hours begin Mon 20:00 (Europe/Berlin)`. */
  readonly text: string
}
