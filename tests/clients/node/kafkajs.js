// kafkajs's part of the client tests; tests/clients/main.rs says what each phase must show.
//
// Usage: node kafkajs.js BOOTSTRAP NAME before|after, with NODE_PATH at the installed modules
'use strict'

const assert = require('node:assert')
const { Kafka, logLevel, Partitioners } = require('kafkajs')

const [PARTITIONS, FIRST, READ, SECOND] = [3, 100, 60, 50]
const PATIENCE_MS = 60_000

const [bootstrap, topic, phase] = process.argv.slice(2)
const groupId = `${topic}-readers`
const kafka = new Kafka({ clientId: 'client-tests', brokers: [bootstrap], logLevel: logLevel.WARN })
const admin = kafka.admin()

async function describe() {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  assert.equal(topics[0].partitions.length, PARTITIONS)
  const { resources } = await admin.describeConfigs({ resources: [{ type: 2, name: topic }] })
  assert.ok(resources[0].configEntries.some(({ configName }) => configName === 'cleanup.policy'))
  console.log('described', topic)
}

async function produce(first, count) {
  const producer = kafka.producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  const messages = Array.from({ length: count }, (_, i) => first + i).map((number) => ({
    key: `key-${number % 10}`,
    value: `${number}`,
    headers: { number: `n${number}` },
  }))
  await producer.send({ topic, messages, acks: -1 })
  await producer.disconnect()
  console.log('produced', count)
}

// Reads exactly `count` records as the only member of the group, commits behind them and leaves.
async function consume(count) {
  const consumer = kafka.consumer({ groupId })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  const seen = []
  const next = new Map()
  await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${seen.length} records of ${count}`)), PATIENCE_MS)
    consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        if (seen.length === count) return
        const number = Number(message.value.toString())
        assert.equal(message.key.toString(), `key-${number % 10}`)
        assert.equal(message.headers.number.toString(), `n${number}`)
        seen.push(number)
        next.set(partition, `${BigInt(message.offset) + 1n}`)
        if (seen.length === count) {
          clearTimeout(timer)
          resolve()
        }
      },
    }).catch(reject)
  })
  await consumer.commitOffsets([...next].map(([partition, offset]) => ({ topic, partition, offset })))
  await consumer.disconnect()
  console.log('consumed', count)
  return seen
}

async function checkOffsets() {
  const ends = await admin.fetchTopicOffsets(topic)
  const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] })
  const offsets = (list) => list.map(({ partition, offset }) => [partition, Number(offset)]).sort((a, b) => a[0] - b[0])
  assert.deepEqual(offsets(committed.partitions), offsets(ends))
  assert.equal(offsets(ends).reduce((sum, [, offset]) => sum + offset, 0), FIRST + SECOND)
}

function expectAll(seen, first, count) {
  const expected = Array.from({ length: count }, (_, i) => first + i)
  assert.deepEqual(seen.sort((a, b) => a - b), expected)
}

async function before() {
  const topics = [{ topic, numPartitions: PARTITIONS, replicationFactor: 1 }]
  assert.equal(await admin.createTopics({ topics, waitForLeaders: true }), true)
  assert.equal(await admin.createTopics({ topics }), false, 'a second creation is refused')
  await describe()
  await produce(0, FIRST)
  expectAll([...(await consume(READ)), ...(await consume(FIRST - READ))], 0, FIRST)
  await produce(FIRST, SECOND)
}

async function after() {
  await describe()
  expectAll(await consume(SECOND), FIRST, SECOND)
  await checkOffsets()
  const { groups } = await admin.listGroups()
  assert.ok(groups.some((group) => group.groupId === groupId), JSON.stringify(groups))
  const described = await admin.describeGroups([groupId])
  assert.equal(described.groups[0].state, 'Empty')
  await admin.deleteGroups([groupId])
  await admin.createPartitions({ topicPartitions: [{ topic, count: PARTITIONS + 1 }] })
  await admin.deleteTopics({ topics: [topic] })
  const deadline = Date.now() + PATIENCE_MS
  while ((await admin.listTopics()).includes(topic)) assert.ok(Date.now() < deadline, 'a deleted topic is still listed')
}

async function main() {
  await admin.connect()
  await (phase === 'before' ? before() : after())
  await admin.disconnect()
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
