import { Engine } from '../../agent/execute/engine.ts'
import { STANDARD } from '../../agent/execute/profile-standard.ts'
import { STRICT } from '../../agent/execute/profile-strict.ts'
import { containerMaker } from '../support/container-maker.ts'
import { sandboxContract } from '../support/sandbox-contract.ts'

for (const profile of [STANDARD, STRICT]) {
  const open = () => containerMaker(Engine.local(undefined), profile)
  sandboxContract(`a container of profile ${profile.name}`, open)
}
