package minapp_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/patch"
)

// dropped is what CallStrict says about a write; nil if it has no complaint.
func dropped(t *testing.T, err error) *minapp.DroppedError {
	t.Helper()
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*minapp.DroppedError](err)
	require.True(t, ok, "%v", err)
	return e
}

// Each value that was sent is compared with the one that came back as the
// service may print it.
func TestStrictCreate(t *testing.T) {
	const file = `{"id":"f1","name":"a","created_at":1,"mime_type":"m","cdn_path":"c","size":1`
	for name, tt := range map[string]struct {
		sent, got        string
		missing, changed []string
	}{
		"nothing dropped":            {sent: `{"a":"x","b":true,"c":[1,"2",null]}`, got: `{"a":"x","b":true,"c":[1,"2",null],"extra":1}`},
		"id is the service's":        {sent: `{"a":1}`, got: `{"id":"other","a":1}`},
		"dropped":                    {sent: `{"b":1,"a":"x","c":[]}`, got: `{"c":[]}`, missing: []string{"a", "b"}},
		"dropped as null":            {sent: `{"a":1}`, got: `{"a":null}`, missing: []string{"a"}},
		"null is missing":            {sent: `{"a":null,"b":null}`, got: `{"b":null}`},
		"null is not a value":        {sent: `{"a":null}`, got: `{"a":0}`, changed: []string{"a"}},
		"a default instead":          {sent: `{"a":"x"}`, got: `{"a":"untitled"}`, changed: []string{"a"}},
		"one number in two forms":    {sent: `{"a":1,"b":1.50,"c":1e2,"d":-0}`, got: `{"a":1.0,"b":1.5,"c":100,"d":0}`},
		"more digits than a double":  {sent: `{"a":0.12345678901234567890}`, got: `{"a":0.12345678901234568}`},
		"an integer that was cut":    {sent: `{"a":9007199254740993}`, got: `{"a":9007199254740992}`, changed: []string{"a"}},
		"an integer cut to a double": {sent: `{"a":9007199254740993}`, got: `{"a":9007199254740992.0}`, changed: []string{"a"}},
		"a number for a text":        {sent: `{"a":"1"}`, got: `{"a":1}`, changed: []string{"a"}},
		"a text for a number":        {sent: `{"a":1}`, got: `{"a":"1"}`, changed: []string{"a"}},
		"a shorter list":             {sent: `{"a":[1,2]}`, got: `{"a":[1]}`, changed: []string{"a"}},
		"a list in another order":    {sent: `{"a":[1,2]}`, got: `{"a":[2,1]}`, changed: []string{"a"}},
		"a boolean":                  {sent: `{"a":true}`, got: `{"a":false}`, changed: []string{"a"}},
		"a date in another zone":     {sent: `{"a":"2018-09-26T03:22:51.1Z"}`, got: `{"a":"2018-09-26T11:22:51.100000+08:00"}`},
		"a date without nanoseconds": {sent: `{"a":"2018-09-26T03:22:51.123456789Z"}`, got: `{"a":"2018-09-26T11:22:51.123000+08:00"}`},
		"another moment":             {sent: `{"a":"2018-09-26T03:22:51Z"}`, got: `{"a":"2018-09-26T03:22:51+08:00"}`, changed: []string{"a"}},
		"a pointer":                  {sent: `{"a":"5a","b":"69147880"}`, got: `{"a":{"id":"5a","_table":"t"},"b":{"id":69147880,"_table":"_userprofile"}}`},
		"another pointer":            {sent: `{"a":"5a"}`, got: `{"a":{"id":"5b","_table":"t"}}`, changed: []string{"a"}},
		"a creator as an object":     {sent: `{"created_by":7}`, got: `{"created_by":{"id":7,"nickname":"x"}}`},
		"another creator":            {sent: `{"created_by":7}`, got: `{"created_by":8}`, changed: []string{"created_by"}},
		"a file with other extras":   {sent: `{"a":` + file + `,"status":"success"}}`, got: `{"a":` + file + `,"path":"https://x"}}`},
		"another file":               {sent: `{"a":` + file + `}}`, got: `{"a":{"id":"f2","cdn_path":"c"}}`, changed: []string{"a"}},
		"an object with additions":   {sent: `{"a":{"b":1}}`, got: `{"a":{"b":1,"c":2}}`},
		"an object with less":        {sent: `{"a":{"b":1,"c":2}}`, got: `{"a":{"b":1}}`, changed: []string{"a"}},
		"an object for a text":       {sent: `{"a":"x"}`, got: `{"a":{"b":1}}`, changed: []string{"a"}},
		"a text for an object":       {sent: `{"a":{"b":1}}`, got: `{"a":"x"}`, changed: []string{"a"}},
		"a shape":                    {sent: `{"a":{"type":"Point","coordinates":[113.30,23.1]}}`, got: `{"a":{"coordinates":[113.3,23.1],"type":"Point"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := mocked(t, httpmock.NewStringResponder(201, tt.got))
			row, err := minapp.TableOf[json.RawMessage](client, 1).Create(t.Context(), json.RawMessage(tt.sent), minapp.CallStrict())
			require.NotNil(t, row, "the row has been written")
			assert.JSONEq(t, tt.got, string(row.Raw))
			e := dropped(t, err)
			if tt.missing == nil && tt.changed == nil {
				assert.Nil(t, e)
				return
			}
			require.NotNil(t, e)
			assert.Equal(t, tt.missing, e.Missing)
			assert.Equal(t, tt.changed, e.Changed)
			require.NotErrorIs(t, err, minapp.ErrOutcomeUnknown)
			require.NotErrorIs(t, err, minapp.ErrInvalid)
		})
	}
}

func TestStrictUpdate(t *testing.T) {
	for name, tt := range map[string]struct {
		patch            patch.Patch
		got              string
		missing, changed []string
	}{
		"plain values":             {patch: patch.Set("a", 1).Set("b", "x"), got: `{"a":1}`, missing: []string{"b"}},
		"unset":                    {patch: patch.Unset("a", "b"), got: `{"b":null}`},
		"not unset":                {patch: patch.Unset("a", "b"), got: `{"a":0}`, changed: []string{"a"}},
		"operators have no value":  {patch: patch.IncrBy("a", 1).Append("b", "x").Merge("c", map[string]int{"d": 1}), got: `{"a":7,"b":[],"c":{}}`},
		"operators leave a column": {patch: patch.IncrBy("a", 1).AppendUnique("b", "x"), got: `{"b":["x"]}`, missing: []string{"a"}},
		"a path":                   {patch: patch.IncrBy("obj.n", 1), got: `{"obj":{"n":1}}`},
		"a path to nothing":        {patch: patch.IncrBy("obj.n", 1), got: `{}`, missing: []string{"obj"}},
		"operators that can empty": {patch: patch.Pop("a").Remove("b", "x").Shift("c"), got: `{}`},
		"an object is no operator": {patch: patch.Set("a", map[string]int{"b": 1}), got: `{"a":{"b":2}}`, changed: []string{"a"}},
		"permissions":              {patch: patch.Set("read_perm", []string{minapp.PermUser(1)}), got: `{"read_perm":["user:*"]}`, changed: []string{"read_perm"}},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := mocked(t, httpmock.NewStringResponder(200, tt.got))
			row, err := client.Records.Update(t.Context(), 1, "5a", tt.patch, minapp.CallStrict())
			require.NotNil(t, row)
			e := dropped(t, err)
			if e == nil {
				e = &minapp.DroppedError{}
			}
			assert.Equal(t, tt.missing, e.Missing)
			assert.Equal(t, tt.changed, e.Changed)
		})
	}
}

// The emulator drops as the service does, and the error tells which row has to
// be looked at.
func TestStrictAgainstTheEmulator(t *testing.T) {
	s, table := emulated(t)
	rows := minapp.TableOf[map[string]any](mustClient(t, s), table.ID())

	row, err := rows.Create(t.Context(), map[string]any{"name": "a", "price": "ten", "nosuch": 1, "tags": []string{"x"}}, minapp.CallStrict())
	e := dropped(t, err)
	require.NotNil(t, e)
	assert.Equal(t, []string{"nosuch", "price"}, e.Missing)
	assert.Equal(t, row.ID(), e.ID)
	assert.Len(t, s.Rows(int64(table.ID())), 1, "the write has happened")
	assert.Equal(t, `records.create: record "`+e.ID+`" was written, but without nosuch, price: the service drops what has no column or does not fit it`, err.Error())

	_, err = rows.Update(t.Context(), row.ID(), patch.Set("price", 9007199254740993).AppendUnique("tags", "y").Set("name", 7), minapp.CallStrict())
	assert.Equal(t, []string{"name"}, dropped(t, err).Changed)

	_, err = rows.Update(t.Context(), row.ID(), patch.Set("price", 1).Unset("tags"), minapp.CallStrict())
	require.NoError(t, err)

	_, err = rows.Create(t.Context(), map[string]any{"price": "ten"}, minapp.CallStrict())
	require.ErrorIs(t, err, minapp.ErrInvalid, "nothing is left to write: refused, not dropped")
}

// A row that was dropped from and does not decode either is told as both.
func TestStrictAndUndecodable(t *testing.T) {
	client, _ := mocked(t, httpmock.NewStringResponder(201, `{"id":"5a","name":7}`))
	_, err := minapp.TableOf[article](client, 1).Create(t.Context(), article{Name: "a", Price: 1}, minapp.CallStrict())
	assert.Equal(t, []string{"price"}, dropped(t, err).Missing)
	decode, ok := errors.AsType[*minapp.DecodeError](err)
	require.True(t, ok)
	assert.Equal(t, "name", decode.Field)
}

// Comparing never fails, and finds nothing in a row that came back as it was
// sent.
func FuzzStrict(f *testing.F) {
	f.Add(`{"a":1,"b":[{"c":"2018-09-26T11:22:51Z"}]}`, `{"a":1.0,"b":[{"c":"2018-09-26T03:22:51+00:00"}]}`)
	f.Add(`{"a":1e999999999}`, `{"a":{"id":null}}`)
	f.Add(`{"a":{"id":{},"cdn_path":[]}}`, `{"a":{"id":{},"cdn_path":[]}}`)
	f.Add(`{"$unset":[],"a":{"$b":1}}`, `{}`)
	f.Fuzz(func(t *testing.T, sent, got string) {
		create := func(answer string) error {
			client, _ := mocked(t, httpmock.NewStringResponder(201, answer))
			_, err := minapp.TableOf[json.RawMessage](client, 1).Create(t.Context(), json.RawMessage(sent), minapp.CallStrict())
			return err
		}
		_ = create(got)
		if strings.Contains(sent, "$") || strings.Contains(sent, `\u`) || strings.Contains(sent, "_table") || strings.Contains(sent, "created_by") {
			return // operators, and what is written in another form than it is read
		}
		if err := create(sent); !errors.Is(err, minapp.ErrInvalid) { // not an object
			assert.NoError(t, err)
		}
	})
}

func TestDifferencesAreTheColumnsToWrite(t *testing.T) {
	read := json.RawMessage(`{"id":"5a","name":"a","price":1.0,"at":"2020-01-01T08:00:00+08:00","tags":["x"],"gone":null}`)
	tests := map[string][]string{
		`{"name":"a","price":1,"at":"2020-01-01T00:00:00Z"}`: nil,
		`{"name":"b","tags":["x","y"],"price":1}`:            {"name", "tags"},
		`{"at":"2020-01-01T08:00:00.0001+0800"}`:             nil,
		`{"new":1,"gone":null,"id":"other"}`:                 {"new"},
		`{}`:                                                 nil,
	}
	for write, want := range tests {
		assert.Equal(t, want, minapp.Differences(json.RawMessage(write), read), write)
	}
}
