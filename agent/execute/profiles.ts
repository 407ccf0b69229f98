import { BUILDER } from './profile-builder.ts'
import type { ProfileName } from './profile-choice.ts'
import { STANDARD } from './profile-standard.ts'
import { STRICT } from './profile-strict.ts'
import type { Profile } from './sandbox-profile.ts'

export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  strict: STRICT,
  standard: STANDARD,
  builder: BUILDER
}
