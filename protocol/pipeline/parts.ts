import { DURATION, parseDuration } from '../core/duration.ts'
import { IMAGE_PATTERN } from '../core/image-name.ts'
import {
  CPU_MILLI_MAX,
  CPU_MILLI_MIN,
  IMAGE_CHARACTERS_MAX,
  NAME_CHARACTERS_MAX
} from '../core/limits.ts'
import { PLATFORM_PATTERN } from '../core/platform.ts'
import { ENV_NAME, envNameProblem } from './environment.ts'
import { parseCpu, parseDisk, parseMemory, SIZE } from './quantity.ts'
import { type Filling, fillable, names, quantity, text } from './shapes.ts'
import {
  envValueProblem,
  imageProblem,
  LABEL_KEY,
  labelKeyProblem,
  labelValueProblem,
  platformProblem,
  SHORT_TEXT
} from './text.ts'

/* Values that stand in several places of a file. */

const size = { type: 'string', pattern: SIZE.source }

export const duration = quantity(parseDuration, { type: 'string', pattern: DURATION.source })
export const cpu = quantity(parseCpu, {
  type: 'number',
  minimum: CPU_MILLI_MIN / 1_000,
  maximum: CPU_MILLI_MAX / 1_000
})
export const memory = quantity(parseMemory, size)
export const disk = quantity(parseDisk, size)

export const platform = text(platformProblem, { pattern: PLATFORM_PATTERN.source })
export const envName = text(envNameProblem, { pattern: ENV_NAME.source })
const labelKey = text(labelKeyProblem, { pattern: LABEL_KEY.source })

const imageText = { pattern: IMAGE_PATTERN.source, maxLength: IMAGE_CHARACTERS_MAX }
/** An image that is the same for all jobs. */
export const fixedImage = text(imageProblem, imageText)
export const image = (filling: Filling) => fillable(filling, imageProblem, imageText)
export const envValue = (filling: Filling) => fillable(filling, envValueProblem)

const labelValue = { pattern: SHORT_TEXT.source, maxLength: NAME_CHARACTERS_MAX }
export const labels = (filling: Filling, max: number) =>
  names(labelKey, fillable(filling, labelValueProblem, labelValue), max)
