package main

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestOwnershipFollowsTheRebalances(t *testing.T) {
	member := ownership{group: "dashboard", member: "pod-a"}
	steps := []struct {
		do   func(context.Context, map[string][]int32)
		with []int32
		want string
	}{
		{func(c context.Context, p map[string][]int32) { member.assigned(c, nil, p) }, nil, "[]"},
		{func(c context.Context, p map[string][]int32) { member.assigned(c, nil, p) }, []int32{7, 2, 4}, "[2 4 7]"},
		{func(c context.Context, p map[string][]int32) { member.lost(c, nil, p) }, []int32{4}, "[2 7]"},
		{func(c context.Context, p map[string][]int32) { member.assigned(c, nil, p) }, []int32{0}, "[0 2 7]"},
		{func(c context.Context, p map[string][]int32) { member.lost(c, nil, p) }, []int32{0, 2, 7}, "[]"},
	}
	for i, step := range steps {
		step.do(t.Context(), map[string][]int32{topic: step.with})
		want := "owned group=dashboard member=pod-a partitions=" + step.want
		if got := member.String(); got != want {
			t.Fatalf("step %d: %s, want %s", i, got, want)
		}
	}
}

func TestBoardSumsUpOnceASecond(t *testing.T) {
	start := time.Unix(0, 0)
	board := board{trucks: map[string]Position{}, printed: start}
	board.update(Position{Truck: "truck-0001", SpeedKmh: 50, Time: start})
	board.update(Position{Truck: "truck-0002", SpeedKmh: 70, Time: start})
	board.update(Position{Truck: "truck-0001", SpeedKmh: 80, Time: start})
	if line, due := board.line(start.Add(999 * time.Millisecond)); due {
		t.Fatalf("due too early: %s", line)
	}
	line, due := board.line(start.Add(time.Second))
	if want := "dashboard trucks=2 records=3 average_speed=75"; !due || line != want {
		t.Fatalf("%q (due: %v), want %q", line, due, want)
	}
	if _, due := board.line(start.Add(1500 * time.Millisecond)); due {
		t.Fatal("due twice in a second")
	}
}

func TestTheFirstLineIsDueASecondAfterTheFirstPosition(t *testing.T) {
	start := time.Unix(100, 0)
	board := board{trucks: map[string]Position{}}
	board.update(Position{Truck: "truck-0001", SpeedKmh: 50, Time: start})
	if line, due := board.line(start); due {
		t.Fatalf("due too early: %s", line)
	}
	if _, due := board.line(start.Add(time.Second)); !due {
		t.Fatal("not due after a second")
	}
}

func TestSilentTrucksGoOffTheBoard(t *testing.T) {
	start := time.Unix(0, 0)
	board := board{trucks: map[string]Position{}, printed: start}
	board.update(Position{Truck: "truck-0001", SpeedKmh: 50, Time: start})
	board.update(Position{Truck: "truck-0002", SpeedKmh: 70, Time: start.Add(staleAfter)})
	line, _ := board.line(start.Add(staleAfter + time.Second))
	if want := "dashboard trucks=1 records=2 average_speed=70"; line != want {
		t.Fatalf("%q, want %q", line, want)
	}
	line, _ = board.line(start.Add(3 * staleAfter))
	if want := "dashboard trucks=0 records=2 average_speed=0"; line != want {
		t.Fatalf("%q, want %q", line, want)
	}
}

func TestATruckIsReportedOnceUntilItIsSlowAgain(t *testing.T) {
	watch := speedWatch{limitKmh: 100, over: map[string]bool{}}
	var reported []bool
	for _, speed := range []float64{90, 101, 105, 100, 102} {
		reported = append(reported, watch.tooFast(Position{Truck: "truck-0001", SpeedKmh: speed}))
	}
	want := []bool{false, true, false, false, true}
	for i := range want {
		if reported[i] != want[i] {
			t.Fatalf("reported %v, want %v", reported, want)
		}
	}
	if !watch.tooFast(Position{Truck: "truck-0002", SpeedKmh: 120}) {
		t.Fatal("another truck is not reported")
	}
}

func TestTallyTellsTheLastErrorOnce(t *testing.T) {
	var sent tally
	sent.count(nil)
	sent.count(errors.New("no broker"))
	if got, want := sent.String(), `stored=1 failed=1 last_error="no broker"`; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	if got, want := sent.String(), "stored=1 failed=1"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
}

func TestAnUnknownCommandIsAnError(t *testing.T) {
	for _, args := range [][]string{{}, {"drive"}, {"dashboard", "extra"}, {"trucks", "-trucks", "0"}} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%v was accepted", args)
		}
	}
}
