import { type Range, runBatch } from './batches.ts'

process.on('message', (range: Range) => {
  process.send?.(runBatch(range))
})
