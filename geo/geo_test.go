package geo

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func triangle() Polygon {
	return NewPolygon(Point{10, 10}, Point{20, 10}, Point{30, 20}, Point{10, 10})
}

func TestWireForms(t *testing.T) {
	center := Point{Lng: 113.3, Lat: 23.1}
	for _, tc := range []struct {
		name  string
		value json.Marshaler
		want  string
	}{
		{"point", center, `{"type":"Point","coordinates":[113.3,23.1]}`},
		{"zero point", Point{}, `{"type":"Point","coordinates":[0,0]}`},
		{"corners", Point{Lng: -180, Lat: 90}, `{"type":"Point","coordinates":[-180,90]}`},
		{"polygon", triangle(), `{"type":"Polygon","coordinates":[[[10,10],[20,10],[30,20],[10,10]]]}`},
		{"circle", Circle{Center: center, RadiusKm: 2}, `{"radius":2,"coordinates":[113.3,23.1]}`},
		{"ring", Ring{Center: center, MaxMeters: 500}, `{"geometry":{"type":"Point","coordinates":[113.3,23.1]},"min_distance":0,"max_distance":500}`},
		{"ring without limit", Ring{Center: center, MinMeters: 1.5}, `{"geometry":{"type":"Point","coordinates":[113.3,23.1]},"min_distance":1.5}`},
		{"ring of no width", Ring{Center: center, MinMeters: 5, MaxMeters: 5}, `{"geometry":{"type":"Point","coordinates":[113.3,23.1]},"min_distance":5,"max_distance":5}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tc.value.MarshalJSON()
			require.NoError(t, err)
			assert.Equal(t, tc.want, string(got))
		})
	}
}

func TestMistakes(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	ok := Point{}
	for _, tc := range []struct {
		name  string
		value interface {
			json.Marshaler
			Err() error
		}
		says string
	}{
		{"longitude", Point{Lng: 180.1}, "longitude 180.1 is outside"},
		{"latitude", Point{Lat: -90.1}, "latitude -90.1 is outside"},
		{"swapped", Point{Lng: 23.1, Lat: 113.3}, "longitude comes first"},
		{"NaN longitude", Point{Lng: nan}, "longitude NaN"},
		{"NaN latitude", Point{Lat: nan}, "latitude NaN"},
		{"infinite", Point{Lng: inf}, "longitude +Inf"},
		{"zero polygon", Polygon{}, "no ring"},
		{"polygon of nothing", NewPolygon(), "ring 0: 0 points"},
		{"three points", NewPolygon(ok, Point{1, 1}, ok), "3 points, at least 4"},
		{"open polygon", NewPolygon(ok, Point{1, 0}, Point{1, 1}, Point{0, 1}), "last point must equal the first"},
		{"bad corner", NewPolygon(ok, Point{1, 91}, Point{1, 1}, ok), "point 1: latitude 91"},
		{"NaN corner", NewPolygon(Point{nan, 0}, ok, ok, Point{nan, 0}), "point 0: longitude NaN"},
		{"bad hole", Polygon{Rings: [][]Point{triangle().Rings[0], {ok}}}, "ring 1: 1 points"},
		{"circle off the map", Circle{Center: Point{Lng: 181}, RadiusKm: 1}, "circle: center: longitude 181"},
		{"no radius", Circle{}, "radius 0 km"},
		{"negative radius", Circle{RadiusKm: -1}, "radius -1 km"},
		{"NaN radius", Circle{RadiusKm: nan}, "radius NaN km"},
		{"infinite radius", Circle{RadiusKm: inf}, "radius +Inf km"},
		{"ring off the map", Ring{Center: Point{Lat: 91}}, "ring: center: latitude 91"},
		{"negative minimum", Ring{MinMeters: -1}, "least distance -1 m"},
		{"NaN minimum", Ring{MinMeters: nan}, "least distance NaN m"},
		{"maximum below minimum", Ring{MinMeters: 2, MaxMeters: 1}, "greatest distance 1 m"},
		{"NaN maximum", Ring{MaxMeters: nan}, "greatest distance NaN m"},
		{"infinite maximum", Ring{MaxMeters: inf}, "greatest distance +Inf m"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.ErrorContains(t, tc.value.Err(), tc.says)
			_, err := tc.value.MarshalJSON()
			assert.EqualError(t, err, tc.value.Err().Error())
		})
	}
}

func TestNewPolygonCopies(t *testing.T) {
	points := triangle().Rings[0]
	polygon := NewPolygon(points...)
	points[0] = Point{Lng: 1}
	assert.NoError(t, polygon.Err())
}

func TestRoundTrip(t *testing.T) {
	type row struct {
		At   Point    `json:"at"`
		Area Polygon  `json:"area"`
		None *Polygon `json:"none"`
	}
	in := row{At: Point{Lng: 113.30000000000001, Lat: -0.1}, Area: triangle()}
	in.Area.Rings = append(in.Area.Rings, NewPolygon(Point{11, 11}, Point{12, 11}, Point{12, 12}, Point{11, 11}).Rings...)
	data, err := json.Marshal(in)
	require.NoError(t, err)
	var out row
	require.NoError(t, json.Unmarshal(data, &out))
	assert.Equal(t, in, out)
}

func TestDecodeIgnoresExtrasAndNull(t *testing.T) {
	point := Point{Lng: 1, Lat: 2}
	require.NoError(t, json.Unmarshal([]byte(`null`), &point))
	assert.Equal(t, Point{Lng: 1, Lat: 2}, point)
	require.NoError(t, json.Unmarshal([]byte(`{"crs":{},"coordinates":[3,4],"type":"Point"}`), &point))
	assert.Equal(t, Point{Lng: 3, Lat: 4}, point)

	polygon := triangle()
	require.NoError(t, json.Unmarshal([]byte(`null`), &polygon))
	assert.Equal(t, triangle(), polygon)
}

func TestDecodeLeavesTheRangeToErr(t *testing.T) {
	var point Point
	require.NoError(t, json.Unmarshal([]byte(`{"type":"Point","coordinates":[23.1,113.3]}`), &point))
	assert.Equal(t, Point{Lng: 23.1, Lat: 113.3}, point)
	assert.Error(t, point.Err())

	var polygon Polygon
	require.NoError(t, json.Unmarshal([]byte(`{"type":"Polygon","coordinates":[]}`), &polygon))
	assert.Error(t, polygon.Err())
}

func TestDecodeRefusals(t *testing.T) {
	for _, tc := range []struct {
		name string
		into json.Unmarshaler
		data string
		says string
	}{
		{"polygon as point", new(Point), `{"type":"Polygon","coordinates":[[[1,2]]]}`, `type "Polygon", want "Point"`},
		{"point as polygon", new(Polygon), `{"type":"Point","coordinates":[1,2]}`, `type "Point", want "Polygon"`},
		{"no type", new(Point), `{"coordinates":[1,2]}`, `type "", want "Point"`},
		{"bare pair", new(Point), `[1,2]`, "cannot unmarshal array"},
		{"no coordinates", new(Point), `{"type":"Point"}`, "without coordinates"},
		{"null coordinates", new(Point), `{"type":"Point","coordinates":null}`, "without coordinates"},
		{"one coordinate", new(Point), `{"type":"Point","coordinates":[1]}`, "[lng,lat], not [1]"},
		{"altitude", new(Point), `{"type":"Point","coordinates":[1,2,3]}`, "[lng,lat], not [1,2,3]"},
		{"null longitude", new(Point), `{"type":"Point","coordinates":[null,2]}`, "[lng,lat], not [null,2]"},
		{"text", new(Point), `{"type":"Point","coordinates":["1","2"]}`, "cannot unmarshal string"},
		{"too large", new(Point), `{"type":"Point","coordinates":[1e999,2]}`, "cannot unmarshal number"},
		{"NaN", new(Point), `{"type":"Point","coordinates":[NaN,2]}`, "invalid character"},
		{"cut", new(Point), `{"type":"Point"`, "unexpected end"},
		{"polygon without coordinates", new(Polygon), `{"type":"Polygon"}`, "without coordinates"},
		{"null position", new(Polygon), `{"type":"Polygon","coordinates":[[null]]}`, "[lng,lat], not null"},
		{"flat ring", new(Polygon), `{"type":"Polygon","coordinates":[[1,2]]}`, "cannot unmarshal number"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			assert.ErrorContains(t, tc.into.UnmarshalJSON([]byte(tc.data)), tc.says)
		})
	}
}

// FuzzDecode checks that what decodes and is valid survives a round trip, and
// that what is invalid is refused on the way out.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"type":"Point","coordinates":[113.3,23.1]}`))
	f.Add([]byte(`{"type":"Polygon","coordinates":[[[10,10],[20,10],[30,20],[10,10]]]}`))
	f.Add([]byte(`{"type":"Point","coordinates":[1e-320,-0.0]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var point, point2 Point
		if json.Unmarshal(data, &point) == nil {
			again(t, point, &point2, point.Err())
			if point.Err() == nil {
				assert.Equal(t, point, point2)
			}
		}
		var polygon, polygon2 Polygon
		if json.Unmarshal(data, &polygon) == nil {
			again(t, polygon, &polygon2, polygon.Err())
			if polygon.Err() == nil {
				assert.Equal(t, polygon, polygon2)
			}
		}
	})
}

func again(t *testing.T, in, out any, mistake error) {
	t.Helper()
	data, err := json.Marshal(in)
	if mistake != nil {
		require.Error(t, err)
		return
	}
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, out))
}
