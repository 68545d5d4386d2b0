package main

import (
	"errors"
	"net/http"
	"reflect"
	"testing"

	"github.com/minapp-go/minapp"
)

// odd is a row whose columns the rows below fill.
type odd struct {
	Name  string         `json:"name"`
	Big   int64          `json:"big"`
	Float float64        `json:"float"`
	Any   any            `json:"any"`
	List  []int64        `json:"list"`
	Map   map[string]any `json:"map"`
}

// oddRows are rows that codecs could read in different ways, and what they hold.
// nil is a row that the type cannot hold.
var oddRows = map[string]struct {
	row  string
	want *odd
}{
	"exact integers":    {`{"id":"a","big":9223372036854775807,"list":[-9223372036854775808,9007199254740993]}`, &odd{Big: 1<<63 - 1, List: []int64{-1 << 63, 1<<53 + 1}}},
	"unknown columns":   {`{"id":"a","nobody":{"deep":[1,{"x":"}"}]},"name":"n"}`, &odd{Name: "n"}},
	"a column twice":    {`{"id":"a","name":"first","name":"second"}`, &odd{Name: "second"}},
	"another case":      {`{"id":"a","NAME":"upper","Big":7}`, &odd{Name: "upper", Big: 7}},
	"both cases":        {`{"id":"a","name":"lower","NAME":"upper"}`, &odd{Name: "upper"}},
	"invalid UTF-8":     {"{\"id\":\"a\",\"name\":\"x\xffy\"}", &odd{Name: "x\ufffdy"}},
	"lone surrogate":    {`{"id":"a","name":"\ud800"}`, &odd{Name: "\ufffd"}},
	"null":              {`{"id":"a","name":null,"big":null,"list":null}`, &odd{}},
	"fraction":          {`{"id":"a","float":0.1,"any":1e3}`, &odd{Float: 0.1, Any: 1000.0}},
	"white space":       {"{ \"id\" : \"a\" ,\n\"name\"\t:\"n\" }", &odd{Name: "n"}},
	"escapes":           {`{"id":"a","n\u0061me":"n\/\u00e9\ud83d\ude00"}`, &odd{Name: "n/é😀"}},
	"does not fit":      {`{"id":"a","name":7}`, nil},
	"too large":         {`{"id":"a","big":9223372036854775808}`, nil},
	"fraction in whole": {`{"id":"a","big":1.5}`, nil},
}

// Rows mean the same with a fast codec, as the documentation of WithCodec says.
func TestCodecsReadTheSame(t *testing.T) {
	codecs := map[string][]minapp.Option{"encoding/json": nil, "goccy": {fast()}}
	for name, tt := range oddRows {
		for codec, opts := range codecs {
			body := canned(`{"meta":{"limit":20,"next":null},"objects":[` + tt.row + `]}`)
			opts := append(opts, minapp.WithHTTPClient(&http.Client{Transport: body}))
			table, err := tableOf[odd](&env{base: "http://127.0.0.1", rows: 1}, opts)
			if err != nil {
				t.Fatal(err)
			}
			for r, err := range table.All(t.Context(), minapp.Query{}) {
				if r == nil {
					t.Fatal(err)
				}
				if string(r.Raw) != tt.row || r.ID() != "a" {
					t.Errorf("%s, %s: the row is %s", name, codec, r.Raw)
				}
				var decode *minapp.DecodeError
				switch {
				case tt.want == nil && (!errors.As(err, &decode) || decode.ID != "a"):
					t.Errorf("%s, %s: the error is %v", name, codec, err)
				case tt.want != nil && (err != nil || !reflect.DeepEqual(r.Value, *tt.want)):
					t.Errorf("%s, %s: %+v, %v instead of %+v", name, codec, r.Value, err, *tt.want)
				}
			}
		}
	}
}
