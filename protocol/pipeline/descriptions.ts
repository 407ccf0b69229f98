import type { Context } from './keys.ts'

/** What each key means, in a sentence: editors show it. */
export const DESCRIPTIONS: Readonly<Record<Context, Readonly<Record<string, string>>>> = {
  file: {
    on: 'Events that start a run; without it push and pull_request, on every branch.',
    defaults: 'For jobs that say nothing else.',
    jobs: 'What a run consists of, by name.'
  },
  on: {
    push: 'A branch was pushed.',
    pull_request: 'A pull or merge request was opened, updated or labelled.',
    tag: 'A tag was pushed.',
    manual: 'Somebody starts a run by hand.',
    schedule: 'The clock starts runs, in UTC.'
  },
  'on.push': {
    branches: 'Patterns of branches; * stays within a segment, ** does not.',
    paths: 'Patterns of changed paths, one of which must fit; the last that fits a path decides.'
  },
  'on.pull_request': {
    branches: 'Patterns of the branch that it is to be merged into.',
    paths: 'Patterns of changed paths, one of which must fit; the last that fits a path decides.',
    labels: 'It runs only with one of these labels.'
  },
  'on.tag': { tags: 'Patterns of tags, v* say.' },
  'on.manual': { inputs: 'What is asked of whoever starts it, by name.' },
  input: {
    default: 'Where nothing is given.',
    values: 'The only ones that are taken.',
    required: 'A run does not start without it.'
  },
  schedule: {
    cron: 'Minute, hour, day, month and weekday, in UTC.',
    branch: 'Whose newest commit runs; without it the default branch.'
  },
  defaults: {
    image: 'Image of jobs that name none.',
    timeout: 'Of jobs that name none, 30m say.',
    network: 'What jobs reach that say nothing: none, internet, audit, open or a list.'
  },
  job: {
    image: 'Image that the steps run in.',
    needs: 'Jobs that must have succeeded before.',
    matrix: 'One job for each combination of these values.',
    platform: 'linux/amd64 say; without it that of the host.',
    emulation: 'Whether a host may run the platform by an emulator.',
    resources: 'What it may take, and a host must have free.',
    labels: 'What a host must offer, exactly.',
    prefer: 'What a host should have.',
    fallback_after: 'How long it waits for a host that is preferred.',
    priority: 'Within its repository: higher goes first.',
    env: 'Variables of every step.',
    timeout: 'Of all steps together; queueing is not counted.',
    on_loss: 'When its host is lost: again on another, or an error.',
    retry: 'Attempts besides, when its own commands fail.',
    concurrency: 'One job of a group runs at a time.',
    network: 'What it reaches: none, internet, audit, open or a list.',
    isolation: 'The least that keeps it apart from its host.',
    builder: 'True for a job that builds images.',
    secrets: 'Secrets that its steps get.',
    services: 'Containers beside the steps, by the name that they are reached by.',
    steps: 'What is run, one after the other.'
  },
  resources: {
    cpu: 'Cores, down to thousandths.',
    memory: '512MiB, 4GiB; the limit, too.',
    disk: '20GiB; what it may write.',
    pids: 'Processes and threads at one time.',
    gpu: 'GPUs that it has to itself, or a share of.'
  },
  gpu: {
    count: 'How many; 1 where it is absent.',
    vendor: 'nvidia, amd or intel.',
    model: 'A pattern of the whole model, *A4000* say.',
    memory: 'Of each, at least.',
    compute_capability: 'At least, in quotes; of NVIDIA alone.',
    gfx: 'gfx942 say, exactly; of AMD alone.',
    mig: 'A MIG profile, 1g.10gb say; of NVIDIA alone.',
    numa: 'same for GPUs on one NUMA node.',
    share: '1/4 say, where a part of each is enough.'
  },
  prefer: { labels: 'Labels of the hosts that take it first.' },
  concurrency: {
    group: 'Name of the group, within the repository.',
    cancel_superseded: 'A newer run ends the older ones of its group.'
  },
  secret: { file: 'A file below /run/secrets.' },
  service: {
    image: 'Its image.',
    env: 'Its variables.',
    secrets: 'Its secrets, as files.',
    command: "Words in place of the image's own arguments.",
    resources: 'What it may take.',
    ready: 'When the first step may begin.'
  },
  'service.resources': { cpu: 'Cores, down to thousandths.', memory: '512MiB, 4GiB.' },
  ready: {
    port: 'A TCP port that must answer.',
    command: 'Words of a command that must exit 0.',
    timeout: 'How long that is waited for.'
  },
  network: { allow: 'Addresses and names with their ports.' },
  step: {
    name: 'For logs and status.',
    run: 'A script for /bin/sh -e -c.',
    timeout: 'Of this step.',
    always: 'True for a step that runs after a failed one, too.'
  }
}
