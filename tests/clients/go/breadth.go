package main

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	bytesMax = 20_000_000
	shownMax = 1000 // bytes of a value that is told as it is, not by length and checksum
	many     = 1000 // topics created at once
)

// What tests/clients/breadth.rs asks a producer to send.
type batch struct {
	Topic, Codec string
	Records      []struct {
		Key, Value *string
		Repeat     int
		Headers    [][2]*string
		Timestamp  int64
	}
}

// What it wants to hear of each record.
type shown struct {
	Topic     string       `json:"topic"`
	Offset    int64        `json:"offset"`
	Timestamp int64        `json:"timestamp"`
	Key       *string      `json:"key"`
	Value     *string      `json:"value"`
	Headers   [][2]*string `json:"headers"`
}

func data(text *string, repeat int) []byte {
	if text == nil {
		return nil
	}
	return append([]byte{}, strings.Repeat(*text, repeat)...)
}

func text(data []byte) *string {
	if data == nil {
		return nil
	}
	text := string(data)
	return &text
}

// Produces what the standard input says.
func (s *session) writeSpec() {
	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	var batches []batch
	check(json.NewDecoder(os.Stdin).Decode(&batches))
	for _, batch := range batches {
		producer, err := kgo.NewClient(kgo.SeedBrokers(s.bootstrap), kgo.ProducerBatchCompression(codecs[batch.Codec]),
			kgo.ProducerBatchMaxBytes(bytesMax), kgo.ProducerLinger(20*time.Millisecond))
		check(err)
		var records []*kgo.Record
		for _, record := range batch.Records {
			var headers []kgo.RecordHeader
			for _, header := range record.Headers {
				headers = append(headers, kgo.RecordHeader{Key: *header[0], Value: data(header[1], 1)})
			}
			records = append(records, &kgo.Record{Topic: batch.Topic, Key: data(record.Key, 1),
				Value: data(record.Value, record.Repeat), Headers: headers, Timestamp: time.UnixMilli(record.Timestamp)})
		}
		check(producer.ProduceSync(s.context, records...).FirstErr())
		producer.Close()
	}
}

// Shows each record of topics, "NAME:COUNT" each.
func (s *session) readAll(topics []string) {
	offsets, missing := map[string]map[int32]kgo.Offset{}, 0
	for _, topic := range topics {
		name, count, _ := strings.Cut(topic, ":")
		number, err := strconv.Atoi(count)
		check(err)
		missing += number
		offsets[name] = map[int32]kgo.Offset{0: kgo.NewOffset().AtStart()}
	}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(s.bootstrap), kgo.ConsumePartitions(offsets),
		kgo.FetchMaxBytes(bytesMax), kgo.FetchMaxPartitionBytes(bytesMax))
	check(err)
	defer consumer.Close()
	lines := json.NewEncoder(os.Stdout)
	for missing > 0 {
		fetches := consumer.PollFetches(s.context)
		check(fetches.Err0())
		fetches.EachError(func(_ string, _ int32, err error) { check(err) })
		fetches.EachRecord(func(record *kgo.Record) {
			value := text(record.Value)
			if len(record.Value) > shownMax {
				value = text(fmt.Appendf(nil, "#%d:%d", len(record.Value), crc32.ChecksumIEEE(record.Value)))
			}
			headers := [][2]*string{}
			for _, header := range record.Headers {
				headers = append(headers, [2]*string{&header.Key, text(header.Value)})
			}
			check(lines.Encode(shown{record.Topic, record.Offset, record.Timestamp.UnixMilli(), text(record.Key), value, headers}))
			missing--
		})
	}
}

// Everything that an administrator of one broker does.
func (s *session) administrate() {
	s.manyTopics()
	created, err := s.admin.CreateTopic(s.context, 1, 1, nil, s.topic)
	check(err)
	check(created.Err)
	s.configs()
	s.groups()
	directories, err := s.admin.DescribeAllLogDirs(s.context, kadm.TopicsSet{s.topic: {0: {}}})
	check(err)
	found := false
	directories.Each(func(directory kadm.DescribedLogDir) {
		check(directory.Err)
		_, here := directory.Topics.Lookup(s.topic, 0)
		found = found || here
	})
	expect(found, "the partition in a log directory")
}

func (s *session) manyTopics() {
	var names []string
	for number := range many {
		names = append(names, fmt.Sprintf("%s-%d", s.topic, number))
	}
	created, err := s.admin.CreateTopics(s.context, 1, 1, nil, names...)
	check(err)
	check(created.Error())
	listed := func() int {
		topics, err := s.admin.ListTopics(s.context)
		check(err)
		count := 0
		for _, name := range names {
			if topics.Has(name) {
				count++
			}
		}
		return count
	}
	until(s, "all of them listed", func() bool { return listed() == many })
	deleted, err := s.admin.DeleteTopics(s.context, names...)
	check(err)
	check(deleted.Error())
	until(s, "none of them listed", func() bool { return listed() == 0 })
}

func (s *session) configs() {
	value := func(name string) string {
		described, err := s.admin.DescribeTopicConfigs(s.context, s.topic)
		check(err)
		for _, config := range described[0].Configs {
			if config.Key == name {
				return config.MaybeValue()
			}
		}
		return ""
	}
	change := func(op kadm.IncrementalOp, name, value string) {
		altered, err := s.admin.AlterTopicConfigs(s.context, []kadm.AlterConfig{{Op: op, Name: name, Value: &value}}, s.topic)
		check(err)
		check(altered[0].Err)
	}
	change(kadm.SetConfig, "retention.ms", "60000")
	change(kadm.AppendConfig, "cleanup.policy", "compact")
	until(s, "retention.ms", func() bool { return value("retention.ms") == "60000" })
	until(s, "cleanup.policy", func() bool { return value("cleanup.policy") == "delete,compact" })
	change(kadm.SubtractConfig, "cleanup.policy", "compact")
	change(kadm.DeleteConfig, "retention.ms", "")
	until(s, "the default", func() bool { return value("retention.ms") == "604800000" })
	node, err := s.admin.DescribeBrokerConfigs(s.context, 1)
	check(err)
	check(node[0].Err)
	expect(len(node[0].Configs) > 200, "the keys of the broker")
}

func (s *session) groups() {
	for _, offset := range []int64{7, 0} {
		var offsets kadm.Offsets
		offsets.AddOffset(s.topic, 0, offset, -1)
		check(s.admin.CommitAllOffsets(s.context, s.group, offsets))
		committed, err := s.admin.FetchOffsets(s.context, s.group)
		check(err)
		found, _ := committed.Lookup(s.topic, 0)
		expect(found.At == offset, fmt.Sprintf("offset %d, not %d", offset, found.At))
	}
	deleted, err := s.admin.DeleteOffsets(s.context, s.group, kadm.TopicsSet{s.topic: {0: {}}})
	check(err)
	check(deleted.Error())
	committed, err := s.admin.FetchOffsets(s.context, s.group)
	check(err)
	_, there := committed.Lookup(s.topic, 0)
	expect(!there, "no offset any more")
}

func until(s *session, what string, holds func() bool) {
	for !holds() {
		expect(s.context.Err() == nil, what)
	}
}
