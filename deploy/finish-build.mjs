// After tsc: what it does not do. Marks the two programs executable, so that `npm link` and the
// `bin` entries work from a checkout as they do from a package.
import { chmodSync } from 'node:fs'

for (const program of ['agent', 'gateway']) chmodSync(`dist/${program}/main.js`, 0o755)
