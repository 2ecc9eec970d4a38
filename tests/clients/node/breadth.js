// kafkajs's part of tests/clients/breadth.rs, which says what each command must show. Its codecs beside gzip are plug-ins.
//
// Usage: node breadth.js BOOTSTRAP write < SPEC | read TOPIC:COUNT... | admin TOPIC, with NODE_PATH at the modules
'use strict'

const assert = require('node:assert')
const fs = require('node:fs')
const { Kafka, logLevel, CompressionTypes, CompressionCodecs, Partitioners } = require('kafkajs')
const lz4 = require('lz4-napi')
const { ZstdCodec } = require('zstd-codec')

const PATIENCE_MS = 90_000
// A value of more bytes is told by its length and checksum.
const SHOWN_MAX = 1000
const BYTES_MAX = 20_000_000
const MANY = 1000

const [bootstrap, command, ...args] = process.argv.slice(2)
const kafka = new Kafka({
  clientId: 'client-tests', brokers: [bootstrap], logLevel: logLevel.WARN, requestTimeout: PATIENCE_MS,
})

async function loadCodecs() {
  const zstd = await new Promise((resolve) => ZstdCodec.run((codec) => resolve(new codec.Streaming())))
  const codec = (compress, decompress) => () => ({
    compress: async (encoder) => Buffer.from(await compress(encoder.buffer)),
    decompress: async (buffer) => Buffer.from(await decompress(buffer)),
  })
  CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
  CompressionCodecs[CompressionTypes.LZ4] = codec(lz4.compressFrame, lz4.decompressFrame)
  CompressionCodecs[CompressionTypes.ZSTD] = codec((data) => zstd.compress(data), (data) => zstd.decompress(data))
}

async function write() {
  const codecs = {
    none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy,
    lz4: CompressionTypes.LZ4, zstd: CompressionTypes.ZSTD,
  }
  const producer = kafka.producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  for (const { topic, codec, records } of JSON.parse(fs.readFileSync(0))) {
    const messages = records.map(({ key, value, repeat, headers, timestamp }) => {
      const byName = {}
      for (const [name, text] of headers) byName[name] = name in byName ? [].concat(byName[name], text) : text
      return { key, value: value === null ? null : value.repeat(repeat), headers: byName, timestamp: `${timestamp}` }
    })
    await producer.send({ topic, messages, acks: -1, compression: codecs[codec] })
  }
  await producer.disconnect()
}

const text = (data) => (data === null || data === undefined ? null : data.toString())

function show(topic, { offset, timestamp, key, value, headers }) {
  const long = value !== null && value.length > SHOWN_MAX
  const shown = long ? `#${value.length}:${crc32(value)}` : text(value)
  const pairs = Object.entries(headers ?? {}).flatMap(([name, values]) =>
    (Array.isArray(values) ? values : [values]).map((one) => [name, text(one)]))
  const record = { topic, offset: Number(offset), timestamp: Number(timestamp), key: text(key), value: shown, headers: pairs }
  console.log(JSON.stringify(record))
}

// The checksum of zlib, which this Node does not have as a function.
function crc32(data) {
  const table = Int32Array.from({ length: 256 }, (_, byte) => {
    for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1
    return byte
  })
  let crc = -1
  for (const byte of data) crc = table[(crc ^ byte) & 255] ^ (crc >>> 8)
  return (crc ^ -1) >>> 0
}

async function read() {
  const missing = new Map(args.map((arg) => arg.split(':')).map(([topic, count]) => [topic, Number(count)]))
  const consumer = kafka.consumer({
    groupId: 'kafkajs-reads', maxBytesPerPartition: BYTES_MAX, maxBytes: 2 * BYTES_MAX,
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [...missing.keys()], fromBeginning: true })
  await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`missing ${JSON.stringify([...missing])}`)), PATIENCE_MS).unref()
    consumer.on('consumer.crash', ({ payload }) => reject(payload.error))
    consumer.run({
      autoCommit: false,
      eachMessage: async ({ topic, message }) => {
        show(topic, message)
        missing.set(topic, missing.get(topic) - 1)
        if ([...missing.values()].every((count) => count === 0)) resolve()
      },
    }).catch(reject)
  })
  await consumer.disconnect()
}

async function until(what, holds) {
  const deadline = Date.now() + PATIENCE_MS
  while (!(await holds())) assert.ok(Date.now() < deadline, what)
}

async function admin() {
  const [topic] = args
  const client = kafka.admin()
  await client.connect()
  await many(client, topic)
  await client.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 1 }], waitForLeaders: true })
  await configs(client, topic)
  await groups(client, topic)
  await client.disconnect()
}

async function many(client, topic) {
  const names = Array.from({ length: MANY }, (_, number) => `${topic}-${number}`)
  const topics = names.map((name) => ({ topic: name, numPartitions: 1, replicationFactor: 1 }))
  assert.equal(await client.createTopics({ topics, waitForLeaders: false, timeout: PATIENCE_MS }), true)
  const listed = async () => {
    const all = new Set(await client.listTopics())
    return names.filter((name) => all.has(name)).length
  }
  await until('all of them are listed', async () => (await listed()) === MANY)
  await client.deleteTopics({ topics: names, timeout: PATIENCE_MS })
  await until('deleted topics are still listed', async () => (await listed()) === 0)
}

async function configs(client, topic) {
  const value = async (type, resource, key) => {
    const { resources } = await client.describeConfigs({ resources: [{ type, name: resource }] })
    return resources[0].configEntries.find(({ configName }) => configName === key).configValue
  }
  const [TOPICS, BROKERS] = [2, 4]
  assert.equal(await value(BROKERS, '1', 'node.id'), '1')
  const replace = (configEntries) =>
    client.alterConfigs({ validateOnly: false, resources: [{ type: TOPICS, name: topic, configEntries }] })
  await replace([{ name: 'retention.ms', value: '60000' }])
  await until('retention.ms', async () => (await value(TOPICS, topic, 'retention.ms')) === '60000')
  await replace([])
  await until('the default', async () => (await value(TOPICS, topic, 'retention.ms')) === '604800000')
}

async function groups(client, topic) {
  const groupId = `${topic}-group`
  const committed = async () => (await client.fetchOffsets({ groupId, topics: [topic] }))[0].partitions[0].offset
  await client.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '7' }] })
  assert.equal(await committed(), '7')
  await client.resetOffsets({ groupId, topic, earliest: false })
  assert.equal(await committed(), '-1')
  const listed = async () => (await client.listGroups()).groups.map((group) => group.groupId)
  assert.ok((await listed()).includes(groupId))
  assert.equal((await client.describeGroups([groupId])).groups[0].state, 'Empty')
  await client.deleteGroups([groupId])
  assert.ok(!(await listed()).includes(groupId))
}

loadCodecs().then({ write, read, admin }[command]).then(() => process.exit(0), (error) => {
  console.error(error)
  process.exit(1)
})
