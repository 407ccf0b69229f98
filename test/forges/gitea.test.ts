import { matrix } from './matrix.ts'

matrix('gitea')
