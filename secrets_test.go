package minapp_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"go/types"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/byoa"
	"github.com/minapp-go/minapp/geo"
	"github.com/minapp-go/minapp/migrate"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

// module is where import paths begin.
const module = "github.com/minapp-go/minapp"

// exportedTypes lists the types that a program can name as package.Name, and
// says which of them are interfaces. Left out are other names for a type
// (migrate.Part is json.RawMessage), and modules of their own, which this one
// cannot import: migrate/sqldb is handed an *sql.DB and never an address, and
// the rest are programs.
func exportedTypes(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, pkg := range publicPackages(t) {
		for _, name := range pkg.Scope().Names() {
			if named, ok := pkg.Scope().Lookup(name).(*types.TypeName); ok && named.Exported() && !named.IsAlias() {
				found[pkg.Name()+"."+name] = types.IsInterface(named.Type())
			}
		}
	}
	return found
}

// typeName is the type of a value as exportedTypes names it.
func typeName(v any) string {
	typ := reflect.TypeOf(v)
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	name, _, _ := strings.Cut(typ.Name(), "[")
	return strings.TrimPrefix(strings.TrimPrefix(typ.PkgPath(), module[:strings.LastIndex(module, "/")+1]), "minapp/") + "." + name
}

// withSecrets are values with a secret wherever their type has a place for one,
// as the package makes them or as a caller fills them in. What a failed call
// says, TestEveryOperationMeetsEveryFault searches.
func withSecrets(t *testing.T, w *world) []any {
	t.Helper()
	signed := minapp.SignedURL("https://files.example/a.csv?Expires=1&Signature=" + worldTarget)
	job := &minapp.ExportJob{Ref: minapp.ExportRef{Table: 1, Job: "j"}, DownloadURL: signed}
	settings := `{"id":1,"name":"kb","oss":{"endpoint":"e","access_key_secret":"` + worldTarget + `"}}`
	var connector byoa.Connector
	require.NoError(t, json.Unmarshal([]byte(settings), &connector))
	require.Contains(t, string(connector.Settings.Reveal()), worldTarget)
	held := minapptest.MOIConnector{Name: "kb", Settings: map[string]any{"oss": worldTarget}}
	oauth := minapptest.OAuth{ClientID: appID, ClientSecret: appSecret, Code: "c0de-" + secret, RefreshToken: "refresh-" + secret}

	plan, err := migrate.PlanSchema(t.Context(), w.client, w.plain, migrate.SchemaOptions{SourceID: "source_id"})
	require.NoError(t, err)
	require.NoError(t, plan.Apply(t.Context()))
	copies, err := plan.Rows()
	require.NoError(t, err)
	table := minapp.TableOf[minapp.Fields](w.client, 1)
	source, sink := migrate.FromTable(table, migrate.FromTableOptions{}), migrate.ToTable(table, migrate.ToTableOptions{})

	refused := errors.New("see the answer")
	w.Fault(minapptest.Fault{Operation: "records.get", Status: 401, Header: http.Header{"Set-Cookie": {"s=" + worldCookie}}, Body: `{"error_msg":"no ` + secret + `"}`})
	var info minapp.CallInfo
	_, err = w.client.Records.Get(t.Context(), 1, "a", minapp.CallMeta(&info))
	failed, ok := errors.AsType[*minapp.Error](err)
	require.True(t, ok, "%v", err)
	w.Fault(minapptest.Fault{Operation: "bulk.create", Status: 401, Body: `{"error_msg":"no ` + secret + `"}`})
	batch, err := w.client.Bulk.CreateMany(t.Context(), 1, []minapp.Fields{{"name": "x"}})
	bulk, ok := errors.AsType[*minapp.BulkError](err)
	require.True(t, ok, "%v", err)

	return []any{
		w.client, w.client.Tables, w.client.Records, w.client.Bulk, w.client.Users, w.client.Files,
		w.client.ExportTasks, w.client.Connectors, w.client.Exports, w.client.Imports,
		table,
		minapp.WithToken(secret), minapp.WithSession(&http.Cookie{Name: "s", Value: worldCookie}), minapp.WithMOIKey(worldKey),
		minapp.WithClientCredentials(appID, appSecret), minapp.WithBaseURL("https://u:" + secret + "@minapp.example"),
		minapp.CallHeader("X-Secret", secret),
		minapp.Token{AccessToken: secret, RefreshToken: "refresh-" + secret, ExpiresAt: time.Unix(1, 0)},
		signed, job,
		minapp.ExportPage{Jobs: []*minapp.ExportJob{job}},
		failed, info, batch, bulk, batch.Outcomes()[0],
		&minapp.WaitError{Op: "exports.get", Last: job, Err: failed}, &minapp.WaitError{Op: "x", Last: connector, Err: refused},
		&minapp.DecodeError{Err: failed},

		connector, connector.Settings, connector.Task("t", "c", byoa.Dify("a", "b", "c"), byoa.FileSpec{ID: "f"}),
		&byoa.TaskError{Task: &byoa.Task{}, Err: failed},

		source, sink, plan, copies[0], plan.Steps[0],
		migrate.Plan[*minapp.Record[minapp.Fields], minapp.Fields]{Source: source, Sink: sink},
		migrate.SyncOptions[minapp.Fields]{Table: table},
		migrate.Chunk[minapp.Fields]{Rows: []migrate.Row[minapp.Fields]{{Err: failed}}},
		migrate.Row[minapp.Fields]{Err: bulk},
		&migrate.DoubtError{Sink: sink.String(), Rows: []string{"1"}, Err: failed},
		&migrate.RejectedError{Rejection: migrate.Rejection{Reason: failed.Error()}, Err: failed},
		migrate.Rejection{Reason: bulk.Error()},
		&migrate.FileError{Err: failed},

		w.Server, w.MOI(), held, oauth,
		minapptest.Data{OAuth: &oauth, MOI: minapptest.MOIData{Connectors: []minapptest.MOIConnector{held}}},
		minapptest.MOIData{Connectors: []minapptest.MOIConnector{held}},
		minapptest.WithToken(secret), w.Requests()[0],
	}
}

