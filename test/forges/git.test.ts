import { matrix } from './matrix.ts'

matrix('git')
