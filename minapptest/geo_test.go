package minapptest_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// cities is an emulator with real places, and two areas.
func cities(t *testing.T) *emulator {
	t.Helper()
	e := newEmulator(t)
	point := func(name string, lng, lat float64) string {
		return fmt.Sprintf(`{"name":%q,"geo":{"type":"Point","coordinates":[%g,%g]}}`, name, lng, lat)
	}
	e.seed(
		point("guangzhou", 113.2644, 23.1291), point("shenzhen", 114.0579, 22.5431), point("beijing", 116.4074, 39.9042),
		point("fiji", 178.4419, -18.1416), point("samoa", -171.7667, -13.8333), point("pole", 0, 90), point("quito", -78.4678, -0.1807),
		`{"name":"delta","geo":{"type":"Polygon","coordinates":[[[112.5,22],[114.5,22],[114.5,23.5],[112.5,23.5],[112.5,22]]]}}`,
		`{"name":"atoll","geo":{"type":"Polygon","coordinates":[[[0,0],[10,0],[10,10],[0,10],[0,0]],[[4,4],[6,4],[6,6],[4,6],[4,4]]]}}`,
		`{"name":"nowhere"}`, `{"name":"null","geo":null}`,
	)
	return e
}

// Distances are great circles: Guangzhou and Shenzhen are about 104 km apart,
// Guangzhou and Beijing 1,890 km, Fiji and Samoa 1,136 km across the date line.
func TestGeo(t *testing.T) {
	e := cities(t)
	ring := func(lng, lat, least, most float64) string {
		return fmt.Sprintf(`{"geo":{"$nearsphere":{"geometry":{"type":"Point","coordinates":[%g,%g]},"min_distance":%g,"max_distance":%g}}}`, lng, lat, least, most)
	}
	center := func(lng, lat, km float64) string {
		return fmt.Sprintf(`{"geo":{"$center":{"radius":%g,"coordinates":[%g,%g]}}}`, km, lng, lat)
	}
	within := func(rings string) string {
		return `{"geo":{"$within":{"type":"Polygon","coordinates":[` + rings + `]}}}`
	}
	covers := func(lng, lat float64) string {
		return fmt.Sprintf(`{"geo":{"$intersects":{"type":"Point","coordinates":[%g,%g]}}}`, lng, lat)
	}
	for where, want := range map[string][]any{
		center(113.2644, 23.1291, 103):                                      list("guangzhou"),
		center(113.2644, 23.1291, 106):                                      list("guangzhou", "shenzhen"),
		center(113.2644, 23.1291, 1850):                                     list("guangzhou", "shenzhen"),
		center(113.2644, 23.1291, 1950):                                     list("beijing", "guangzhou", "shenzhen"),
		center(178.4419, -18.1416, 1120):                                    list("fiji"),
		center(178.4419, -18.1416, 1160):                                    list("fiji", "samoa"),
		center(90, 89.999, 1):                                               list("pole"),
		center(0, 0, 21000):                                                 list("beijing", "fiji", "guangzhou", "pole", "quito", "samoa", "shenzhen"),
		ring(113.2644, 23.1291, 0, 106_000):                                 list("guangzhou", "shenzhen"),
		ring(113.2644, 23.1291, 1, 106_000):                                 list("shenzhen"),
		ring(113.2644, 23.1291, 0, 0):                                       list("guangzhou"),
		within(`[[113,22],[114.5,22],[114.5,24],[113,24],[113,22]]`):        list("guangzhou", "shenzhen"),
		within(`[[113,24],[114.5,24],[114.5,22],[113,22],[113,24]]`):        list("guangzhou", "shenzhen"), // the other way round
		within(`[[113,22],[113.5,22],[113.5,24],[113,24],[113,22]]`):        list("guangzhou"),
		within(`[[175,-20],[-170,-20],[-170,-10],[175,-10],[175,-20]]`):     list("fiji", "samoa"), // across the date line
		within(`[[-10,80],[110,80],[-130,80],[-10,80]]`):                    list("pole"),
		within(`[[113.2644,23.1291],[120,20],[120,25],[113.2644,23.1291]]`): list("guangzhou"), // a corner
		within(`[[-80,-1],[-78,-1],[-78,1],[-80,1],[-80,-1]],[[-79,-0.5],[-78.1,-0.5],[-78.1,0.5],[-79,0.5],[-79,-0.5]]`): list(), // in the hole
		covers(113.5, 22.8):       list("delta"),
		covers(2, 2):              list("atoll"),
		covers(5, 5):              list(), // in the lagoon
		covers(4, 5):              list("atoll"),
		covers(115, 22.8):         list(),
		covers(-66.5, -22.8):      list(), // opposite of delta
		covers(116.4074, 39.9042): list("beijing"),
		`{"$or":[` + covers(2, 2) + `,` + center(116, 40, 100) + `]}`:           list("atoll", "beijing"),
		`{"$and":[` + center(113.2644, 23.1291, 200) + `,{"name":"shenzhen"}]}`: list("shenzhen"),
		`{"name":{"$center":{"radius":1,"coordinates":[0,0]}}}`:                 list(), // no place at all
		`{"places":{"$center":{"radius":1,"coordinates":[0,0]}}}`:               nil,
	} {
		t.Run(where, func(t *testing.T) {
			r := e.list("where", where, "order_by", "name")
			if want == nil {
				require.Equal(t, 400, r.status)
				return
			}
			require.Equal(t, 200, r.status, r.text)
			require.Equal(t, want, r.column("name"))
		})
	}
}

