import { GLOB_CHARACTERS_MAX } from '../../protocol/core/limits.ts'
import { globProblem } from '../../protocol/pipeline/glob.ts'

/** What is wrong with a pattern, with the way out; undefined for a good one. */
export type PatternCheck = (pattern: string) => string | undefined

/** On the declared name, `team/*`, or on the URL, `https://git.example/team/**`. */
export const repositoryProblem: PatternCheck = (pattern) => {
  const problem = commonProblem(pattern) ?? specialProblem(pattern)
  if (problem !== undefined) return problem
  if (!pattern.includes('://')) {
    const isName = /^[\w.*-]+(?:\/[\w.*-]+)*$/.test(pattern)
    return isName ? undefined : 'can match no repository: use a name, team/*, or a URL'
  }
  if (!/^(?:https?|ssh|git):\/\/[^/]/.test(pattern)) {
    return 'is no URL of a repository: begin it with https://, http://, ssh:// or git://'
  }
  // Such a URL matches nothing: what fetches it would resolve these parts.
  const isPlain = !/[%#\s]|\/\.{1,2}(?:\/|$)/.test(pattern)
  return isPlain ? undefined : 'can match no URL: write it without %, #, spaces, . and .. parts'
}

/** A branch, `release/*`, or a full ref, `refs/tags/**`. */
export const refProblem: PatternCheck = (pattern) => {
  return globProblem(pattern.startsWith('refs/') ? pattern.slice('refs/'.length) : pattern)
}

/** Names of accounts may hold anything, `dependabot[bot]` too. */
export const authorProblem: PatternCheck = (pattern) => commonProblem(pattern)

/** Registry and repository in full, `docker.io/library/*`. */
export const imageProblem: PatternCheck = (pattern) => {
  const problem = commonProblem(pattern) ?? specialProblem(pattern)
  if (problem !== undefined || pattern === '**') return problem
  const [registry = '', ...path] = pattern.split('/')
  // Without it `team/*` would mean a folder to one reader and a registry to another.
  if (path.length === 0 || !/[.:*]|^localhost$/.test(registry)) {
    return 'has no registry: write it in full, as in docker.io/library/alpine'
  }
  if (/[:@]/.test(path.join('/'))) return 'has a tag or digest: name the image without one'
  const isName = /^[a-z0-9._*/-]+$/.test(path.join('/')) && path.every((part) => part !== '')
  return isName ? undefined : 'can match no image: names of images are in lower case'
}

/** `docker.io`, `registry.example:5000`, `*.example`. */
export const registryProblem: PatternCheck = (pattern) => {
  const problem = commonProblem(pattern) ?? specialProblem(pattern)
  if (problem !== undefined) return problem
  const isHost = /^[\w.:*-]+$/.test(pattern)
  return isHost ? undefined : 'is no registry: write its host alone, as in docker.io'
}

function commonProblem(pattern: string): string | undefined {
  if (pattern === '') return 'is empty: use ** for all, or leave the list out'
  if (pattern.length > GLOB_CHARACTERS_MAX) {
    return `is too long: at most ${GLOB_CHARACTERS_MAX} characters are allowed`
  }
  if (pattern.startsWith('!')) return 'excludes: list what is wanted instead'
  if (pattern.includes('***')) return 'has more than two * in a row: use * or **'
  return /\p{Cc}/u.test(pattern) ? 'has control characters' : undefined
}

function specialProblem(pattern: string): string | undefined {
  return /[?[\]{}\\]/.test(pattern)
    ? 'uses more than * and **: nothing else has a meaning'
    : undefined
}
