import { matrix } from './matrix.ts'

matrix('gitlab')
