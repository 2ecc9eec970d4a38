package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Position is what a truck sends: the value of a record, as JSON. The record's key is the truck's id.
type Position struct {
	Truck     string    `json:"truck"`
	Latitude  float64   `json:"latitude"`
	Longitude float64   `json:"longitude"`
	SpeedKmh  float64   `json:"speed_kmh"`
	Time      time.Time `json:"time"`
}

func (p Position) String() string {
	return fmt.Sprintf("truck=%s at=%.4f,%.4f speed=%.0f", p.Truck, p.Latitude, p.Longitude, p.SpeedKmh)
}

func parsePosition(value []byte) (Position, error) {
	var position Position
	if err := json.Unmarshal(value, &position); err != nil {
		return Position{}, fmt.Errorf("read position: %w", err)
	}
	return position, nil
}

// Truck drives around: move gives its next position.
type Truck struct {
	id                  string
	latitude, longitude float64
	headingRadians      float64
	speedKmh            float64
}

// The fleet stays in a rectangle between the Alps and the Baltic Sea.
const (
	latitudeMin, latitudeMax   = 47.5, 54.0
	longitudeMin, longitudeMax = 7.0, 14.5
	speedMinKmh, speedMaxKmh   = 0, 110
	kilometresPerDegree        = 111
)

func newFleet(size int, random *rand.Rand) []*Truck {
	fleet := make([]*Truck, size)
	for i := range fleet {
		fleet[i] = &Truck{
			id:             fmt.Sprintf("truck-%04d", i+1),
			latitude:       latitudeMin + random.Float64()*(latitudeMax-latitudeMin),
			longitude:      longitudeMin + random.Float64()*(longitudeMax-longitudeMin),
			headingRadians: random.Float64() * 2 * math.Pi,
			speedKmh:       60 + random.Float64()*30,
		}
	}
	return fleet
}

// move drives for the given time, with a little less or more gas and a turn of the wheel.
func (t *Truck) move(elapsed time.Duration, now time.Time, random *rand.Rand) Position {
	t.speedKmh = clamp(t.speedKmh+random.NormFloat64()*4, speedMinKmh, speedMaxKmh)
	t.headingRadians += random.NormFloat64() * 0.2

	degrees := t.speedKmh * elapsed.Hours() / kilometresPerDegree
	t.latitude = clamp(t.latitude+degrees*math.Cos(t.headingRadians), latitudeMin, latitudeMax)
	t.longitude = clamp(t.longitude+degrees*math.Sin(t.headingRadians), longitudeMin, longitudeMax)
	return Position{t.id, t.latitude, t.longitude, t.speedKmh, now.UTC()}
}

func clamp(value, low, high float64) float64 {
	return max(low, min(high, value))
}