// A side of a polygon is a great circle: between two places of one latitude it
// runs nearer to the pole than the parallel.
func TestGeoSidesAreGeodesics(t *testing.T) {
	e := newEmulator(t)
	e.seed(`{"name":"north of the parallel","geo":{"type":"Point","coordinates":[45,51]}}`, `{"name":"south","geo":{"type":"Point","coordinates":[45,49]}}`)
	north := `{"geo":{"$within":{"type":"Polygon","coordinates":[[[0,50],[90,50],[90,80],[0,80],[0,50]]]}}}`
	require.Equal(t, list(), e.list("where", north).column("name"))
	south := `{"geo":{"$within":{"type":"Polygon","coordinates":[[[0,0],[90,0],[90,50],[0,50],[0,0]]]}}}`
	require.Equal(t, list("north of the parallel", "south"), e.list("where", south, "order_by", "name").column("name"))
}

// $nearsphere brings an order along, over all pages; order_by replaces it.
func TestGeoNearestFirst(t *testing.T) {
	e := cities(t)
	near := `{"geo":{"$nearsphere":{"geometry":{"type":"Point","coordinates":[114,22.5]},"min_distance":0}}}`
	want := list("shenzhen", "guangzhou", "beijing", "pole", "fiji", "samoa", "quito")
	require.Equal(t, want, e.list("where", near).column("name"))
	require.Equal(t, want[2:4], e.list("where", near, "limit", "2", "offset", "2").column("name"))
	require.Equal(t, "beijing", e.list("where", near, "order_by", "name").column("name")[0])
	inside := `{"$and":[{"name":{"$ne":"shenzhen"}},` + near + `]}`
	require.Equal(t, want[1:], e.list("where", inside).column("name"))
}

func TestGeoRefuses(t *testing.T) {
	e := newEmulator(t)
	for where, text := range map[string]string{
		`{"geo":{"$intersects":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}}}`: "$intersects needs a Point",
		`{"geo":{"$intersects":1}}`:                                                                                    "$intersects needs",
		`{"geo":{"$intersects":{"type":"Point","coordinates":[181,0]}}}`:                                               "$intersects needs",
		`{"geo":{"$within":{"type":"Point","coordinates":[0,0]}}}`:                                                     "$within needs",
		`{"geo":{"$within":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1]]]}}}`:                                   "$within needs",
		`{"geo":{"$within":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,91],[0,0]]]}}}`:                            "$within needs",
		`{"geo":{"$center":{"coordinates":[0,0]}}}`:                                                                    "$center needs",
		`{"geo":{"$center":{"radius":-1,"coordinates":[0,0]}}}`:                                                        "$center needs",
		`{"geo":{"$center":{"radius":"1","coordinates":[0,0]}}}`:                                                       "$center needs",
		`{"geo":{"$nearsphere":{"min_distance":0}}}`:                                                                   "$nearsphere needs",
		`{"geo":{"$nearsphere":{"geometry":{"type":"Point","coordinates":[0,0]},"min_distance":-1}}}`:                  "$nearsphere needs",
		`{"geo":{"$nearsphere":{"geometry":{"type":"Point","coordinates":[0,0]},"min_distance":0,"max_distance":[]}}}`: "$nearsphere needs",
	} {
		t.Run(where, func(t *testing.T) {
			r := e.list("where", where)
			require.Equal(t, 400, r.status)
			require.Contains(t, r.json["error_msg"], text)
		})
	}
}
