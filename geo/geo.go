// Package geo holds the shapes a geojson column stores and the areas a filter
// searches.
//
// Point and Polygon are column values: they encode as GeoJSON and decode from
// it. Circle and Ring exist only inside filters (package where) and only
// encode.
//
// Coordinates are degrees, longitude before latitude, everywhere in this
// package and on the wire. Distances are kilometres for a Circle and metres
// for a Ring, because that is what their operators take; the field names say
// which.
//
// A shape that makes no sense is reported by Err and refused when it is
// encoded. Decoding checks the form but not the range, so that a row whose
// point was stored wrongly can still be read, and repaired.
//
// Source: cloud-function/node-sdk/schema/data-type.md, js-sdk/schema/geo.md.
package geo

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Point is one place on the map.
//
// Lng is −180..180 and Lat is −90..90, both in degrees. It encodes as
// {"type":"Point","coordinates":[lng,lat]}. Whether the numbers are WGS 84 or
// GCJ-02 is a property of the column; nothing is converted here.
//
// Source: cloud-function/node-sdk/schema/data-type.md.
type Point struct {
	Lng float64 // longitude, degrees, east is positive
	Lat float64 // latitude, degrees, north is positive
}

// Err says what is wrong with the point, or nil.
//
// Longitude and latitude must be numbers within their ranges.
func (p Point) Err() error {
	if err := p.check(); err != nil {
		return fmt.Errorf("geo: point: %w", err)
	}
	return nil
}

func (p Point) check() error {
	if !between(p.Lng, -180, 180) {
		return fmt.Errorf("longitude %v is outside -180..180", p.Lng)
	}
	if !between(p.Lat, -90, 90) {
		return fmt.Errorf("latitude %v is outside -90..90 (longitude comes first)", p.Lat)
	}
	return nil
}

// MarshalJSON encodes the point as GeoJSON.
//
// It fails with the error of Err.
func (p Point) MarshalJSON() ([]byte, error) {
	if err := p.Err(); err != nil {
		return nil, err
	}
	return json.Marshal(geoJSON[position]{Type: "Point", Coordinates: position{p.Lng, p.Lat}})
}

// UnmarshalJSON decodes a GeoJSON point.
//
// The type must be "Point" and there must be exactly two coordinates. Their
// range is left to Err. As usual in encoding/json, null changes nothing.
func (p *Point) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	var in geoJSON[*position]
	if err := decode(data, "Point", &in); err != nil {
		return err
	}
	if in.Coordinates == nil {
		return errors.New("geo: Point without coordinates")
	}
	*p = in.Coordinates.point()
	return nil
}

// Polygon is an area on the map: an outer ring, and holes if there are more.
//
// A ring is closed: at least four points, the last equal to the first. It
// encodes as {"type":"Polygon","coordinates":[[[lng,lat],…],…]}. The sources
// only show polygons of one ring.
//
// Source: cloud-function/node-sdk/schema/data-type.md, js-sdk/schema/geo.md.
type Polygon struct {
	Rings [][]Point // the outer ring first
}

// NewPolygon returns the polygon with one ring through the points.
//
// The points are copied. The ring is not closed for the caller: repeat the
// first point at the end.
func NewPolygon(points ...Point) Polygon {
	return Polygon{Rings: [][]Point{slices.Clone(points)}}
}

// Err says what is wrong with the polygon, or nil.
//
// There must be a ring; each must have four points or more, end where it
// began, and hold only points that are valid themselves. Crossing lines are
// not looked for.
func (g Polygon) Err() error {
	if len(g.Rings) == 0 {
		return errors.New("geo: polygon: no ring")
	}
	for i, ring := range g.Rings {
		if err := checkRing(ring); err != nil {
			return fmt.Errorf("geo: polygon: ring %d: %w", i, err)
		}
	}
	return nil
}

func checkRing(ring []Point) error {
	if len(ring) < 4 {
		return fmt.Errorf("%d points, at least 4 are needed", len(ring))
	}
	for i, p := range ring {
		if err := p.check(); err != nil {
			return fmt.Errorf("point %d: %w", i, err)
		}
	}
	if ring[0] != ring[len(ring)-1] {
		return errors.New("the last point must equal the first")
	}
	return nil
}

// MarshalJSON encodes the polygon as GeoJSON.
//
// It fails with the error of Err.
func (g Polygon) MarshalJSON() ([]byte, error) {
	if err := g.Err(); err != nil {
		return nil, err
	}
	out := geoJSON[[][]position]{Type: "Polygon"}
	for _, ring := range g.Rings {
		positions := make([]position, len(ring))
		for i, p := range ring {
			positions[i] = position{p.Lng, p.Lat}
		}
		out.Coordinates = append(out.Coordinates, positions)
	}
	return json.Marshal(out)
}

