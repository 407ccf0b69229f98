/**
 * Beside the names of what a slot's runner is configured with: its attempt goes on under an agent
 * that was restarted, and wants what it was given, for hiding it. Nothing is made for it. No secret
 * can have this name, and a gateway that does not know it refuses: as one that registers a runner
 * for each that asks, it would part the one that runs from its forge.
 */
export const GIVEN_BEFORE = ':given'
