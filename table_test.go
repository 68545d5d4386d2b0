package minapp_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
)

// What the service documents about tables is checked before anything is sent,
// and so is what only one surface has.
func TestBadTablesAreRefusedBeforeAnythingIsSent(t *testing.T) {
	client, transport := mocked(t, httpmock.NewStringResponder(200, `{}`))
	session, err := client.With(minapp.WithSession(&http.Cookie{Name: "session", Value: "x"}))
	require.NoError(t, err)
	ctx := t.Context()
	create := func(fields ...minapp.Field) error {
		_, err := client.Tables.Create(ctx, spec(fields...))
		return err
	}
	update := func(u minapp.TableUpdate) error {
		_, err := client.Tables.Update(ctx, 1, u)
		return err
	}
	index := func(fields ...string) error {
		_, err := client.Tables.CreateIndex(ctx, 1, fields)
		return err
	}
	second := func(_ any, err error) error { return err }
	pointers := make([]minapp.Field, 4)
	for i := range pointers {
		pointers[i] = minapp.Field{Name: "p" + name(i), Type: minapp.TypePointer, SchemaID: 1}
	}
	array := func(items minapp.ItemType) error {
		return create(minapp.Field{Name: "a", Type: minapp.TypeArray, Items: &items})
	}
	for name, tt := range map[string]struct {
		err  error
		says string
	}{
		"table without a name":           {second(client.Tables.Create(ctx, minapp.TableSpec{})), "TableSpec.Name is empty"},
		"built-in column":                {create(minapp.Field{Name: "created_at", Type: minapp.TypeInteger}), `TableSpec.Fields[0]: column "created_at" is built in`},
		"four pointers":                  {create(pointers...), "TableSpec.Fields has 4 pointers, at most 3"},
		"column name of 33 characters":   {create(minapp.Field{Name: strings.Repeat("a", 33), Type: "string"}), "at most 32"},
		"column name with a _ first":     {create(minapp.Field{Name: "_a", Type: "string"}), "begin with a letter"},
		"array of arrays":                {array(minapp.ItemType{Type: minapp.TypeArray}), `Items of type "array"`},
		"array of pointers":              {array(minapp.ItemType{Type: minapp.TypePointer}), `Items of type "reference"`},
		"array of nothing":               {array(minapp.ItemType{}), "needs Items with a Type"},
		"array of shapes without system": {array(minapp.ItemType{Type: minapp.TypeGeoJSON}), "needs Format and CoordinateType"},
		"another format of shapes":       {create(minapp.Field{Name: "a", Type: minapp.TypeGeoJSON, Format: "topojson", CoordinateType: "wgs84"}), `Format "topojson"`},
		"another coordinate system":      {create(minapp.Field{Name: "a", Type: minapp.TypeGeoJSON, Format: "default", CoordinateType: "bd09"}), `CoordinateType "bd09"`},
		"update of nothing":              {update(minapp.TableUpdate{}), "changes nothing"},
		"update to a bad name":           {update(minapp.TableUpdate{Name: "a-b"}), `TableUpdate.Name "a-b"`},
		"update to a bad column":         {update(minapp.TableUpdate{Fields: spec(minapp.Field{Name: "a"}).Fields}), "TableUpdate.Fields[0]"},
		"update of table 0":              {second(client.Tables.Update(ctx, 0, minapp.TableUpdate{Name: "a"})), "table id is 0"},
		"index without columns":          {index(), "no fields"},
		"index over a blank column":      {index("a", " "), "fields[1]"},
		"indexes of table 0":             {second(client.Tables.Indexes(ctx, 0)), "table id is 0"},
		"index without a name":           {client.Tables.DeleteIndex(ctx, 1, ""), "index is blank"},
		"indexes of a session":           {second(session.Tables.Indexes(ctx, 1)), "need a token"},
		"new index of a session":         {second(session.Tables.CreateIndex(ctx, 1, []string{"a"})), "need a token"},
		"index delete of a session":      {session.Tables.DeleteIndex(ctx, 1, "a_1"), "need a token"},
		"user 0":                         {second(client.Users.Get(ctx, 0)), "user id is 0"},
		"keys of users":                  {second(client.Users.Page(ctx, minapp.Query{Keys: []string{"nickname"}})), "Keys or Expand"},
		"negative page of users":         {second(client.Users.Page(ctx, minapp.Query{PageSize: -1})), "PageSize is -1"},
		"file without id":                {second(client.Files.Get(ctx, " ")), "file is blank"},
		"negative page of files":         {second(client.Files.Page(ctx, minapp.FileQuery{PageSize: -1})), "FileQuery: PageSize is -1"},
		"order of files by a list":       {second(client.Files.Page(ctx, minapp.FileQuery{OrderBy: []string{"a,b"}})), "OrderBy[0]"},
		"strict read":                    {second(client.Records.Get(ctx, 1, "a", minapp.CallStrict())), "CallStrict does not apply"},
		"strict bulk":                    {second(client.Bulk.CreateMany(ctx, 1, []minapp.Fields{{}}, minapp.CallStrict())), "CallStrict does not apply"},
		"strict delete":                  {client.Records.Delete(ctx, 1, "a", minapp.CallStrict()), "CallStrict does not apply"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, tt.err, minapp.ErrInvalid)
			assert.ErrorContains(t, tt.err, tt.says)
		})
	}
	for _, err := range client.Users.All(ctx, minapp.Query{Offset: -1}) {
		require.ErrorIs(t, err, minapp.ErrInvalid)
	}
	assert.Zero(t, transport.GetTotalCallCount(), "nothing may be sent")
}