// stored are the types whose JSON is the form in which they are kept, with
// their secrets, and what is made of them.
var stored = []string{"minapp.Token", "minapptest.OAuth", "minapptest.MOIConnector", "minapptest.MOIData", "minapptest.Data"}

// readable are the types that package fmt can only be kept from reading if it
// asks them how they are printed, which it does not in unexported fields.
var readable = append([]string{"minapp.SignedURL", "minapp.ExportJob", "minapp.ExportPage", "minapp.WaitError", "minapptest.Server", "minapptest.MOI"}, stored...)

// withoutSecrets are types that have no place for one: names, numbers, rows,
// conditions and what the service says of them.
var withoutSecrets = []any{
	minapp.BatchOptions{},
	minapp.Chunk[int]{},
	minapp.Constraints{},
	minapp.DeleteTotals{},
	minapp.DroppedError{},
	minapp.ExportFile{},
	minapp.ExportMode(""),
	minapp.ExportProgress{},
	minapp.ExportQuery{},
	minapp.ExportRef{},
	minapp.ExportRun{},
	minapp.ExportSpec{},
	minapp.Field{},
	minapp.FieldACL{},
	minapp.Fields{},
	minapp.File{},
	minapp.FilePage{},
	minapp.FileQuery{},
	minapp.FileType(""),
	minapp.Index{},
	minapp.ItemType{},
	minapp.Meta{},
	minapp.Operation{},
	minapp.OperationID(0),
	minapp.Page[int]{},
	minapp.Plan(0),
	minapp.Pointer{},
	minapp.Query{},
	minapp.Record[int]{},
	minapp.Request{},
	minapp.RetryPolicy{},
	minapp.RowPerm{},
	minapp.RunOptions{},
	minapp.ScanOptions{},
	minapp.ScanProgress{},
	minapp.ScanRange{},
	minapp.Source{},
	minapp.State(0),
	minapp.Stats{},
	minapp.TableID(0),
	minapp.TableInfo{},
	minapp.TablePage{},
	minapp.TableQuery{},
	minapp.TableRef(0),
	minapp.TableSpec{},
	minapp.TableUpdate{},
	minapp.Timestamp(0),
	minapp.Totals{},
	minapp.User{},
	minapp.UserPage{},
	minapp.WaitOptions{},

	byoa.Column{},
	byoa.Compression(""),
	byoa.Counts{},
	byoa.DifyConfig{},
	byoa.Duplicates(0),
	byoa.File{},
	byoa.FilePage{},
	byoa.FileQuery{},
	byoa.FileSpec{},
	byoa.FileStatus(0), byoa.FileType(""),
	byoa.MatrixOneConfig{},
	byoa.ObjectStorageConfig{},
	byoa.OtherConfig{},
	byoa.Task{},
	byoa.TaskPage{},
	byoa.TaskQuery{},
	byoa.TaskStatus(0),
	byoa.Time(""), byoa.Type(0), byoa.Usage(0), byoa.Verdict(0),

	geo.Circle{},
	geo.Point{},
	geo.Polygon{},
	geo.Ring{},
	patch.Patch{},
	where.Cond{},

	migrate.Cost{},
	migrate.Difference{},
	migrate.EmptyCell(0),
	migrate.Estimate{},
	migrate.FromCSVOptions{},
	migrate.FromJSONLinesOptions{},
	migrate.FromTableOptions{},
	&migrate.IDs{},
	migrate.Progress{},
	migrate.Report{},
	migrate.SchemaOptions{},
	migrate.Setup{},
	migrate.Stage(""), migrate.StepKind(""),
	migrate.SyncReport{},
	migrate.ToCSVOptions{},
	migrate.ToJSONLinesOptions{},
	migrate.ToTableOptions{},
	migrate.Totals{},
	migrate.Verification{},
	migrate.VerifyOptions{},

	&minapptest.Clock{},
	minapptest.Constraints{},
	minapptest.Drop(0),
	minapptest.ExportJob{},
	minapptest.Fault{},
	minapptest.Field{},
	minapptest.Items{},
	minapptest.Limits{},
	minapptest.MOICounts{},
	minapptest.MOIFile{},
	minapptest.MOITask{},
	minapptest.Schema{},
	minapptest.Table{},
}

