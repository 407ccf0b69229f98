/*
 * Everything that Node 20 lacks and our dependencies use; delete this file when Node 20 is dropped.
 * Imported first by both programs and by the tests: libp2p 3 calls Promise.withResolvers while its
 * modules load, so a later import would already be too late.
 */
if (typeof Promise.withResolvers !== 'function') {
  Promise.withResolvers = function withResolvers<T>(): PromiseWithResolvers<T> {
    let resolve!: PromiseWithResolvers<T>['resolve']
    let reject!: PromiseWithResolvers<T>['reject']
    const promise = new Promise<T>((onResolve, onReject) => {
      resolve = onResolve
      reject = onReject
    })
    return { promise, resolve, reject }
  }
}