// UnmarshalJSON decodes a GeoJSON polygon.
//
// The type must be "Polygon" and each position must have exactly two
// coordinates. Whether rings are closed is left to Err. As usual in
// encoding/json, null changes nothing.
func (g *Polygon) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	var in geoJSON[[][]position]
	if err := decode(data, "Polygon", &in); err != nil {
		return err
	}
	if in.Coordinates == nil {
		return errors.New("geo: Polygon without coordinates")
	}
	rings := make([][]Point, len(in.Coordinates))
	for i, positions := range in.Coordinates {
		rings[i] = make([]Point, len(positions))
		for j, at := range positions {
			rings[i][j] = at.point()
		}
	}
	g.Rings = rings
	return nil
}

// Circle is everything within RadiusKm kilometres of Center.
//
// It is the argument of where.WithinCircle and encodes as
// {"radius":km,"coordinates":[lng,lat]}.
//
// Source: js-sdk/schema/geo.md.
type Circle struct {
	Center   Point
	RadiusKm float64 // kilometres, above 0
}

// Err says what is wrong with the circle, or nil.
//
// The centre must be valid and the radius a number above 0.
func (c Circle) Err() error {
	if err := c.Center.check(); err != nil {
		return fmt.Errorf("geo: circle: center: %w", err)
	}
	if c.RadiusKm == 0 || !between(c.RadiusKm, 0, math.MaxFloat64) {
		return fmt.Errorf("geo: circle: radius %v km is not above 0", c.RadiusKm)
	}
	return nil
}

// MarshalJSON encodes the circle as the operator $center takes it.
//
// It fails with the error of Err.
func (c Circle) MarshalJSON() ([]byte, error) {
	if err := c.Err(); err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Radius      float64  `json:"radius"`
		Coordinates position `json:"coordinates"`
	}{c.RadiusKm, position{c.Center.Lng, c.Center.Lat}})
}

// Ring is everything between MinMeters and MaxMeters metres from Center.
//
// MaxMeters 0 means without an outer limit. It is the argument of
// where.WithinRing and encodes as
// {"geometry":{…},"min_distance":m,"max_distance":m}; min_distance is always
// sent, max_distance only when there is a limit.
//
// Source: js-sdk/schema/geo.md.
type Ring struct {
	Center    Point
	MinMeters float64 // metres, 0 or more
	MaxMeters float64 // metres, 0 for no limit, otherwise at least MinMeters
}

// Err says what is wrong with the ring, or nil.
//
// The centre must be valid, and the distances numbers of 0 or more in
// ascending order.
func (r Ring) Err() error {
	if err := r.Center.check(); err != nil {
		return fmt.Errorf("geo: ring: center: %w", err)
	}
	if !between(r.MinMeters, 0, math.MaxFloat64) {
		return fmt.Errorf("geo: ring: least distance %v m is not 0 or more", r.MinMeters)
	}
	if r.MaxMeters != 0 && !between(r.MaxMeters, r.MinMeters, math.MaxFloat64) {
		return fmt.Errorf("geo: ring: greatest distance %v m is below the least, %v m", r.MaxMeters, r.MinMeters)
	}
	return nil
}

// MarshalJSON encodes the ring as the operator $nearsphere takes it.
//
// It fails with the error of Err.
func (r Ring) MarshalJSON() ([]byte, error) {
	if err := r.Err(); err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Geometry Point   `json:"geometry"`
		Min      float64 `json:"min_distance"`
		Max      float64 `json:"max_distance,omitzero"`
	}{r.Center, r.MinMeters, r.MaxMeters})
}

// between is false for NaN, which no comparison catches the other way round.
func between(v, lo, hi float64) bool { return v >= lo && v <= hi }

type geoJSON[C any] struct {
	Type        string `json:"type"`
	Coordinates C      `json:"coordinates"`
}

func decode[C any](data []byte, want string, into *geoJSON[C]) error {
	// The type first: another type has coordinates of another depth, and the
	// complaint about those would hide the reason.
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("geo: %s: %w", want, err)
	}
	if head.Type != want {
		return fmt.Errorf("geo: type %q, want %q", head.Type, want)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("geo: %s: %w", want, err)
	}
	return nil
}

// position is one [lng, lat] pair.
type position [2]float64

func (at position) point() Point { return Point{Lng: at[0], Lat: at[1]} }

// UnmarshalJSON is stricter than encoding/json, which fills an array that is
// too short, and a null, with zeros: a place in the Gulf of Guinea.
func (at *position) UnmarshalJSON(data []byte) error {
	var in []*float64
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	if len(in) != 2 || in[0] == nil || in[1] == nil {
		return fmt.Errorf("a position is [lng,lat], not %.40s", data)
	}
	*at = position{*in[0], *in[1]}
	return nil
}
