package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// dashboard shows once a second how the part of the fleet that this member sees moves.
func dashboard(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("dashboard takes no arguments\n%s", usage)
	}
	board := board{trucks: map[string]Position{}}
	return consume(ctx, "dashboard", func(record *kgo.Record) {
		position, err := parsePosition(record.Value)
		if err != nil {
			fmt.Fprintf(os.Stderr, "dashboard: partition=%d offset=%d: %v\n", record.Partition, record.Offset, err)
			return
		}
		board.update(position)
		if line, due := board.line(time.Now()); due {
			fmt.Printf("%s latest %s partition=%d offset=%d\n", line, position, record.Partition, record.Offset)
		}
	})
}

// staleAfter is when a truck goes off the board: it is silent, or another member has its partition now.
const staleAfter = 30 * time.Second

// board holds the last position of each truck.
type board struct {
	trucks  map[string]Position
	records int
	printed time.Time
}

func (b *board) update(position Position) {
	b.trucks[position.Truck] = position
	b.records++
}

// line sums the board up; it is due a second after the first position and once a second from then on.
func (b *board) line(now time.Time) (string, bool) {
	if b.printed.IsZero() {
		b.printed = now
	}
	if now.Sub(b.printed) < time.Second {
		return "", false
	}
	b.printed = now
	var sum float64
	for truck, position := range b.trucks {
		if now.Sub(position.Time) > staleAfter {
			delete(b.trucks, truck)
			continue
		}
		sum += position.SpeedKmh
	}
	average := sum / float64(max(1, len(b.trucks)))
	return fmt.Sprintf("dashboard trucks=%d records=%d average_speed=%.0f", len(b.trucks), b.records, average), true
}
