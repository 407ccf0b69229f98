import { matrix } from './matrix.ts'

matrix('forgejo')
