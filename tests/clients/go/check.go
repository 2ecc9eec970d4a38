package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The lines of tests/checker/history.rs. Those of one client stay in its order; what waits is written every so often.
type history struct {
	mutex  sync.Mutex
	output *bufio.Writer
}

func newHistory() *history {
	h := &history{output: bufio.NewWriterSize(os.Stdout, 1<<16)}
	go func() {
		for range time.Tick(100 * time.Millisecond) {
			h.flush()
		}
	}()
	return h
}

func (h *history) note(format string, values ...any) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	_, err := fmt.Fprintf(h.output, format, values...)
	check(err)
}

func (h *history) flush() {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	check(h.output.Flush())
}

// Writes and reads until it is interrupted, with producers and consumers of the defaults of the library. Everything is
// acknowledged when it ends.
func checked(bootstrap string, first, producers, consumers, rate int, target target) {
	running, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	h := newHistory()
	reading, end := context.WithCancel(context.Background())
	var writers, readers sync.WaitGroup
	for number := range producers {
		writers.Go(func() { h.write(running, bootstrap, first+number, rate, target) })
	}
	for number := range consumers {
		readers.Go(func() { h.read(reading, bootstrap, first+number, target, nil) })
	}
	writers.Wait()
	end()
	readers.Wait()
	h.flush()
}

// Asks every broker who leads, and every controller whether it does, until it is interrupted.
func watched(bootstrap, controllers string, target target) {
	running, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	h := newHistory()
	var watchers sync.WaitGroup
	for index, address := range strings.Split(bootstrap, ",") {
		watchers.Go(func() { h.watch(running, address, index+1, target) })
	}
	for index, address := range strings.Split(controllers, ",") {
		watchers.Go(func() { h.watchQuorum(running, address, index+1) })
	}
	watchers.Wait()
	h.flush()
}

// Notes each answer that differs from the one before; a question is only asked when the last one is answered or given up.
func (h *history) watch(running context.Context, address string, broker int, target target) {
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	check(err)
	defer client.Close()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr(target.name)
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = append(request.Topics, topic)
	told := map[int32][2]int32{}
	for tick := time.Tick(50 * time.Millisecond); running.Err() == nil; <-tick {
		asking, cancel := context.WithTimeout(running, 2*time.Second)
		answer, err := request.RequestWith(asking, client.SeedBrokers()[0])
		cancel()
		if err != nil {
			continue
		}
		for _, topic := range answer.Topics {
			for _, led := range topic.Partitions {
				if is := [2]int32{led.LeaderEpoch, led.Leader}; told[led.Partition] != is {
					told[led.Partition] = is
					h.note("T %d %d %d %d\n", broker, led.Partition, led.LeaderEpoch, led.Leader)
				}
			}
		}
	}
}

// Notes each epoch of the metadata quorum in which the controller says that it leads.
func (h *history) watchQuorum(running context.Context, address string, node int) {
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	check(err)
	defer client.Close()
	partition := kmsg.NewDescribeQuorumRequestTopicPartition()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic, topic.Partitions = "__cluster_metadata", append(topic.Partitions, partition)
	request := kmsg.NewPtrDescribeQuorumRequest()
	request.Topics = append(request.Topics, topic)
	last := int32(-1)
	for tick := time.Tick(20 * time.Millisecond); running.Err() == nil; <-tick {
		asking, cancel := context.WithTimeout(running, time.Second)
		answer, err := request.RequestWith(asking, client.SeedBrokers()[0])
		cancel()
		if err != nil || len(answer.Topics) == 0 || len(answer.Topics[0].Partitions) == 0 {
			continue
		}
		if led := answer.Topics[0].Partitions[0]; led.ErrorCode == 0 && led.LeaderEpoch != last {
			last = led.LeaderEpoch
			h.note("Q %d %d %d\n", node, led.LeaderEpoch, led.LeaderID)
		}
	}
}

