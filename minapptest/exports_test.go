package minapptest_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp/minapptest"
)

const (
	exportURL = "/oserve/v1.5/table/3906/export/"
	importURL = "/oserve/v1/table/3906/import/"
)

// export starts a job that must be accepted, and returns its address.
func (e *emulator) export(body string) string {
	e.t.Helper()
	r := e.send("POST", exportURL, body)
	require.Equal(e.t, 201, r.status, r.text)
	return exportURL + r.json["job_id"].(string) + "/"
}

// file is what a finished job has made.
func (e *emulator) file(body string) reply {
	e.t.Helper()
	link, _ := e.send("GET", e.export(body), "").json["download_url"].(string)
	require.NotEmpty(e.t, link)
	return e.follow(link)
}

func (e *emulator) follow(link string, header ...string) reply {
	e.t.Helper()
	u, err := url.Parse(link)
	require.NoError(e.t, err)
	require.Equal(e.t, e.URL(), u.Scheme+"://"+u.Host)
	return e.send("GET", u.RequestURI(), "", append([]string{"Authorization", ""}, header...)...)
}

func TestExportJobsGoThroughTheirStates(t *testing.T) {
	e := newEmulator(t, minapptest.WithLimits(minapptest.Limits{ExportDelay: 10 * time.Second}))
	job := e.export(`{"file_type":"csv","mode":"all"}`)
	for _, want := range []string{"pending", "ready", "finish"} {
		r := e.send("GET", job, "")
		assert.Equal(t, want, r.json["status"])
		assert.Equal(t, want == "finish", r.json["download_url"] != nil)
		assert.Equal(t, want == "finish", r.json["file_name"] != nil)
		e.clock.Advance(5 * time.Second)
	}
	assert.Equal(t, 404, e.send("GET", exportURL+"other/", "").status)
	assert.Equal(t, []any{"finish"}, e.send("GET", exportURL, "").column("status"))
}

func TestExportedFilesHoldTheRowsAskedFor(t *testing.T) {
	e := newEmulator(t, minapptest.WithLimits(minapptest.Limits{ExportPause: -1}))
	e.seed(
		`{"id":"a1","name":"one, \"1\"","price":1.5,"tags":["x","y"],"obj":{"a":1},"created_at":1500000000}`,
		`{"id":"a2","name":"two","amount":2,"maker":"m1","created_at":1500000001}`,
		`{"id":"a3","name":"three","pretty":true,"created_at":1500000002}`,
	)
	for name, test := range map[string]struct{ request, want string }{
		"csv": {
			`{"file_type":"csv","mode":"all","include_keys":["id","name","price","tags","obj","maker","pretty"],"order_by":["created_at"]}`,
			"id,name,price,tags,obj,maker,pretty\n" + `a1,"one, ""1""",1.5,"[""x"",""y""]","{""a"":1}",,` + "\na2,two,,,,m1,\na3,three,,,,,true\n",
		},
		"titles": {`{"file_type":"csv","mode":"all","include_keys":["id","name"],"csv_customize_headers":["ID","名"],"order_by":["-id"]}`, "ID,名\na3,three\na2,two\n" + `a1,"one, ""1"""` + "\n"},
		"where":  {`{"file_type":"json","mode":"part","where":{"name":{"$contains":"t"}},"include_keys":["name"],"order_by":["name"]}`, `[{"name":"three"},{"name":"two"}]`},
		"without": {
			`{"file_type":"json","mode":"part","where":{"id":{"$eq":"a2"}},"exclude_keys":["created_by","updated_at","name"]}`,
			`[{"id":"a2","created_at":1500000001,"amount":2,"maker":"m1"}]`,
		},
		"readable": {`{"file_type":"json","mode":"part","where":{"id":{"$eq":"a2"}},"include_keys":["created_at"],"timestamp_convert_keys":["created_at"]}`, `[{"created_at":"2017-07-14T02:40:01Z"}]`},
		"nothing":  {`{"file_type":"json","mode":"part","where":{"id":{"$eq":"a9"}}}`, `[]`},
	} {
		assert.Equal(t, test.want, e.file(test.request).text, name)
	}
}

