package geo_test

import (
	"encoding/json"
	"fmt"

	"github.com/minapp-go/minapp/geo"
)

func ExamplePoint() {
	canton := geo.Point{Lng: 113.3, Lat: 23.1}
	data, err := json.Marshal(canton)
	fmt.Println(string(data), err)

	swapped := geo.Point{Lng: 23.1, Lat: 113.3}
	fmt.Println(swapped.Err())
	// Output:
	// {"type":"Point","coordinates":[113.3,23.1]} <nil>
	// geo: point: latitude 113.3 is outside -90..90 (longitude comes first)
}

func ExamplePoint_UnmarshalJSON() {
	var row struct {
		Place geo.Point `json:"place"`
	}
	err := json.Unmarshal([]byte(`{"place":{"type":"Point","coordinates":[113.3,23.1]}}`), &row)
	fmt.Println(row.Place.Lng, row.Place.Lat, err)
	// Output: 113.3 23.1 <nil>
}

func ExampleNewPolygon() {
	area := geo.NewPolygon(
		geo.Point{Lng: 10, Lat: 10},
		geo.Point{Lng: 20, Lat: 10},
		geo.Point{Lng: 30, Lat: 20},
		geo.Point{Lng: 10, Lat: 10}, // closes the ring
	)
	data, err := json.Marshal(area)
	fmt.Println(string(data), err)
	// Output: {"type":"Polygon","coordinates":[[[10,10],[20,10],[30,20],[10,10]]]} <nil>
}

func ExampleCircle() {
	data, err := json.Marshal(geo.Circle{Center: geo.Point{Lng: 113.3, Lat: 23.1}, RadiusKm: 2})
	fmt.Println(string(data), err)
	// Output: {"radius":2,"coordinates":[113.3,23.1]} <nil>
}

func ExampleRing() {
	data, err := json.Marshal(geo.Ring{Center: geo.Point{Lng: 113.3, Lat: 23.1}, MaxMeters: 500})
	fmt.Println(string(data), err)
	// Output: {"geometry":{"type":"Point","coordinates":[113.3,23.1]},"min_distance":0,"max_distance":500} <nil>
}
