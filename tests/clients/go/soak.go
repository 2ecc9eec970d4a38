package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"math/rand"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A topic of the long run: NAME:PARTITIONS, and ":keyed" where every record must have a key.
type target struct {
	name       string
	partitions int
	keyed      bool
}

var sums = crc64.MakeTable(crc64.ECMA)

// Writes random records to all targets until it is interrupted, with one idempotent producer for each codec, which
// retries without end. A producer has one batch at a time on its way to a partition: of older ones nothing is left in a
// producer snapshot, so that no broker could tell their retries after a kill. Prints "S id topic partition timestamp key tombstone content" before a record is handed over and
// "A id offset" once it is acknowledged. Ids ascend within a producer; key and content are checksums, see
// tests/soak/content.rs. What is printed last is the end of what was sent: everything is acknowledged by then.
func soak(bootstrap, seed string, targets []target) {
	context, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	first, err := strconv.ParseInt(seed, 10, 64)
	check(err)
	codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(),
		kgo.Lz4Compression(), kgo.ZstdCompression()}
	var producers sync.WaitGroup
	for number, codec := range codecs {
		producers.Go(func() {
			random := rand.New(rand.NewSource(first*100 + int64(number)))
			soakWith(context, bootstrap, codec, number, random, targets)
		})
	}
	producers.Wait()
}

func soakWith(running context.Context, bootstrap string, codec kgo.CompressionCodec, number int, random *rand.Rand, targets []target) {
	producer, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(500),
		kgo.ProducerBatchMaxBytes(60_000), kgo.ManualFlushing(), kgo.ProducerBatchCompression(codec),
		kgo.StopProducerOnDataLossDetected(), kgo.UnknownTopicRetries(-1), kgo.RetryTimeout(10*time.Minute))
	check(err)
	defer producer.Close()
	id := int64(number) * 1_000_000_000_000
	for running.Err() == nil {
		large := random.Intn(20) == 0
		for range 1 + random.Intn(30) {
			id++
			one, target := id, targets[random.Intn(len(targets))]
			record := randomRecord(random, id, target, large)
			large = false
			fmt.Println("S", id, record.Topic, record.Partition, record.Timestamp.UnixMilli(), keySum(record.Key),
				record.Value == nil, contentSum(record))
			producer.Produce(context.Background(), record, func(record *kgo.Record, err error) {
				if err != nil {
					check(fmt.Errorf("record %d to %s-%d: %w", one, record.Topic, record.Partition, err))
				}
				fmt.Println("A", one, record.Offset)
			})
		}
		check(producer.Flush(context.Background()))
		time.Sleep(time.Duration(random.Intn(60)) * time.Millisecond)
	}
}

func randomRecord(random *rand.Rand, id int64, target target, large bool) *kgo.Record {
	record := &kgo.Record{Topic: target.name, Partition: int32(random.Intn(target.partitions)),
		Timestamp: time.UnixMilli(time.Now().UnixMilli() - random.Int63n(90_000))}
	if target.keyed {
		record.Key = fmt.Appendf(nil, "key %d", random.Intn(60))
	} else if random.Intn(2) == 0 {
		record.Key = make([]byte, random.Intn(20))
	}
	if random.Intn(100) < 85 {
		length := random.Intn(300)
		if large {
			length = random.Intn(40_000)
		}
		record.Value = fmt.Appendf(nil, "franz %d %s", id, strings.Repeat("x", length))
	} else {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: "id", Value: fmt.Appendf(nil, "%d", id)})
	}
	for range random.Intn(3) {
		header := kgo.RecordHeader{Key: strings.Repeat("h", random.Intn(5))}
		if random.Intn(2) == 0 {
			header.Value = make([]byte, random.Intn(30))
		}
		record.Headers = append(record.Headers, header)
	}
	return record
}

func keySum(key []byte) string {
	if key == nil {
		return "-"
	}
	return strconv.FormatUint(crc64.Checksum(key, sums), 10)
}

// A checksum over lengths and bytes of key, value and headers; the length of null is -1.
func contentSum(record *kgo.Record) uint64 {
	var bytes []byte
	add := func(part []byte) {
		length := int64(len(part))
		if part == nil {
			length = -1
		}
		bytes = append(binary.BigEndian.AppendUint64(bytes, uint64(length)), part...)
	}
	add(record.Key)
	add(record.Value)
	for _, header := range record.Headers {
		add([]byte(header.Key))
		add(header.Value)
	}
	return crc64.Checksum(bytes, sums)
}

func parseTargets(texts []string) []target {
	var targets []target
	for _, text := range texts {
		fields := strings.Split(text, ":")
		partitions, err := strconv.Atoi(fields[1])
		check(err)
		targets = append(targets, target{fields[0], partitions, len(fields) > 2})
	}
	return targets
}