// A permission list that is left out stays, and an empty one permits nobody:
// the two are told apart.
func TestUpdateSendsOnlyWhatChanges(t *testing.T) {
	var bodies []string
	client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
		var body json.RawMessage
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&body))
		bodies = append(bodies, string(body))
		return httpmock.NewStringResponse(200, `{"id":1}`), nil
	})
	for _, u := range []minapp.TableUpdate{
		{Name: "a"},
		{Rows: minapp.RowPerm{WritePerm: []string{}}},
		{CreateRow: []string{minapp.PermUsers}},
		{Fields: []minapp.Field{}},
	} {
		_, err := client.Tables.Update(t.Context(), 1, u)
		require.NoError(t, err)
	}
	assert.Equal(t, []string{`{"name":"a"}`, `{"row_write_perm":[]}`, `{"write_perm":["user:*"]}`, `{"schema":{"fields":[]}}`}, bodies)
}

// A copy has the columns, permissions and attributes of the original, whatever
// these are, and the answer about it has them again.
func TestSpecMakesAnAnswerCreatable(t *testing.T) {
	client, err := minapp.NewClient(minapptest.NewServer(t).Options()...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	target, err := client.Tables.Create(t.Context(), minapp.TableSpec{Name: "target"})
	require.NoError(t, err)
	original, err := client.Tables.Create(t.Context(), minapp.TableSpec{
		Name: "original",
		Fields: []minapp.Field{
			{Name: "a", Type: minapp.TypeString, Default: json.RawMessage(`"x"`), Constraints: &minapp.Constraints{Required: true}, ACL: &minapp.FieldACL{ClientVisible: new(false)}},
			{Name: "b", Type: minapp.TypeGeoJSON, Format: minapp.FormatDefault, CoordinateType: minapp.CoordGCJ02},
			{Name: "c", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeGeoJSON, Format: minapp.FormatDefault, CoordinateType: minapp.CoordWGS84}},
			{Name: "d", Type: minapp.TypePointer, SchemaID: minapp.TableRef(target.ID), Description: "points"},
		},
		Rows:      minapp.RowPerm{ReadPerm: []string{minapp.PermAnonymous}, WritePerm: []string{}},
		CreateRow: []string{minapp.PermGroup(7)},
	})
	require.NoError(t, err)

	spec := original.Spec()
	assert.Len(t, spec.Fields, 4)
	spec.Name = "copy"
	duplicate, err := client.Tables.Create(t.Context(), spec)
	require.NoError(t, err)

	duplicate.ID, duplicate.Name = original.ID, original.Name
	duplicate.CreatedAt, duplicate.UpdatedAt = original.CreatedAt, original.UpdatedAt
	assert.Equal(t, original, duplicate)
}

