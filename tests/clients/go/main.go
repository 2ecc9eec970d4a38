// franz-go's part of the client tests; tests/clients/main.rs says what each phase must show. The crash tests use
// write and read; spec, show and admin belong to tests/clients/breadth.rs, soak to tests/soak, check,
// watch and audit to tests/checker.
//
// Usage: franz BOOTSTRAP TOPIC before|after|read|write COUNT [SPREAD]|pictures|member|spec|show TOPIC:COUNT...|admin
//
//	franz BOOTSTRAP SEED soak TOPIC:PARTITIONS[:keyed]...
//	franz BOOTSTRAP TOPIC:PARTITIONS check FIRST PRODUCERS CONSUMERS RATE
//	franz BOOTSTRAP TOPIC:PARTITIONS watch CONTROLLER,...
//	franz BOOTSTRAP TOPIC:PARTITIONS audit READER
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sort"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	partitions = 3
	first      = 100 // records of the first batch
	read       = 60  // read before the first commit
	second     = 50  // records of the second batch
)

type session struct {
	context          context.Context
	bootstrap, topic string
	group            string
	client           *kgo.Client
	admin            *kadm.Client
}

func main() {
	if os.Args[3] == "soak" {
		soak(os.Args[1], os.Args[2], parseTargets(os.Args[4:]))
		return
	}
	if os.Args[3] == "watch" {
		watched(os.Args[1], os.Args[4], parseTargets(os.Args[2:3])[0])
		return
	}
	if os.Args[3] == "check" || os.Args[3] == "audit" {
		target := parseTargets(os.Args[2:3])[0]
		var numbers []int
		for _, text := range os.Args[4:] {
			number, err := strconv.Atoi(text)
			check(err)
			numbers = append(numbers, number)
		}
		if os.Args[3] == "audit" {
			audited(os.Args[1], numbers[0], target)
			return
		}
		checked(os.Args[1], numbers[0], numbers[1], numbers[2], numbers[3], target)
		return
	}
	deadline, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	deadline, stop := signal.NotifyContext(deadline, os.Interrupt)
	defer stop()
	client, err := kgo.NewClient(kgo.SeedBrokers(os.Args[1]), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	check(err)
	defer client.Close()
	s := &session{deadline, os.Args[1], os.Args[2], os.Args[2] + "-readers", client, kadm.NewClient(client)}
	switch os.Args[3] {
	case "before":
		s.before()
	case "after":
		s.after()
	case "pictures":
		s.pictures()
	case "member":
		s.member()
	case "read":
		s.read()
	case "spec":
		s.writeSpec()
	case "show":
		s.readAll(os.Args[4:])
	case "admin":
		s.administrate()
	case "write":
		count, err := strconv.Atoi(os.Args[4])
		check(err)
		spread := partitions
		if len(os.Args) > 5 {
			spread, err = strconv.Atoi(os.Args[5])
			check(err)
		}
		s.write(count, spread)
	}
}

func (s *session) before() {
	created, err := s.admin.CreateTopic(s.context, partitions, 1, nil, s.topic)
	check(err)
	check(created.Err)
	again, err := s.admin.CreateTopic(s.context, partitions, 1, nil, s.topic)
	expect(errors.Is(errors.Join(err, again.Err), kerr.TopicAlreadyExists), "a second creation is refused")
	s.describe()
	s.produce(0, first)
	seen := s.consume(read)
	seen = append(seen, s.consume(first-read)...)
	expectAll(seen, 0, first)
	s.produce(first, second)
}

func (s *session) after() {
	s.describe()
	expectAll(s.consume(second), first, second)
	s.offsets()
	groups, err := s.admin.ListGroups(s.context)
	check(err)
	_, listed := groups[s.group]
	expect(listed, "the group is listed")
	described, err := s.admin.DescribeGroups(s.context, s.group)
	check(err)
	expect(described[s.group].State == "Empty", "the group is empty: "+described[s.group].State)
	deleted, err := s.admin.DeleteGroups(s.context, s.group)
	check(err)
	check(deleted[s.group].Err)
	grown, err := s.admin.CreatePartitions(s.context, 1, s.topic)
	check(err)
	check(grown[s.topic].Err)
	gone, err := s.admin.DeleteTopics(s.context, s.topic)
	check(err)
	check(gone[s.topic].Err)
	for listed := true; listed; { // until the deadline of the context
		topics, err := s.admin.ListTopics(s.context)
		check(err)
		listed = topics.Has(s.topic)
	}
}

func (s *session) describe() {
	topics, err := s.admin.ListTopics(s.context, s.topic)
	check(err)
	check(topics[s.topic].Err)
	expect(len(topics[s.topic].Partitions) == partitions, "three partitions")
	expect(topics[s.topic].ID != kadm.TopicID{}, "a topic id")
	configs, err := s.admin.DescribeTopicConfigs(s.context, s.topic)
	check(err)
	expect(len(configs) == 1 && len(configs[0].Configs) > 10, "the topic's configuration")
	fmt.Println("described", s.topic)
}

func (s *session) produce(from, count int) {
	for i := from; i < from+count; i++ {
		s.client.Produce(s.context, &kgo.Record{
			Topic:   s.topic,
			Key:     fmt.Appendf(nil, "key-%d", i%10),
			Value:   fmt.Appendf(nil, "%d", i),
			Headers: []kgo.RecordHeader{{Key: "number", Value: fmt.Appendf(nil, "n%d", i)}},
		}, func(_ *kgo.Record, err error) { check(err) })
	}
	check(s.client.Flush(s.context))
	fmt.Println("produced", count)
}

// Reads exactly count records as the only member of the group, commits behind them and leaves.
func (s *session) consume(count int) []int {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.bootstrap), kgo.ConsumerGroup(s.group), kgo.ConsumeTopics(s.topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	check(err)
	defer client.Close()
	var seen []int
	var records []*kgo.Record
	for len(seen) < count {
		fetches := client.PollRecords(s.context, count-len(seen))
		check(fetches.Err0())
		fetches.EachError(func(_ string, _ int32, err error) { check(err) })
		fetches.EachRecord(func(record *kgo.Record) {
			var number int
			_, err := fmt.Sscan(string(record.Value), &number)
			check(err)
			expect(string(record.Key) == fmt.Sprintf("key-%d", number%10), "the key of the record")
			expect(len(record.Headers) == 1 && string(record.Headers[0].Value) == fmt.Sprintf("n%d", number), "its header")
			seen, records = append(seen, number), append(records, record)
		})
	}
	check(client.CommitRecords(s.context, records...))
	fmt.Println("consumed", count)
	return seen
}

// Every committed offset is the end of its partition.
func (s *session) offsets() {
	ends, err := s.admin.ListEndOffsets(s.context, s.topic)
	check(err)
	committed, err := s.admin.FetchOffsets(s.context, s.group)
	check(err)
	total := int64(0)
	ends.Each(func(end kadm.ListedOffset) {
		check(end.Err)
		offset, _ := committed.Lookup(s.topic, end.Partition)
		expect(offset.At == end.Offset, fmt.Sprintf("partition %d: committed %d of %d", end.Partition, offset.At, end.Offset))
		total += end.Offset
	})
	expect(total == first+second, fmt.Sprintf("%d records in the topic", total))
}

func expectAll(seen []int, from, count int) {
	sort.Ints(seen)
	expect(len(seen) == count, fmt.Sprintf("%d records, not %d", count, len(seen)))
	for i, number := range seen {
		expect(number == from+i, fmt.Sprintf("record %d once, not %d", from+i, number))
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "failed:", err)
		os.Exit(1)
	}
}

func expect(holds bool, what string) {
	if !holds {
		check(errors.New("expected: " + what))
	}
}
