package minapptest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
)

// The geographic operators, on a globe: distances are great circles and the
// sides of a polygon are geodesics. inferred: that the service calculates like
// the geographic index of its document store, whose radius of the earth this
// is, and that a polygon is the side of its ring that is smaller than half the
// globe. Coordinates are taken as they are, wgs84 or gcj02.

const (
	earthKm = 6378.1
	// sameAngle is how close to a side, in radians, a place counts as on it: a
	// few millimetres. inferred: that the edge belongs to the area.
	sameAngle = 1e-9
)

// compileGeo compiles an operator on a geojson column. inferred: columns of
// another type, and shapes the operator is not made for, do not match.
func compileGeo(op string, v any) (test, *failure) {
	var match func(shape map[string]any) bool
	switch o, _ := v.(map[string]any); op {
	case "$intersects":
		at, ok := pointOf(v)
		if !ok {
			return nil, badRequest("$intersects needs a Point")
		}
		match = func(shape map[string]any) bool { return covers(shape, at) }
	case "$within":
		area, ok := polygonOf(v)
		if !ok {
			return nil, badRequest("$within needs a Polygon whose rings are closed")
		}
		match = func(shape map[string]any) bool {
			at, ok := pointOf(shape)
			return ok && area.contains(at)
		}
	case "$center":
		at, ok := placeOf(o["coordinates"])
		radius, isNumber := distance(o["radius"], math.NaN())
		if !ok || !isNumber {
			return nil, badRequest("$center needs radius and coordinates")
		}
		match = between(at, 0, radius)
	default:
		at, ok := pointOf(o["geometry"])
		least, okLeast := distance(o["min_distance"], 0)
		most, okMost := distance(o["max_distance"], math.Inf(1))
		if !ok || !okLeast || !okMost {
			return nil, badRequest("$nearsphere needs geometry, min_distance and max_distance")
		}
		match = between(at, least/1000, most/1000) // metres
	}
	return func(v any, _ bool) bool {
		shape, ok := v.(map[string]any)
		return ok && match(shape)
	}, nil
}

// between is the test of a ring around a place, in kilometres.
func between(center place, least, most float64) func(shape map[string]any) bool {
	return func(shape map[string]any) bool {
		at, ok := pointOf(shape)
		if !ok {
			return false
		}
		km := center.angle(at) * earthKm
		return least <= km && km <= most
	}
}

// distance reads a number that is not negative; missing and null are the
// default.
func distance(v any, otherwise float64) (float64, bool) {
	if v == nil {
		return otherwise, !math.IsNaN(otherwise)
	}
	n, _ := v.(json.Number)
	f, err := n.Float64()
	return f, err == nil && f >= 0
}

func covers(shape map[string]any, at place) bool {
	if area, ok := polygonOf(shape); ok {
		return area.contains(at)
	}
	point, ok := pointOf(shape)
	return ok && point.angle(at) < sameAngle
}

// nearest orders rows by their distance from a place, as $nearsphere does.
type nearest struct {
	column string
	center place
}

// nearestOf is the order that the argument of a valid $nearsphere asks for.
func nearestOf(column string, v any) *nearest {
	o, _ := v.(map[string]any)
	center, _ := pointOf(o["geometry"])
	return &nearest{column, center}
}

// ordering is the order by itself; its text is the key of the cache.
func (n *nearest) ordering() ordering {
	return ordering{text: fmt.Sprintf("$nearsphere %s %v", n.column, n.center), near: n}
}

func (n *nearest) compare(a, b *row) int { return cmp.Compare(n.angle(a), n.angle(b)) }

func (n *nearest) angle(r *row) float64 {
	v, _ := r.get(n.column)
	at, ok := pointOf(v)
	if !ok {
		return math.Inf(1)
	}
	return n.center.angle(at)
}

// place is a point of the unit sphere.
type place [3]float64

// pointOf reads a GeoJSON point.
func pointOf(v any) (place, bool) {
	o, _ := v.(map[string]any)
	if o["type"] != "Point" {
		return place{}, false
	}
	return placeOf(o["coordinates"])
}

// placeOf reads [longitude, latitude] in degrees.
func placeOf(v any) (place, bool) {
	list, _ := v.([]any)
	if !validPoint(list) {
		return place{}, false
	}
	lng, errLng := list[0].(json.Number).Float64()
	lat, errLat := list[1].(json.Number).Float64()
	if errLng != nil || errLat != nil || math.Abs(lng) > 180 || math.Abs(lat) > 90 {
		return place{}, false
	}
	sinLng, cosLng := math.Sincos(lng * math.Pi / 180)
	sinLat, cosLat := math.Sincos(lat * math.Pi / 180)
	return place{cosLat * cosLng, cosLat * sinLng, sinLat}, true
}

func (p place) dot(q place) float64 { return p[0]*q[0] + p[1]*q[1] + p[2]*q[2] }

func (p place) cross(q place) place {
	return place{p[1]*q[2] - p[2]*q[1], p[2]*q[0] - p[0]*q[2], p[0]*q[1] - p[1]*q[0]}
}

func (p place) length() float64 { return math.Sqrt(p.dot(p)) }

// angle is the distance in radians; this form is exact for small ones, too.
func (p place) angle(q place) float64 { return math.Atan2(p.cross(q).length(), p.dot(q)) }

// tangent is the direction from p towards q.
func (p place) tangent(q place) place {
	d := p.dot(q)
	return place{q[0] - d*p[0], q[1] - d*p[1], q[2] - d*p[2]}
}

// polygon is an outer ring and holes; the last place of each is the first.
type polygon [][]place

// polygonOf reads a GeoJSON polygon.
func polygonOf(v any) (polygon, bool) {
	o, _ := v.(map[string]any)
	if o["type"] != "Polygon" || !validGeo(o) {
		return nil, false
	}
	var area polygon
	for _, positions := range o["coordinates"].([]any) {
		var ring []place
		for _, position := range positions.([]any) {
			at, ok := placeOf(position)
			if !ok {
				return nil, false
			}
			ring = append(ring, at)
		}
		area = append(area, ring)
	}
	return area, true
}

func (g polygon) contains(p place) bool {
	for i, ring := range g {
		if onEdge(ring, p) {
			return true
		}
		if hole := i > 0; encloses(ring, p) == hole {
			return false
		}
	}
	return true
}

// encloses tells whether the ring winds around p: seen from p, its places then
// make a full turn. They also do so around the point opposite of p, which is
// not on the ring's half of the globe.
func encloses(ring []place, p place) bool {
	var middle place
	turn := 0.0
	for i := 1; i < len(ring); i++ {
		for axis := range middle {
			middle[axis] += ring[i][axis]
		}
		a, b := p.tangent(ring[i-1]), p.tangent(ring[i])
		turn += math.Atan2(p.dot(a.cross(b)), a.dot(b))
	}
	return math.Abs(turn) > math.Pi && middle.dot(p) > 0
}

func onEdge(ring []place, p place) bool {
	for i := 1; i < len(ring); i++ {
		a, b := ring[i-1], ring[i]
		if p.angle(a) < sameAngle {
			return true
		}
		pole := a.cross(b)
		length := pole.length()
		if length > 0 && math.Abs(p.dot(pole))/length < sameAngle && pole.cross(a).dot(p) > 0 && b.cross(pole).dot(p) > 0 {
			return true
		}
	}
	return false
}