func TestSpecDropsWhatTheServiceProtects(t *testing.T) {
	users := minapp.TableInfo{Name: "_userprofile", ProtectedFields: []string{"nickname", "openid"}}
	for _, name := range []string{"id", "nickname", "city", "_hidden", "updated_at", "openid"} {
		users.Fields = append(users.Fields, minapp.Field{Name: name, Type: minapp.TypeString})
	}
	assert.Equal(t, []minapp.Field{{Name: "city", Type: minapp.TypeString}}, users.Spec().Fields)
	assert.Len(t, users.Fields, 6, "the description stays as it is")
}

// The service's own spelling and the console's are read; the service's is
// written. What is not said is not sent.
func TestFieldACLHasTwoSpellings(t *testing.T) {
	for _, text := range []string{`{"clientVisibile":false}`, `{"clientVisible":false}`, `{"clientVisibile":false,"clientVisible":true}`} {
		var acl minapp.FieldACL
		require.NoError(t, json.Unmarshal([]byte(text), &acl))
		assert.Equal(t, minapp.FieldACL{ClientVisible: new(false)}, acl, text)
		assert.JSONEq(t, `{"clientVisibile":false}`, string(mustJSON(acl)))
	}
}

// The id of a table that a pointer points at is a text in one answer and a
// number in another, and always written as text.
func TestTableRefHasTwoForms(t *testing.T) {
	for _, text := range []string{`{"name":"p","type":"reference","schema_id":41}`, `{"name":"p","type":"reference","schema_id":"41"}`} {
		var f minapp.Field
		require.NoError(t, json.Unmarshal([]byte(text), &f))
		assert.Equal(t, minapp.TableRef(41), f.SchemaID)
		assert.JSONEq(t, `{"name":"p","type":"reference","schema_id":"41"}`, string(mustJSON(f)))
	}
	require.Error(t, json.Unmarshal([]byte(`"a"`), new(minapp.TableRef)))
}

// An index that the answer does not name may be there or not.
func TestIndexThatTheAnswerLacks(t *testing.T) {
	for _, body := range []string{`[]`, `[{"fields":["b"],"index":"b_1"}]`, `{"fields":["a"],"index":"a_1"}`} {
		client, _ := mocked(t, httpmock.NewStringResponder(201, body))
		_, err := client.Tables.CreateIndex(t.Context(), 1, []string{"a"})
		require.ErrorIs(t, err, minapp.ErrProtocol, body)
		require.ErrorIs(t, err, minapp.ErrOutcomeUnknown, body)
	}
}

// A table and an index are made once; a change can be repeated.
func TestWhichTableWritesAreRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, table := emulated(t)
		client, err := minapp.NewClient(s.Options()...)
		require.NoError(t, err)
		defer client.CloseIdleConnections()
		lose := func(op string) { s.Fault(minapptest.Fault{Operation: op, Drop: minapptest.DropAfter}) }

		lose("tables.update")
		info, err := client.Tables.Update(t.Context(), table.ID(), minapp.TableUpdate{Name: "renamed"})
		require.NoError(t, err)
		assert.Equal(t, "renamed", info.Name)
		assert.Equal(t, 2, s.Count("tables.update"))

		lose("indexes.create")
		_, err = client.Tables.CreateIndex(t.Context(), table.ID(), []string{"price"})
		require.ErrorIs(t, err, minapp.ErrOutcomeUnknown)
		assert.Equal(t, 1, s.Count("indexes.create"))

		lose("indexes.delete")
		require.NoError(t, client.Tables.DeleteIndex(t.Context(), table.ID(), "price_1"), "gone is gone")
		indexes, err := client.Tables.Indexes(t.Context(), table.ID())
		require.NoError(t, err)
		assert.Equal(t, []minapp.Index{{Name: "name_1", Fields: []string{"name"}}}, indexes)
	})
}

