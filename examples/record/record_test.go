package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/service"
	"github.com/minapp-go/minapp/internal/fixture"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/where"
)

const token = "the-token-of-the-test"

func documents(t *testing.T) []fixture.Exchange {
	t.Helper()
	list, err := fixture.Load(os.DirFS("../../testdata/exchanges"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// studio is an emulator and a recorder that writes into a directory.
func studio(t *testing.T) (*minapptest.Server, *minapp.Client, *recorder) {
	t.Helper()
	emulator := minapptest.NewServer(t, minapptest.WithToken(token))
	client, err := minapp.NewClient(emulator.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRecorder(client, emulator.Client().Transport, t.TempDir(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return emulator, client, r
}

// recordings loads what was written, and looks for secrets in it.
func recordings(t *testing.T, r *recorder, hidden ...string) []fixture.Exchange {
	t.Helper()
	list, err := fixture.Load(os.DirFS(r.dir))
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != r.recorded {
		t.Errorf("%d files, %d recorded", len(list), r.recorded)
	}
	for _, e := range list {
		text, err := os.ReadFile(filepath.Join(r.dir, e.Name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range append(hidden, token, "record-is-no-token", "rec_") {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s shows %q", e.Name, secret)
			}
		}
	}
	return list
}

// replays sends the request of an exchange to an emulator in its state, as the
// contract test does with the documented ones.
func replays(t *testing.T, e fixture.Exchange) {
	t.Helper()
	emulator := minapptest.NewServer(t, minapptest.WithToken(token))
	if err := emulator.LoadData(bytes.NewReader(e.Given)); err != nil {
		t.Fatalf("%s: %v", e.Name, err)
	}
	req, err := e.HTTPRequest(t.Context(), emulator.URL())
	if err != nil {
		t.Fatal(err)
	}
	if !e.Request.Unauthenticated {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := emulator.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, diff := range e.Response.Diff(resp.StatusCode, body) {
		t.Errorf("%s: %s", e.Name, diff)
	}
}

// What is recorded of the emulator can take the place of what is documented:
// the same request, the documented shape, a state that leads to the answer.
func TestRecordingTheEmulatorGivesBackTheDocuments(t *testing.T) {
	emulator, client, r := studio(t)
	list := documents(t)
	if err := r.repeat(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	documented := map[string]fixture.Exchange{}
	for _, e := range list {
		documented[e.Name] = e
	}
	recorded := recordings(t, r)
	if len(recorded) < 60 || r.unlike > 0 {
		t.Errorf("%d recorded, %d unlike the documents", len(recorded), r.unlike)
	}
	for _, e := range recorded {
		want := documented[e.Name]
		req, err := e.HTTPRequest(t.Context(), "https://cloud.minapp.com")
		if err != nil {
			t.Fatal(err)
		}
		for _, diff := range want.Request.Diff(req, e.Request.Body) {
			t.Errorf("%s: %s", e.Name, diff)
		}
		for _, diff := range want.Response.Diff(e.Response.Status, e.Response.Body) {
			t.Errorf("%s: %s", e.Name, diff)
		}
		if e.Recorded == "" || len(e.Inferred) > 0 || want.Request.Unauthenticated != e.Request.Unauthenticated {
			t.Errorf("%s: what a recording is was lost: %+v", e.Name, e)
		}
		replays(t, e)
	}
	left, err := client.Tables.Page(t.Context(), minapp.TableQuery{})
	if err != nil || len(left.Tables) > 0 {
		t.Errorf("%d tables are left behind (%v)", len(left.Tables), err)
	}
	if n := emulator.Count("tables.create"); n < 10 {
		t.Errorf("only %d tables were made", n)
	}
}

// A client that is answered with what was recorded sees the same.
func TestAClientUnderstandsTheRecordings(t *testing.T) {
	_, _, r := studio(t)
	if err := r.repeat(t.Context(), documents(t)); err != nil {
		t.Fatal(err)
	}
	recorded := recordings(t, r)
	client, err := minapp.NewClient(minapp.WithToken("t"), minapp.WithHTTPClient(&http.Client{Transport: player(recorded)}))
	if err != nil {
		t.Fatal(err)
	}
	type product struct {
		Name  string `json:"name"`
		Price int    `json:"price"`
	}
	products := minapp.TableOf[product](client, 3906)
	page, err := products.Page(t.Context(), minapp.Query{Where: where.Eq("price", 10), PageSize: 20})
	if err != nil || len(page.Records) != 1 || page.Records[0].Value != (product{"帆布包", 10}) || page.Records[0].CreatedAt() != 1516118401 {
		t.Errorf("the page is %+v (%v)", page, err)
	}
	if n, err := products.Count(t.Context(), where.Everything()); n != 3 || err != nil {
		t.Errorf("%d rows (%v)", n, err)
	}
	info, err := client.Tables.Get(t.Context(), 1)
	if err != nil || info.ID != 1 || info.Name != "Table" {
		t.Errorf("the table is %+v (%v)", info, err)
	}
}

// player answers each request with the exchange that has it.
type player []fixture.Exchange

func (p player) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := drain(r.Body)
	if err != nil {
		return nil, err
	}
	for _, e := range p {
		if !e.Request.Unauthenticated && e.Response.Status < 300 && len(e.Request.Diff(r, body)) == 0 {
			return &http.Response{
				StatusCode: e.Response.Status, Header: http.Header{}, Request: r,
				ContentLength: int64(len(e.Response.Body)), Body: io.NopCloser(bytes.NewReader(e.Response.Body)),
			}, nil
		}
	}
	return nil, fmt.Errorf("no exchange has %s %s", r.Method, r.URL)
}

// Without leave nothing is written, and nothing private is shown.
func TestReadingATableOfTheUsers(t *testing.T) {
	emulator, client, r := studio(t)
	table, err := tableToRead(t.Context(), &service.Service{Client: client, Emulated: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		if _, err := emulator.Seed(int64(table), map[string]any{"name": fmt.Sprint("Mr. ", i), "created_by": 195448780235670 + i, "read_perm": []string{"user:195448780235670"}}); err != nil {
			t.Fatal(err)
		}
	}
	emulator.ResetLog()
	if err := r.read(t.Context(), documents(t), table); err != nil {
		t.Fatal(err)
	}
	for _, request := range emulator.Requests() {
		if request.Method != http.MethodGet {
			t.Errorf("%s %s is not a read", request.Method, request.Path)
		}
	}
	recorded := recordings(t, r, "Wang", "Mr.", "contract", "customer", "19544878")
	if len(recorded) != len(readable) || r.unlike > 0 {
		t.Errorf("%d recorded, %d unlike the documents", len(recorded), r.unlike)
	}
	for _, e := range recorded {
		replays(t, e)
	}
}

func TestScrubbing(t *testing.T) {
	scrub := scrubber{
		public: map[string]bool{"37087886": true, "Larry。": true}, secrets: []string{"hush-hush"},
		names: strings.NewReplacer("/table/70001/", "/table/3906/", "5f00aa", "5a2fa9", "rec_abc", "product"),
	}
	for given, want := range map[string]string{
		`{"created_by": 195448780235670}`:                                      `{"created_by": 1234}`,
		`{"created_by": "195448780235670"}`:                                    `{"created_by": "1234"}`,
		`{"created_by": 37087886}`:                                             `{"created_by": 37087886}`,
		`{"created_by": {"id": 7, "nickname": "Bob", "avatar": "http://x/y"}}`: `{"created_by": {"id": 1234, "nickname": "scrubbed", "avatar": "scrubbed"}}`,
		`{"nickname": "Larry。"}`:                                               `{"nickname": "Larry。"}`,
		`{"read_perm": ["user:*", "user:195448780235670", "gid:5"]}`:           `{"read_perm": ["user:*", "user:1234", "gid:5"]}`,
		`{"access_token": "x", "sessionid": "y", "n": 1}`:                      `{"access_token": "scrubbed", "sessionid": "scrubbed", "n": 1}`,
		`{"text": "it is hush-hush here"}`:                                     `{"text": "it is scrubbed here"}`,
		`{"download_url": "https://cdn.example/f.csv?sign=abc&t=1"}`:           `{"download_url": "https://cdn.example/f.csv?scrubbed"}`,
		`{"next": "/oserve/v2.4/table/70001/record/?limit=1"}`:                 `{"next": "/oserve/v2.4/table/3906/record/?limit=1"}`,
		`[{"id": "5f00aa", "_table": "rec_abc"}, null, true]`:                  `[{"id": "5a2fa9", "_table": "product"}, null, true]`,
		`{"hash": "0123456789abcdef0123456789abcdef01234567"}`:                 `{"hash": "scrubbed"}`,
		`{"n": 9007199254740993}`:                                              `{"n": 9007199254740993}`,
	} {
		got, err := scrub.body([]byte(given))
		if err != nil || len(fixture.Request{Body: json.RawMessage(want), Method: "POST"}.Diff(asRequest(got), got)) > 0 {
			t.Errorf("%s became %s (%v)", given, got, err)
		}
	}
	if _, err := scrub.body([]byte("<html>")); err == nil {
		t.Error("a page of a gateway is no answer")
	}
}

// asRequest lets fixture compare two bodies exactly.
func asRequest([]byte) *http.Request {
	req, _ := http.NewRequest(http.MethodPost, "", nil) //nolint:noctx // it is never sent
	return req
}

func TestASecretInAnUnexpectedPlaceIsNotWritten(t *testing.T) {
	_, _, r := studio(t)
	r.tape.hidden = []string{"hush-hush"}
	err := r.write(fixture.Exchange{Name: "records.get/one", Notes: "hush-hush"})
	if err == nil || strings.Contains(err.Error(), "hush-hush") {
		t.Errorf("got %v", err)
	}
	if files, _ := os.ReadDir(r.dir); len(files) > 0 {
		t.Errorf("written: %v", files)
	}
}

// A session that the service hands out is hidden, too, and of the headers only
// those of the list are kept.
func TestOnlyHarmlessHeadersAreKept(t *testing.T) {
	tape := &tape{next: answering{http.Header{"Content-Type": {"application/json"}, "Set-Cookie": {"sid=abcdefgh"}, "X-Request-Id": {"r1"}}}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://host/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer s3cret-token")
	resp, err := tape.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got := fmt.Sprint(tape.taken().header); got != "map[Content-Type:application/json]" {
		t.Errorf("kept %s", got)
	}
	if got := fmt.Sprint(tape.secrets()); got != "[s3cret-token abcdefgh]" {
		t.Errorf("hidden %s", got)
	}
}

type answering struct{ header http.Header }

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: a.header, Body: io.NopCloser(strings.NewReader(`{}`)), Request: r}, nil
}

// What cannot be recorded is said, and the rest goes on.
func TestAServiceInTroubleIsNotRecorded(t *testing.T) {
	emulator, _, r := studio(t)
	var out bytes.Buffer
	r.out = &out
	var err error
	if r.client, err = r.client.With(minapp.WithRetry(minapp.RetryPolicy{MaxAttempts: 1})); err != nil {
		t.Fatal(err)
	}
	emulator.Fault(minapptest.Fault{Operation: "records.get", Status: 503, Times: -1})
	if err := r.repeat(t.Context(), documents(t)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "not recorded: do: 503") {
		t.Errorf("nothing is said of the 503:\n%s", &out)
	}
	for _, e := range recordings(t, r) {
		if e.Operation == "records.get" && !e.Request.Unauthenticated {
			t.Errorf("%s was recorded", e.Name)
		}
	}
}
