import { createHash } from 'node:crypto'
import type { GossipSub, Message, TopicValidatorFn } from '@libp2p/gossipsub'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { describe, expect, test } from 'vitest'
import { silentLog } from '../../../../protocol/host/log.ts'
import {
  GOSSIP_DATA_BYTES_MAX,
  Gossip,
  type GossipHandler
} from '../../../../protocol/mesh/links/gossip.ts'
import { gossipSettings, messageId } from '../../../../protocol/mesh/links/gossip-settings.ts'
import { TOPICS } from '../../../../protocol/wire/ids.ts'
import { generateKey } from '../../../../protocol/wire/keys.ts'

const MEMBER = peerIdFromString(generateKey().peerId)
const OUTSIDER = peerIdFromString(generateKey().peerId)
const isMember = (peerId: string): boolean => peerId === MEMBER.toString()

/** Gossipsub as far as it is used: the table of judges. */
function service(): Pick<GossipSub, 'topicValidators' | 'subscribe' | 'publish'> {
  return {
    topicValidators: new Map<string, TopicValidatorFn>(),
    subscribe: () => undefined,
    publish: async () => ({ recipients: [] })
  }
}

function message(from: PeerId, data = Uint8Array.of(1)): Message {
  return { type: 'signed', from, topic: TOPICS.jobs, data } as unknown as Message
}

/** What becomes of a message that a member relays. */
async function judged(handler: GossipHandler, what: Message): Promise<unknown> {
  const pubsub = service()
  const gossip = new Gossip({ service: pubsub as GossipSub, isMember, log: silentLog() })
  gossip.subscribe(TOPICS.jobs, handler)
  return await pubsub.topicValidators.get(TOPICS.jobs)?.(MEMBER, what)
}

describe('a gossip message', () => {
  test.each(['accept', 'ignore', 'reject'] as const)(
    'of a member is judged by its handler: %s',
    async (verdict) => {
      expect(await judged(() => verdict, message(MEMBER))).toBe(verdict)
    }
  )

  test('of a non-member is ignored without a look, and its relay is not blamed', async () => {
    let looks = 0
    const handler = (): 'accept' => {
      looks += 1
      return 'accept'
    }

    expect(await judged(handler, message(OUTSIDER))).toBe('ignore')
    expect(looks).toBe(0)
  })

  test('without a signature is rejected', async () => {
    const unsigned: Message = { type: 'unsigned', topic: TOPICS.jobs, data: Uint8Array.of(1) }

    expect(await judged(() => 'accept', unsigned)).toBe('reject')
  })

  test('that its handler fails at is ignored: our bug must not cost a peer its score', async () => {
    const handler = (): never => {
      throw new Error('bug')
    }

    expect(await judged(handler, message(MEMBER))).toBe('ignore')
  })

  test('of more bytes than a peer would take is refused here', async () => {
    const gossip = new Gossip({ service: service() as GossipSub, isMember, log: silentLog() })

    await gossip.publish(TOPICS.jobs, new Uint8Array(GOSSIP_DATA_BYTES_MAX))
    const publish = gossip.publish(TOPICS.jobs, new Uint8Array(GOSSIP_DATA_BYTES_MAX + 1))
    await expect(publish).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
  })

  test('has the hash of topic and bytes as its id, whoever sends it', () => {
    const id = createHash('sha256').update(`${TOPICS.jobs}|x`).digest('hex')

    expect(Buffer.from(messageId(TOPICS.jobs, Buffer.from('x'))).toString('hex')).toBe(id)
  })
})

describe('the settings of gossip', () => {
  const settings = gossipSettings(isMember)
  const score = settings.scoreParams

  test('hold no peer back for its address', () => {
    expect(score?.IPColocationFactorWeight).toBe(0)
  })

  test('put a non-member below every threshold and a member above all', () => {
    expect(score?.appSpecificScore?.(OUTSIDER.toString())).toBeLessThan(-80)
    expect(score?.appSpecificScore?.(MEMBER.toString())).toBeGreaterThan(0)
  })

  test('take addresses from nobody, a member of the best score included', () => {
    const best =
      (score?.appSpecificScore?.(MEMBER.toString()) ?? 0) * (score?.appSpecificWeight ?? 0)

    expect(settings.scoreThresholds?.acceptPXThreshold).toBeGreaterThan(best)
  })

  test('punish no quiet topic, and punish invalid messages on every topic', () => {
    expect(Object.keys(score?.topics ?? {})).toEqual(Object.values(TOPICS))
    for (const topic of Object.values(score?.topics ?? {})) {
      expect(topic.meshMessageDeliveriesWeight).toBe(0)
      expect(topic.meshFailurePenaltyWeight).toBe(0)
      expect(topic.invalidMessageDeliveriesWeight).toBeLessThan(0)
    }
  })
})