// Every kind of list is read to its end, with rows that do not decode in their
// places.
func TestListsArePagedAlike(t *testing.T) {
	const total = 2500
	serve := func(element func(i int) string) *minapp.Client {
		client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
			var limit, offset int
			_, err := fmt.Sscan(r.FormValue("limit"), &limit)
			assert.NoError(t, err)
			_, _ = fmt.Sscan(r.FormValue("offset"), &offset)
			var elements []string
			for i := offset; i < min(offset+limit, total); i++ {
				elements = append(elements, element(i))
			}
			return httpmock.NewStringResponse(200, fmt.Sprintf(`{"meta":{"next":null,"offset":%d},"objects":[%s]}`, offset, strings.Join(elements, ","))), nil
		})
		return client
	}
	good, bad := 0, 0
	count := func(id int64, err error) {
		if err == nil {
			good++
			return
		}
		decode, ok := errors.AsType[*minapp.DecodeError](err)
		require.True(t, ok, "%v", err)
		assert.Equal(t, "13", decode.ID)
		assert.EqualValues(t, 13, id)
		bad++
	}
	users := serve(func(i int) string {
		if i == 13 {
			return `{"id":13,"gender":"other"}`
		}
		return fmt.Sprintf(`{"id":%d}`, i)
	})
	for user, err := range users.Users.All(t.Context(), minapp.Query{}) {
		require.NotNil(t, user)
		count(user.ID, err)
	}
	assert.Equal(t, []int{total - 1, 1}, []int{good, bad})

	good, bad = 0, 0
	tables := serve(func(i int) string {
		if i == 13 {
			return `{"id":13,"name":[]}`
		}
		return fmt.Sprintf(`{"id":%d}`, i)
	})
	for table, err := range tables.Tables.All(t.Context(), minapp.TableQuery{}) {
		require.NotNil(t, table)
		count(int64(table.ID), err)
	}
	assert.Equal(t, []int{total - 1, 1}, []int{good, bad})

	files := serve(func(i int) string { return fmt.Sprintf(`{"id":"f%d"}`, i) })
	n := 0
	for file, err := range files.Files.All(t.Context(), minapp.FileQuery{Max: 1234, PageSize: 100}) {
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("f%d", n), file.ID)
		n++
	}
	assert.Equal(t, 1234, n)

	page, err := files.Files.Page(t.Context(), minapp.FileQuery{Offset: 2499})
	require.NoError(t, err)
	assert.Len(t, page.Files, 1)
	assert.EqualValues(t, -1, page.Total, "not asked for is not zero")
}

// What is asked about a call is told when it fails, too.
func TestCallMetaOfAFailedPage(t *testing.T) {
	client, _ := mocked(t, httpmock.NewStringResponder(404, `{"error_msg":"gone"}`))
	var info minapp.CallInfo
	_, err := client.Records.Page(t.Context(), 1, minapp.Query{}, minapp.CallMeta(&info))
	require.ErrorIs(t, err, minapp.ErrNotFound)
	assert.Equal(t, 404, info.Status)
	info = minapp.CallInfo{}
	for _, err := range client.Records.All(t.Context(), 1, minapp.Query{}, minapp.CallMeta(&info)) {
		require.ErrorIs(t, err, minapp.ErrNotFound)
	}
	assert.Equal(t, 404, info.Status)
}

func TestServerTimeNeedsATime(t *testing.T) {
	for _, body := range []string{`{}`, `{"time":null}`, `{"time":"now"}`} {
		client, _ := mocked(t, httpmock.NewStringResponder(200, body))
		_, err := client.ServerTime(t.Context())
		require.ErrorIs(t, err, minapp.ErrProtocol, body)
	}
}

// A row that was read can be kept as JSON and decoded again, from memory that is
// used for something else then.
func TestARecordIsDecodedFromItsRaw(t *testing.T) {
	s, table := emulated(t)
	seed(t, s, table.ID(), 1)
	for r, err := range table.All(t.Context(), minapp.Query{}) {
		require.NoError(t, err)
		line := bytes.Clone(r.Raw)
		again := minapp.Record[article]{Value: article{Name: "of before"}}
		require.NoError(t, json.Unmarshal(line, &again))
		clear(line)
		assert.Equal(t, *r, again)
		mismatch, ok := errors.AsType[*minapp.DecodeError](json.Unmarshal([]byte(`{"id":"5a2fa9b008443e59e0e67829","name":7}`), &again))
		require.True(t, ok)
		assert.Equal(t, "5a2fa9b008443e59e0e67829", mismatch.ID)
		assert.Contains(t, string(again.Raw), `"name":7`, "the row is kept")
	}
}