// Every type that a program can name is in one of the lists above: whoever adds
// one decides whether it can hold a secret. None shows one, however it is
// printed, logged or encoded, alone or inside of something else.
func TestNoExportedTypeShowsASecret(t *testing.T) {
	heard := &evidence{secrets: spelled(secret, worldKey, worldCookie, worldTarget, appSecret)}
	seen := map[string]bool{}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, heard)
		defer w.close()
		w.with(t, minapp.WithMOIKey(worldKey), minapp.WithClientCredentials(appID, appSecret))
		w.with(t, minapp.WithSession(&http.Cookie{Name: "s", Value: worldCookie}))
		w.with(t, minapp.WithToken(secret))
		for _, v := range append(withSecrets(t, w), withoutSecrets...) {
			seen[typeName(v)] = true
			heard.print(v)
		}
	})
	for _, leak := range heard.leaks() {
		t.Error(leak)
	}
	for name, isInterface := range exportedTypes(t) {
		assert.NotEqual(t, isInterface, seen[name], "%s: has it a place for a secret? See withSecrets and withoutSecrets", name)
	}
}

// print notes a value in every way that somebody could print, log or encode
// it.
func (e *evidence) print(v any) {
	forms := []any{v}
	switch typ := reflect.TypeOf(v); {
	case typ.Kind() != reflect.Pointer:
		pointer := reflect.New(typ)
		pointer.Elem().Set(reflect.ValueOf(v))
		forms = append(forms, pointer.Interface())
	case typ == reflect.TypeFor[*minapp.Client](), !holdsLock(typ.Elem()):
		forms = append(forms, reflect.ValueOf(v).Elem().Interface())
	}
	for _, form := range forms {
		nested := []any{struct{ V any }{form}, []any{form}, map[string]any{"v": form}, fieldOf(form), fmt.Errorf("outer: %v", form)}
		if !slices.Contains(readable, typeName(v)) {
			nested = append(nested, struct{ v any }{form})
		}
		if err, ok := form.(error); ok {
			nested = append(nested, fmt.Errorf("outer: %w", err), errors.Join(err, err))
		}
		for _, x := range append([]any{form}, nested...) {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
				e.say(verb, x)
			}
		}
		if asked, ok := form.(fmt.GoStringer); ok { // as printers do that are not package fmt
			e.say("%s", asked.GoString())
		}
		e.logger().Debug("one", "value", form)
		e.logger().With("with", form).WithGroup("g").Debug("two", slog.Any("v", form))
		if !slices.Contains(stored, typeName(v)) {
			for _, x := range append([]any{form}, nested...) {
				e.logger().Debug("nested", "value", x)
				data, err := json.Marshal(x)
				e.say("%s %v", data, err)
			}
		}
	}
}

// fieldOf is a struct with the value in a field of its own type, as programs
// have it; the field is exported.
func fieldOf(v any) any {
	outer := reflect.New(reflect.StructOf([]reflect.StructField{{Name: "Inner", Type: reflect.TypeOf(v)}})).Elem()
	outer.Field(0).Set(reflect.ValueOf(v))
	return outer.Interface()
}

// holdsLock reports a type that must not be copied.
func holdsLock(typ reflect.Type) bool {
	if typ.Kind() != reflect.Struct {
		return false
	}
	if strings.HasPrefix(typ.PkgPath(), "sync") {
		return true
	}
	for field := range typ.Fields() {
		if holdsLock(field.Type) {
			return true
		}
	}
	return false
}

// spelled lists how printed values show secrets: as they are, in hexadecimal,
// as lists of bytes, and in base64.
func spelled(secrets ...string) (texts []string) {
	for _, s := range secrets {
		inHex := hex.EncodeToString([]byte(s))
		_, list, _ := strings.Cut(fmt.Sprintf("%#v", []byte(s)), "{")
		texts = append(texts, s, inHex, strings.ToUpper(inHex), strings.Trim(fmt.Sprintf("%d", []byte(s)), "[]"), strings.TrimSuffix(list, "}"))
		for shift := range 3 { // where in three bytes it begins
			text := base64.StdEncoding.EncodeToString(append(make([]byte, shift), s...))
			texts = append(texts, text[4:len(text)-4])
		}
	}
	return texts
}

