package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/twmb/franz-go/pkg/kgo"
)

// notification tells when a truck goes over the limit, once until it is below again.
func notification(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("notification", flag.ContinueOnError)
	limit := flags.Float64("limit", 100, "speed in km/h above which to tell")
	if err := flags.Parse(args); err != nil {
		return err
	}
	watch := speedWatch{limitKmh: *limit, over: map[string]bool{}}
	return consume(ctx, "notification", func(record *kgo.Record) {
		position, err := parsePosition(record.Value)
		if err != nil {
			fmt.Fprintf(os.Stderr, "notification: partition=%d offset=%d: %v\n", record.Partition, record.Offset, err)
			return
		}
		if watch.tooFast(position) {
			fmt.Printf("notification %s limit=%.0f partition=%d offset=%d\n", position, *limit, record.Partition, record.Offset)
		}
	})
}

// speedWatch remembers which trucks are over the limit.
type speedWatch struct {
	limitKmh float64
	over     map[string]bool
}

// tooFast is true for the first position of a truck that is over the limit.
func (w speedWatch) tooFast(position Position) bool {
	before := w.over[position.Truck]
	w.over[position.Truck] = position.SpeedKmh > w.limitKmh
	return w.over[position.Truck] && !before
}
