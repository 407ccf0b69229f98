import { matrix } from './matrix.ts'

matrix('github')
