import type { ForgeHook, ForgeName } from './forge-hook.ts'
import { forgejoHook } from './forgejo.ts'
import { gitHook } from './git.ts'
import { giteaHook } from './gitea.ts'
import { githubHook } from './github.ts'
import { gitlabHook } from './gitlab.ts'

/** Every Git server that can be declared. */
export const FORGE_HOOKS: Readonly<Record<ForgeName, ForgeHook>> = {
  git: gitHook,
  gitea: giteaHook,
  forgejo: forgejoHook,
  github: githubHook,
  gitlab: gitlabHook
}
