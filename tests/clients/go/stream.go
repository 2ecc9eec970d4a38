package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Bytes around the number of each record, so that batches are worth their name.
var padding = strings.Repeat("x", 200)

// Creates the topic if need be and produces count numbered records to so many of its partitions in turn, with acks=all and an
// idempotent producer that retries without end. Prints "partition offset number" for each acknowledged record.
func (s *session) write(count, spread int) {
	created, err := s.admin.CreateTopic(s.context, partitions, 1, nil, s.topic)
	expect(errors.Join(err, created.Err) == nil || errors.Is(created.Err, kerr.TopicAlreadyExists), "the topic is there")
	producer, err := kgo.NewClient(kgo.SeedBrokers(s.bootstrap), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(500), kgo.ProducerLinger(time.Millisecond),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.UnknownTopicRetries(-1), kgo.RetryTimeout(time.Minute))
	check(err)
	defer producer.Close()
	for number := range count {
		record := &kgo.Record{Topic: s.topic, Partition: int32(number % spread),
			Value: fmt.Appendf(nil, "%d %s", number, padding)}
		producer.Produce(s.context, record, func(record *kgo.Record, err error) {
			check(err)
			fmt.Println(record.Partition, record.Offset, number)
		})
		if number%100 == 0 { // at most 20,000 a second, so that there is a middle to be killed in
			time.Sleep(5 * time.Millisecond)
		}
	}
	check(producer.Flush(s.context))
}

// Prints "partition offset number" for each record of the topic.
func (s *session) read() {
	ends, err := s.admin.ListEndOffsets(s.context, s.topic)
	check(err)
	missing := int64(0)
	for _, end := range ends[s.topic] {
		check(end.Err)
		missing += end.Offset
	}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(s.bootstrap), kgo.ConsumeTopics(s.topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	check(err)
	defer consumer.Close()
	for missing > 0 {
		fetches := consumer.PollFetches(s.context)
		check(fetches.Err0())
		fetches.EachError(func(_ string, _ int32, err error) { check(err) })
		fetches.EachRecord(func(record *kgo.Record) {
			number, _, _ := strings.Cut(string(record.Value), " ")
			fmt.Println(record.Partition, record.Offset, number)
			missing--
		})
	}
}