// Reads every partition from its start to where it ends now.
func audited(bootstrap string, reader int, target target) {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(bootstrap, ",")...))
	check(err)
	defer client.Close()
	deadline, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	admin := kadm.NewClient(client)
	ends, err := admin.ListEndOffsets(deadline, target.name)
	// A leader that is new does not know at once how far its log is committed.
	for err == nil && errors.Is(ends.Error(), kerr.OffsetNotAvailable) && deadline.Err() == nil {
		ends, err = admin.ListEndOffsets(deadline, target.name)
	}
	check(err)
	check(ends.Error())
	open := map[int32]int64{}
	ends.Each(func(end kadm.ListedOffset) {
		if end.Offset > 0 {
			open[end.Partition] = end.Offset
		}
	})
	expect(len(ends[target.name]) == target.partitions, "the end of every partition")
	h := newHistory()
	h.read(deadline, bootstrap, reader, target, open)
	h.flush()
	check(deadline.Err())
}

// Writes as one producer after the other: one that gave a record up writes no more, and the next has a number of its own.
func (h *history) write(running context.Context, bootstrap string, writer, rate int, target target) {
	for ; running.Err() == nil; writer += 10 {
		h.writeUntilFailure(running, bootstrap, writer, rate, target)
	}
}

func (h *history) writeUntilFailure(running context.Context, bootstrap string, writer, rate int, target target) {
	codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}
	producer, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(bootstrap, ",")...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(codecs[writer%len(codecs)]),
		kgo.UnknownTopicRetries(-1), kgo.StopProducerOnDataLossDetected())
	check(err)
	defer producer.Close()
	random := rand.New(rand.NewSource(int64(writer)))
	var failed atomic.Bool
	number := 0
	// A part of the records of a second at a time.
	for tick := time.Tick(20 * time.Millisecond); running.Err() == nil && !failed.Load(); <-tick {
		for range 1 + random.Intn(1+rate/25) {
			number++
			one, partition := number, int32(random.Intn(target.partitions))
			value := fmt.Appendf(nil, "%d %d %s", writer, one, strings.Repeat("x", random.Intn(200)))
			h.note("S %d %d %d\n", writer, one, partition)
			record := &kgo.Record{Topic: target.name, Partition: partition, Value: value}
			producer.Produce(context.Background(), record, func(record *kgo.Record, err error) {
				if err != nil {
					fmt.Fprintf(os.Stderr, "record %d of writer %d to partition %d: %v\n", one, writer, partition, err)
					h.note("F %d %d %d\n", writer, one, partition)
					failed.Store(true)
					return
				}
				h.note("A %d %d %d %d\n", writer, one, partition, record.Offset)
			})
		}
	}
	check(producer.Flush(context.Background()))
}

// Reads all partitions from their start until the context ends, or each has come to its end.
func (h *history) read(running context.Context, bootstrap string, reader int, target target, open map[int32]int64) {
	offsets := map[int32]kgo.Offset{}
	for partition := range int32(target.partitions) {
		offsets[partition] = kgo.NewOffset().At(0)
		h.note("B %d %d 0\n", reader, partition)
	}
	// A log that ends before the position is told, and not read anew from somewhere else.
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(bootstrap, ",")...), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{target.name: offsets}))
	check(err)
	defer client.Close()
	for running.Err() == nil && (open == nil || len(open) > 0) {
		fetches := client.PollFetches(running)
		fetches.EachError(func(topic string, partition int32, err error) {
			if running.Err() == nil {
				fmt.Fprintf(os.Stderr, "reader %d of %s-%d: %v\n", reader, topic, partition, err)
			}
		})
		fetches.EachRecord(func(record *kgo.Record) {
			writer, number := signature(record.Value)
			session := record.ProducerID<<16 + int64(record.ProducerEpoch)
			h.note("R %d %d %d %d %d %d\n", reader, record.Partition, record.Offset, writer, number, session)
			if record.Offset+1 >= open[record.Partition] {
				delete(open, record.Partition)
			}
		})
	}
}

// Whose record it is; nobody's where a byte of it is wrong.
func signature(value []byte) (writer, number int64) {
	fields := strings.SplitN(string(value), " ", 3)
	if len(fields) != 3 || strings.Trim(fields[2], "x") != "" {
		return 0, 0
	}
	writer, _ = strconv.ParseInt(fields[0], 10, 64)
	number, _ = strconv.ParseInt(fields[1], 10, 64)
	return writer, number
}