func TestTheSearchForSecretsFindsThem(t *testing.T) {
	for name, v := range map[string]any{
		"text": secret, "bytes": []byte("xx" + secret), "field": struct{ s string }{secret}, "list": [][]byte{[]byte(secret)},
		"error": errors.New("no " + secret), "raw": json.RawMessage(`{"a":"` + secret + `"}`), "header": http.Header{"A": {secret}},
	} {
		e := &evidence{secrets: spelled(secret)}
		e.print(v)
		assert.NotEmpty(t, e.leaks(), name)
		for _, verb := range []string{"%v", "%#v", "%x", "%X", "%d"} {
			e := &evidence{secrets: spelled(secret)}
			e.say(verb, []byte("x"+secret))
			assert.NotEmpty(t, e.leaks(), "%s of bytes", verb)
		}
	}
	for _, prefix := range []string{"", "x", "xx"} {
		e := &evidence{secrets: spelled(secret)}
		e.say("%s", mustJSON([]byte(prefix+secret)))
		assert.NotEmpty(t, e.leaks(), "base64")
	}
}

// A transport that quotes what it could not send, with all headers and the
// body, puts none of it into an error or into the log.
func TestAQuotingTransportShowsNoSecret(t *testing.T) {
	heard := &evidence{secrets: spelled(secret, worldKey, worldCookie, worldTarget, appSecret)}
	quotes := fault{name: "a transport that quotes the request", fails: func(r *http.Request) error {
		dump, err := httputil.DumpRequest(r, true)
		return errors.Join(fmt.Errorf("cannot send to %s: %s", r.URL, dump), err, io.ErrUnexpectedEOF)
	}}
	for _, c := range operationCases {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, heard)
			defer w.close()
			if c.setup != nil {
				c.setup(t, w)
			}
			w.out.disturb(c.op, quotes, -1)
			_, err := c.call(t.Context(), w)
			require.ErrorContains(t, err, "cannot send to", c.String())
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%s: the cause is kept", c)
			heard.take(w.client, nil, err)
		})
	}
	for _, leak := range heard.leaks() {
		t.Error(leak)
	}
}

// A signed address leads to another one: neither query is in the error.
func TestQueriesOfSignedAddressesStayOutOfErrors(t *testing.T) {
	const first, second = "Signature=f1rst-that-nobody-may-see", "Signature=s3cond-that-nobody-may-see"
	heard := &evidence{secrets: spelled(first, second)}
	job := &minapp.ExportJob{Status: minapp.ExportFinished, DownloadURL: "https://files.example/a.csv?" + first}
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"quoted": func(r *http.Request) (*http.Response, error) { return nil, fmt.Errorf("cannot get %s", r.URL) },
		"redirected": func(r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.RawQuery, "f1rst") {
				return &http.Response{StatusCode: 302, Header: http.Header{"Location": {"/b.csv?" + second}}, Body: http.NoBody}, nil
			}
			return nil, fmt.Errorf("cannot get %s", r.URL)
		},
		"led nowhere": func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 302, Header: http.Header{"Location": {"%zz?" + second}}, Body: http.NoBody}, nil
		},
		"led out of https": func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 302, Header: http.Header{"Location": {"http://files.example/?" + second}}, Body: http.NoBody}, nil
		},
		"refused": func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 403, Body: io.NopCloser(strings.NewReader("bad: " + r.URL.String()))}, nil
		},
	} {
		client, err := minapp.NewClient(
			minapp.WithHTTPClient(&http.Client{Transport: roundTripper(answer)}), minapp.WithToken(secret),
			minapp.WithRetry(minapp.RetryPolicy{MaxAttempts: 1}), minapp.WithLogger(heard.logger()),
		)
		require.NoError(t, err)
		_, err = client.Exports.Download(t.Context(), job, io.Discard)
		require.Error(t, err, name)
		heard.take(client, nil, err)
		_, err = client.Exports.DownloadFile(t.Context(), job, filepath.Join(t.TempDir(), "a"))
		require.Error(t, err, name)
		heard.take(client, job, err)
	}
	for _, url := range []minapp.SignedURL{"http://files.example/a?" + first, "::?" + first, "https://u:p@files.example/?" + first} {
		client, _ := mocked(t, nil)
		job.DownloadURL = url
		_, err := client.Exports.Download(context.Background(), job, io.Discard)
		require.ErrorIs(t, err, minapp.ErrInvalid)
		heard.take(client, job, err)
	}
	for _, leak := range heard.leaks() {
		t.Error(leak)
	}
}
