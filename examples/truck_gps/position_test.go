package main

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"
)

func TestPositionIsReadBackFromItsJSON(t *testing.T) {
	sent := newFleet(1, rand.New(rand.NewPCG(1, 1)))[0].move(time.Second, time.Unix(1700000000, 0), rand.New(rand.NewPCG(1, 1)))
	value, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	read, err := parsePosition(value)
	if err != nil || read != sent {
		t.Fatalf("read %v (%v), sent %v", read, err, sent)
	}
}

func TestWhatIsNotAPositionIsAnError(t *testing.T) {
	for _, value := range []string{"", "hello", "[]", `{"speed_kmh": "fast"}`} {
		if _, err := parsePosition([]byte(value)); err == nil {
			t.Errorf("%q was read as a position", value)
		}
	}
}

func TestTrucksStayOnTheMapAndHaveIdsOfTheirOwn(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	ids := map[string]bool{}
	for _, truck := range newFleet(50, random) {
		ids[truck.id] = true
		for range 1000 {
			p := truck.move(time.Minute, time.Unix(0, 0), random)
			if p.Latitude < latitudeMin || p.Latitude > latitudeMax || p.Longitude < longitudeMin || p.Longitude > longitudeMax {
				t.Fatalf("off the map: %v", p)
			}
			if p.SpeedKmh < speedMinKmh || p.SpeedKmh > speedMaxKmh {
				t.Fatalf("not a truck's speed: %v", p)
			}
		}
	}
	if len(ids) != 50 {
		t.Fatalf("%d ids for 50 trucks", len(ids))
	}
}
