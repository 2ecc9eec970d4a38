package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// trucks sends one position per truck and interval, evenly spread over the interval.
func trucks(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("trucks", flag.ContinueOnError)
	count := flags.Int("trucks", 1000, "how many trucks drive")
	every := flags.Duration("every", 5*time.Second, "how often a truck sends its position")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *count < 1 || *every < time.Duration(*count) {
		return errors.New("-trucks and -every must be positive")
	}

	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrapServers()...),
		kgo.ClientID("trucks"),
		kgo.DefaultProduceTopic(topic),
		// Idempotent and acks=all are the defaults: each position is stored once, in order.
		kgo.WithLogger(kgo.BasicLogger(os.Stderr, kgo.LogLevelWarn, nil)),
	)
	if err != nil {
		return err
	}
	defer client.Close()

	drive(ctx, client, *count, *every)

	// What is still in the client's buffer goes out before the process ends.
	flushing, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return client.Flush(flushing)
}

func drive(ctx context.Context, client *kgo.Client, count int, every time.Duration) {
	random := rand.New(rand.NewPCG(1, uint64(count)))
	fleet := newFleet(count, random)
	turn := time.NewTicker(every / time.Duration(count))
	defer turn.Stop()
	report := time.NewTicker(time.Second)
	defer report.Stop()

	var sent tally
	for next := 0; ; {
		select {
		case <-ctx.Done():
			return
		case now := <-turn.C:
			send(client, fleet[next].move(every, now, random), &sent)
			next = (next + 1) % len(fleet)
		case <-report.C:
			fmt.Printf("trucks=%d %s\n", count, &sent)
		}
	}
}

// send hands a position to the client, which batches, retries and reports back later.
func send(client *kgo.Client, position Position, sent *tally) {
	value, err := json.Marshal(position)
	if err != nil {
		sent.count(err)
		return
	}
	record := &kgo.Record{Key: []byte(position.Truck), Value: value, Timestamp: position.Time}
	// A truck does not stop when the brokers are away: once the client's buffer is full, a position is dropped.
	client.TryProduce(context.Background(), record, func(_ *kgo.Record, err error) { sent.count(err) })
}

// tally counts what became of the positions.
type tally struct {
	stored, failed atomic.Int64
	lastError      atomic.Value
}

func (t *tally) count(err error) {
	if err == nil {
		t.stored.Add(1)
		return
	}
	t.failed.Add(1)
	t.lastError.Store(err.Error())
}

func (t *tally) String() string {
	line := fmt.Sprintf("stored=%d failed=%d", t.stored.Load(), t.failed.Load())
	if reason := t.lastError.Swap(""); reason != nil && reason != "" {
		line += fmt.Sprintf(" last_error=%q", reason)
	}
	return line
}