func TestExcelExportIsAWorkbook(t *testing.T) {
	e := newEmulator(t)
	e.seed(`{"name":"<one>"}`)
	r := e.send("POST", "/userve/v1.5/table/3906/export/", `{"file_type":"xlsx","mode":"all","include_keys":["name"]}`, "Authorization", "", "Cookie", "a=b")
	require.Equal(t, 201, r.status)
	job := e.send("GET", exportURL+r.json["job_id"].(string)+"/", "")
	file := e.follow(job.json["download_url"].(string)).text
	archive, err := zip.NewReader(bytes.NewReader([]byte(file)), int64(len(file)))
	require.NoError(t, err)
	sheet, err := archive.Open("xl/worksheets/sheet1.xml")
	require.NoError(t, err)
	defer func() { _ = sheet.Close() }()
	text, err := io.ReadAll(sheet)
	require.NoError(t, err)
	assert.Contains(t, string(text), `>name</t>`)
	assert.Contains(t, string(text), `>&lt;one&gt;</t>`)
}

func TestRefusedExports(t *testing.T) {
	e := newEmulator(t, minapptest.WithLimits(minapptest.Limits{ExportMax: 2}))
	for _, body := range []string{
		`{"file_type":"xlsx","mode":"all"}`, `{"mode":"all"}`, `{"file_type":"csv"}`, `nonsense`,
		`{"file_type":"csv","mode":"some"}`,
		`{"file_type":"csv","mode":"part","where":{"nothing":{"$eq":1}}}`,
		`{"file_type":"csv","mode":"part","where":"{}"}`,
		`{"file_type":"csv","mode":"all","include_keys":["nothing"]}`,
		`{"file_type":"csv","mode":"all","include_keys":["name"],"exclude_keys":["price"]}`,
		`{"file_type":"csv","mode":"all","include_keys":["name"],"csv_customize_headers":["a","b"]}`,
		`{"file_type":"json","mode":"all","include_keys":["name"],"csv_customize_headers":["a"]}`,
		`{"file_type":"csv","mode":"all","order_by":["tags"]}`,
	} {
		assert.Equal(t, 400, e.send("POST", exportURL, body).status, body)
	}
	e.export(`{"file_type":"csv","mode":"all"}`)
	e.clock.Advance(59 * time.Second)
	assert.Equal(t, 400, e.send("POST", exportURL, `{"file_type":"csv","mode":"all"}`).status, "within a minute")
	e.clock.Advance(time.Second)
	e.export(`{"file_type":"csv","mode":"all"}`)
	e.clock.Advance(time.Minute)
	e.seed(`{"name":"1"}`, `{"name":"2"}`, `{"name":"3"}`)
	assert.Equal(t, 400, e.send("POST", exportURL, `{"file_type":"csv","mode":"all"}`).status, "too many rows")
	e.export(`{"file_type":"csv","mode":"part","where":{"name":{"$ne":"1"}}}`)
}

// A link is a credential by itself: it needs no other, bears none, and ends.
func TestLinksOfExports(t *testing.T) {
	e := newEmulator(t, minapptest.WithLimits(minapptest.Limits{RPM: 3}))
	e.seed(`{"name":"0123456789"}`)
	link := e.send("GET", e.export(`{"file_type":"csv","mode":"all","include_keys":["name"]}`), "").json["download_url"].(string)
	whole := e.follow(link)
	assert.Equal(t, "name\n0123456789\n", whole.text)
	assert.Equal(t, 400, e.follow(link, "Authorization", "Bearer token").status)
	assert.Equal(t, 400, e.follow(link, "Cookie", "a=b").status)
	assert.Equal(t, 403, e.follow(link+"0").status)

	tag := whole.header.Get("Etag")
	for _, same := range []string{"", tag, whole.header.Get("Last-Modified")} {
		rest := e.follow(link, "Range", "bytes=10-", "If-Range", same)
		assert.Equal(t, 206, rest.status)
		assert.Equal(t, "56789\n", rest.text)
		assert.Equal(t, "bytes 10-15/16", rest.header.Get("Content-Range"))
	}
	assert.Equal(t, 200, e.follow(link, "Range", "bytes=10-", "If-Range", `"other"`).status)
	assert.Equal(t, 416, e.follow(link, "Range", "bytes=16-").status)
	e.clock.Advance(2 * time.Hour)
	assert.Equal(t, 403, e.follow(link).status)
}

