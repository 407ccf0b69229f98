import type { TextDigest } from '../../protocol/core/ports.ts'

/** Placement asks for even numbers from texts and no more: SHA-256 would take most of the time. */
export function quickDigest(): TextDigest {
  return {
    text: (text) => [0x811c9dc5, 0x9e3779b9].map((seed) => hex(mixed(text, seed))).join('')
  }
}

function mixed(text: string, seed: number): number {
  let hash = seed
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

function hex(number: number): string {
  return (number >>> 0).toString(16).padStart(8, '0')
}
