/** The image that `npm run prepare:host` builds and loads: nothing is pulled. */
export const BASE_IMAGE = 'runner-mesh/busybox:1'

/** What the demo pushes: one job that runs, and one that no host of the demo fits. */
export const DEMO_PIPELINE = `on:
  push: { branches: [main] }

defaults: { image: '${BASE_IMAGE}', timeout: 5m, network: none }

jobs:
  build:
    resources: { cpu: 0.5, memory: 128MiB }
    env: { GREETING: 'hello from a box without a network' }
    steps:
      - name: look around
        run: |
          echo "$GREETING"
          echo "commit $RUNNER_MESH_COMMIT on $(uname -m), epoch $RUNNER_MESH_EPOCH"
          ls -la
      - name: count
        run: |
          for number in 1 2 3 4 5; do
            echo "working: $number of 5"
            sleep 0.4
          done
      - name: check
        run: grep -q 'Runner Mesh' README.md && echo 'the source is here'

  needs-a-gpu:
    labels: { gpu: h100 }
    resources: { cpu: 0.5, memory: 128MiB }
    steps:
      - run: echo 'no host of this demo can say this'
`

/** A job long enough to lose its host in the middle. */
export const LONG_PIPELINE = `defaults: { image: '${BASE_IMAGE}', timeout: 2m, network: none }
jobs:
  long:
    resources: { cpu: 0.25, memory: 64MiB }
    steps:
      - name: work
        run: |
          echo "attempt $RUNNER_MESH_ATTEMPT, epoch $RUNNER_MESH_EPOCH, on $RUNNER_MESH_AGENT"
          for number in 1 2 3 4 5 6 7 8; do
            echo "working: $number of 8"
            sleep 0.5
          done
`

export const DEMO_README = '# A repository that Runner Mesh builds\n'