// form is a file as a browser sends it.
func form(t *testing.T, part, name, content string) (contentType, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	p, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {multipart.FileContentDisposition(part, name)}})
	require.NoError(t, err)
	_, _ = io.WriteString(p, content)
	require.NoError(t, w.Close())
	return w.FormDataContentType(), b.String()
}

func (e *emulator) upload(part, name, content string) reply {
	e.t.Helper()
	contentType, body := form(e.t, part, name, content)
	return e.send("POST", importURL, body, "Content-Type", contentType)
}

func TestImportsCreateTypedRows(t *testing.T) {
	e := newEmulator(t)
	csv := "\ufeffid,name,price,amount,pretty,tags,obj,maker,unknown,created_at\n" +
		"ignored,\"1\",1.5,2,true,\"[\"\"x\"\"]\",\"{\"\"a\"\":1}\",m1,?,1500000000\n" +
		"ignored,b,cheap,1.5,,,,,,\n"
	require.Equal(t, 201, e.upload("file", "a.CSV", csv).status)
	require.Equal(t, 201, e.upload("file", "a.json", `[{"name":"c","amount":3}]`).status)
	require.Equal(t, 201, e.upload("file", "a.json", `{"name":"d"}`+"\n"+`{"name":"e"}`).status)
	rows := e.Rows(e.table)
	require.Len(t, rows, 5)
	first := rows[0]
	assert.NotEqual(t, "ignored", first["id"])
	assert.Equal(t, "1", first["name"])
	assert.Equal(t, []any{json.Number("1.5"), json.Number("2"), true}, []any{first["price"], first["amount"], first["pretty"]})
	assert.Equal(t, []any{[]any{"x"}, map[string]any{"a": json.Number("1")}, "m1"}, []any{first["tags"], first["obj"], first["maker"]})
	assert.Equal(t, json.Number("1500000000"), first["created_at"])
	assert.NotContains(t, rows[1], "price", "a value of a wrong type is dropped")
	assert.NotContains(t, rows[1], "amount")
}

func TestRefusedImports(t *testing.T) {
	e := newEmulator(t)
	for name, r := range map[string]reply{
		"empty":        e.upload("file", "a.csv", " \n"),
		"other suffix": e.upload("file", "a.txt", "name\n1\n"),
		"other part":   e.upload("data", "a.csv", "name\n1\n"),
		"not CSV":      e.upload("file", "a.csv", "name,price\n1\n"),
		"not JSON":     e.upload("file", "a.json", "name\n1\n"),
		"no multipart": e.send("POST", importURL, `{}`, "Content-Type", "application/json"),
		"cut":          e.send("POST", importURL, "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\nname", "Content-Type", "multipart/form-data; boundary=b"),
	} {
		assert.Equal(t, 400, r.status, name)
	}
	assert.Empty(t, e.Rows(e.table))
}

// Whatever a file holds, it is imported or refused.
func FuzzImportedFile(f *testing.F) {
	for _, seed := range []string{"", "name,price\na,1\n", `[{"name":"a"},null,{}]`, "{}\n{}", "\"", "name\n\"[\"\n", "\ufeff[", `[{"tags":["x"],"obj":{"$a":1}}]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		for _, name := range []string{"a.csv", "a.json"} {
			s := minapptest.New()
			_, err := s.CreateTable(minapptest.Table{ID: 41, Name: "maker"})
			require.NoError(t, err)
			_, err = s.CreateTable(products)
			require.NoError(t, err)
			contentType, body := form(t, "file", name, content)
			r := httptest.NewRequestWithContext(t.Context(), "POST", importURL, strings.NewReader(body))
			r.Header.Set("Content-Type", contentType)
			r.Header.Set("Authorization", "Bearer token")
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			require.Contains(t, []int{201, 400}, w.Code, w.Body.String())
		}
	})
}
