package minapp_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/geo"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

func mustClient(t *testing.T, s *minapptest.Server) *minapp.Client {
	t.Helper()
	client, err := minapp.NewClient(s.Options()...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// specimen has a column of every type, and the lists that can hold more than
// plain values.
type specimen struct {
	String  string           `json:"string"`
	Integer int64            `json:"integer"`
	Number  float64          `json:"number"`
	Boolean bool             `json:"boolean"`
	Object  map[string]any   `json:"object"`
	Date    time.Time        `json:"date"`
	Point   geo.Point        `json:"point"`
	Polygon geo.Polygon      `json:"polygon"`
	File    minapp.File      `json:"file"`
	Row     minapp.Pointer   `json:"row"`
	User    minapp.Pointer   `json:"user"`
	Days    []time.Time      `json:"days"`
	Places  []geo.Point      `json:"places"`
	Files   []minapp.File    `json:"files"`
	Counts  []int64          `json:"counts"`
	Nobody  minapp.Pointer   `json:"nobody"`
	Nothing minapp.File      `json:"nothing"`
	By      int64            `json:"created_by"`
	At      minapp.Timestamp `json:"created_at"`
	minapp.RowPerm
}

const targetID, userID = "5a2fa9b008443e59e0e67889", 195448780235670

// museum is a service with a table of specimens, one to point at, and a user.
func museum(t *testing.T) (*minapp.Client, minapp.TableID) {
	t.Helper()
	s := minapptest.NewServer(t)
	field := func(name, typ string) minapptest.Field {
		f := minapptest.Field{Name: name, Type: typ}
		if typ == "geojson" {
			f.Format, f.CoordinateType = "default", "wgs84"
		}
		return f
	}
	list := func(name string, items minapptest.Items) minapptest.Field {
		return minapptest.Field{Name: name, Type: "array", Items: &items}
	}
	pointer := func(name string, table json.Number) minapptest.Field {
		return minapptest.Field{Name: name, Type: "reference", SchemaID: table}
	}
	for _, table := range []minapptest.Table{
		{ID: 1, Name: "target", Schema: minapptest.Schema{Fields: []minapptest.Field{field("title", "string")}}, Rows: []json.RawMessage{json.RawMessage(`{"id":"` + targetID + `","title":"it"}`)}},
		{ID: 2, Name: "_userprofile", Schema: minapptest.Schema{Fields: []minapptest.Field{field("nickname", "string")}}, Rows: []json.RawMessage{json.RawMessage(fmt.Sprintf(`{"id":%d,"nickname":"PCG"}`, userID))}},
		{ID: 3, Name: "specimen", Schema: minapptest.Schema{Fields: []minapptest.Field{
			field("string", "string"), field("integer", "integer"), field("number", "number"), field("boolean", "boolean"), field("object", "object"),
			field("date", "date"), field("point", "geojson"), field("polygon", "geojson"), field("file", "file"), pointer("row", "1"), pointer("user", "2"),
			list("days", minapptest.Items{Type: "date"}), list("places", minapptest.Items{Type: "geojson", Format: "default", CoordinateType: "wgs84"}),
			list("files", minapptest.Items{Type: "file"}), list("counts", minapptest.Items{Type: "integer"}), pointer("nobody", "1"), field("nothing", "file"),
		}}},
	} {
		_, err := s.CreateTable(table)
		require.NoError(t, err)
	}
	return mustClient(t, s), 3
}

func newSpecimen() specimen {
	zone := time.FixedZone("", 8*60*60)
	file := minapp.File{ID: "5a2fe93308443e313a428c00", Name: "a.jpg", CreatedAt: 1513089331, MimeType: "image/jpeg", CDNPath: "1eHfj5yVQZzGQnyc.jpg", Size: 4830}
	whole := file
	whole.Path = "https://cloud-minapp-1.cloud.ifanrusercontent.com/1eHfj5yVQZzGQnyc.jpg"
	whole.Extra = map[string]json.RawMessage{"status": json.RawMessage(`"success"`), "categories": json.RawMessage(`[{"id":"5a"}]`)}
	return specimen{
		String: "文本 <&>", Integer: 9007199254740993, Number: 0.1, Boolean: true, Object: map[string]any{"a": "b"},
		Date:    time.Date(2018, 9, 26, 11, 22, 51, 100_000_000, zone),
		Point:   geo.Point{Lng: 113.3, Lat: 23.1},
		Polygon: geo.NewPolygon(geo.Point{Lng: 10, Lat: 10}, geo.Point{Lng: 20, Lat: 10}, geo.Point{Lng: 30, Lat: 20}, geo.Point{Lng: 10, Lat: 10}),
		File:    whole, Row: minapp.Pointer{ID: targetID}, User: minapp.Pointer{ID: strconv.Itoa(userID)},
		Days: []time.Time{time.Date(2018, 12, 12, 11, 48, 4, 0, zone)}, Places: []geo.Point{{Lng: 10.123, Lat: 8.543}},
		Files: []minapp.File{file}, Counts: []int64{9007199254740993, -1}, By: userID, At: 1_500_000_000,
		RowPerm: minapp.RowPerm{ReadPerm: []string{minapp.PermUser(userID), minapp.PermGroup(656)}, WritePerm: []string{}},
	}
}

// assertSame compares what was written with what was read: pointers know their
// table then, and moments are compared as such.
func assertSame(t *testing.T, want, got specimen) {
	t.Helper()
	assert.True(t, want.Date.Equal(got.Date), "%s and %s", want.Date, got.Date)
	require.Len(t, got.Days, len(want.Days))
	assert.True(t, want.Days[0].Equal(got.Days[0]))
	want.Date, want.Days, got.Date, got.Days = time.Time{}, nil, time.Time{}, nil
	for _, p := range []*minapp.Pointer{&want.Row, &want.User, &got.Row, &got.User} {
		*p = minapp.Pointer{ID: p.ID}
	}
	assert.Equal(t, want, got)
}

// What is written is read again, typed and untyped, and what was read can be
// written: no value changes on the way.
func TestValuesRoundTrip(t *testing.T) {
	client, id := museum(t)
	specimens := minapp.TableOf[specimen](client, id)
	want := newSpecimen()

	created, err := specimens.Create(t.Context(), want, minapp.CallStrict())
	require.NoError(t, err)
	assertSame(t, want, created.Value)
	assert.Equal(t, "target", created.Value.Row.Table)
	assert.Equal(t, "_userprofile", created.Value.User.Table)

	t.Run("typed", func(t *testing.T) {
		again, err := specimens.Create(t.Context(), created.Value, minapp.CallStrict())
		require.NoError(t, err)
		assertSame(t, want, again.Value)
	})
	t.Run("as a map", func(t *testing.T) {
		row, err := client.Records.Get(t.Context(), id, created.ID(), minapp.CallExpand("row", "user", "created_by"))
		require.NoError(t, err)
		again, err := client.Records.Create(t.Context(), id, row.Value, minapp.CallStrict())
		require.NoError(t, err)
		typed, err := specimens.Get(t.Context(), again.ID())
		require.NoError(t, err)
		assertSame(t, want, typed.Value)
		assert.Contains(t, row.Value, "id", "the caller's map is not changed")
	})
	t.Run("as bytes, in bulk", func(t *testing.T) {
		raw := minapp.TableOf[json.RawMessage](client, id)
		row, err := raw.Get(t.Context(), created.ID(), minapp.CallExpand("row", "created_by"))
		require.NoError(t, err)
		batch, err := raw.CreateMany(t.Context(), []json.RawMessage{row.Value})
		require.NoError(t, err)
		typed, err := specimens.Get(t.Context(), batch.Outcomes()[0].ID)
		require.NoError(t, err)
		assertSame(t, want, typed.Value)
	})
	t.Run("as a patch", func(t *testing.T) {
		p := patch.Set("row", minapp.Pointer{}).Set("file", want.Files[0]).Set("point", geo.Point{Lng: 1, Lat: 2}).Set("user", created.Value.User)
		updated, err := specimens.Update(t.Context(), created.ID(), p, minapp.CallStrict())
		require.NoError(t, err)
		assert.True(t, updated.Value.Row.IsZero())
		assert.Equal(t, want.Files[0], updated.Value.File)
	})
	t.Run("as a filter", func(t *testing.T) {
		n, err := specimens.Count(t.Context(), where.Eq("user", created.Value.User).And(where.Gt("date", "2018-09-26T03:22:51Z")))
		require.NoError(t, err)
		assert.EqualValues(t, 4, n)
	})
}

func TestPointer(t *testing.T) {
	type title struct{ Title string }
	for name, tt := range map[string]struct {
		text, id, table string
		written         string
		title           string // of the expanded row
	}{
		"null":                   {text: `null`, written: `null`},
		"id":                     {text: `"5a"`, id: "5a", written: `"5a"`},
		"number":                 {text: `195448780235670`, id: "195448780235670", written: `"195448780235670"`},
		"row":                    {text: `{"id":"5a","_table":"t"}`, id: "5a", table: "t", written: `"5a"`},
		"user":                   {text: `{"_table":"_userprofile","id":69147880}`, id: "69147880", table: "_userprofile", written: `"69147880"`},
		"expanded row":           {text: `{"_id":"5a","id":"5a","_table":"t","title":"it"}`, id: "5a", table: "t", written: `"5a"`, title: "it"},
		"expanded and trimmed":   {text: `{"_table":"t","title":"it"}`, table: "t", title: "it"},
		"a pointer in an object": {text: ` {"id": "5a" , "_table": "t"}`, id: "5a", table: "t", written: `"5a"`},
	} {
		t.Run(name, func(t *testing.T) {
			var holder struct{ P minapp.Pointer }
			require.NoError(t, json.Unmarshal([]byte(`{"P":`+tt.text+`}`), &holder))
			p := holder.P
			assert.Equal(t, tt.id, p.ID)
			assert.Equal(t, tt.table, p.Table)
			written, err := json.Marshal(p)
			if tt.written == "" {
				require.ErrorContains(t, err, "no id")
			} else {
				require.NoError(t, err)
				assert.Equal(t, tt.written, string(written))
			}
			row, err := minapp.Expanded[title](p)
			if tt.title == "" {
				require.ErrorIs(t, err, minapp.ErrInvalid)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.title, row.Value.Title)
			assert.Equal(t, tt.id, row.ID())
		})
	}
	for _, text := range []string{`true`, `[]`, `-1`} {
		require.Error(t, json.Unmarshal([]byte(text), new(minapp.Pointer)), text)
	}
	row, err := minapp.Expanded[struct{ Title int }](minapp.Pointer{ID: "5a", Raw: json.RawMessage(`{"id":"5a","title":"it"}`)})
	require.Error(t, err)
	assert.Equal(t, "5a", row.ID(), "the row is there all the same")
}

// The service drops a file column that lacks one of six attributes, so that a
// file without them is not sent.
func TestFileIsCheckedWhenItIsWritten(t *testing.T) {
	whole := minapp.File{ID: "a", Name: "b", CreatedAt: 1, MimeType: "c", CDNPath: "d", Size: 5}
	for attribute, spoil := range map[string]func(*minapp.File){
		"id": func(f *minapp.File) { f.ID = "" }, "name": func(f *minapp.File) { f.Name = "" },
		"created_at": func(f *minapp.File) { f.CreatedAt = 0 }, "mime_type": func(f *minapp.File) { f.MimeType = "" },
		"cdn_path": func(f *minapp.File) { f.CDNPath = "" }, "size": func(f *minapp.File) { f.Size = -1 },
	} {
		file := whole
		spoil(&file)
		_, err := json.Marshal(file)
		require.ErrorContains(t, err, "no valid "+attribute)
		require.ErrorContains(t, patch.Set("photo", file).Err(), attribute)
	}
	assert.JSONEq(t, `{"id":"a","name":"b","created_at":1,"mime_type":"c","cdn_path":"d","size":5}`, string(mustJSON(whole)))
	assert.JSONEq(t, `null`, string(mustJSON(minapp.File{})))
	assert.JSONEq(t, `{}`, string(mustJSON(struct {
		File minapp.File    `json:"file,omitzero"`
		Row  minapp.Pointer `json:"row,omitzero"`
		minapp.RowPerm
	}{})))

	whole.Extra = map[string]json.RawMessage{"status": json.RawMessage(`"success"`), "id": json.RawMessage(`"other"`)}
	assert.JSONEq(t, `{"id":"a","name":"b","created_at":1,"mime_type":"c","cdn_path":"d","size":5,"status":"success"}`, string(mustJSON(whole)))
	assert.Len(t, whole.Extra, 2, "the caller's map is not changed")
}

// The forms of a date that the documents show are read as the moment they are.
func TestDates(t *testing.T) {
	want := time.Date(2018, 9, 26, 3, 22, 51, 100_000_000, time.UTC)
	for _, text := range []string{"2018-09-26T11:22:51.100000+08:00", "2018-09-26T03:22:51.1Z", "2018-09-26T03:22:51.100+00:00"} {
		var row struct{ Date time.Time }
		require.NoError(t, json.Unmarshal([]byte(`{"Date":"`+text+`"}`), &row))
		assert.True(t, want.Equal(row.Date), text)
	}
}

// A dynamic row that holds a row without its id cannot be written: the column
// would be dropped.
func TestExpandedRowWithoutIDIsNotWritten(t *testing.T) {
	client, id := museum(t)
	for _, row := range []minapp.Fields{
		{"row": map[string]any{"_table": "target", "title": "it"}},
		{"created_by": map[string]any{"nickname": "PCG"}},
	} {
		_, err := client.Records.Create(t.Context(), id, row)
		require.ErrorIs(t, err, minapp.ErrInvalid)
		require.ErrorContains(t, err, "without its id")
	}
}

func TestPermissionsAreWords(t *testing.T) {
	assert.Equal(t, []string{"user:anonymous", "user:*", "user:195448780235670", "gid:656"},
		[]string{minapp.PermAnonymous, minapp.PermUsers, minapp.PermUser(userID), minapp.PermGroup(656)})
}

// No text makes reading a value panic, and what was read and can be written is
// read as the same again.
func FuzzValues(f *testing.F) {
	for _, text := range []string{
		``, `null`, `"5a"`, `7`, `{"id":"5a","_table":"t","title":"it"}`, `{"id":{},"_table":[]}`, `{"clientVisible":true}`,
		`{"id":"a","name":"b","created_at":"1","mime_type":"c","cdn_path":"d","size":5,"x":[]}`, `{"user_id":7,"gender":1}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		checkValue[minapp.Pointer](t, text, func(p minapp.Pointer) any { return p.ID })
		checkValue[minapp.File](t, text, func(f minapp.File) any { return string(mustJSON(f)) })
		checkValue[minapp.FieldACL](t, text, func(a minapp.FieldACL) any { return a })
		checkValue[minapp.User](t, text, func(u minapp.User) any { u.Raw = nil; return u })
		var p minapp.Pointer
		if p.UnmarshalJSON([]byte(text)) == nil {
			_, _ = minapp.Expanded[map[string]any](p)
		}
	})
}

func checkValue[V any](t *testing.T, text string, essence func(V) any) {
	t.Helper()
	var first, again V
	if json.Unmarshal([]byte(text), &first) != nil {
		return
	}
	written, err := json.Marshal(first)
	if err != nil {
		return // refused when it is written
	}
	require.NoError(t, json.Unmarshal(written, &again), "%s", written)
	assert.Equal(t, essence(first), essence(again), "%s", written)
}

// listening is a codec that says what it is asked to fill.
type listening struct{ kinds *[]string }

func (listening) Marshal(v any) ([]byte, error) { return json.Marshal(v) }
func (l listening) Unmarshal(data []byte, v any) error {
	*l.kinds = append(*l.kinds, fmt.Sprintf("%T", v))
	return json.Unmarshal(data, v)
}

func TestCodecFillsRowsAndListsOfThem(t *testing.T) {
	var kinds []string
	client, _ := mocked(t, httpmock.NewStringResponder(200, `{"meta":{},"objects":[{"name":"a"},{"name":1}]}`), minapp.WithCodec(listening{&kinds}))
	_, err := minapp.TableOf[article](client, 1).Page(t.Context(), minapp.Query{})
	require.Error(t, err)
	assert.Equal(t, []string{"*[]minapp_test.article", "*minapp_test.article", "*minapp_test.article"}, kinds)
}
