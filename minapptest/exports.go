package minapptest

import (
	"archive/zip"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// downloads is the first segment of the addresses of exported files. inferred:
// that files lie outside of the API; no document shows such an address.
const downloads = "exported-files"

// linkLifetime is how long a download URL works. inferred: that it ends.
const linkLifetime = time.Hour

// ExportJob is an export of a data file, in the spelling of the answers. Without
// a status it goes through the states by the clock.
type ExportJob struct {
	Table     int64  `json:"table"`
	ID        string `json:"job_id"`
	FileType  string `json:"file_type"`
	Status    string `json:"status,omitempty"`
	CreatedAt int64  `json:"created_at"`
}

// exportJob is an export with the file that it makes.
type exportJob struct {
	id       string
	table    int64
	fileType string
	fixed    string // state that never changes; "" goes by the clock
	created  time.Time
	content  []byte
	name     string
}

// exportRequest is the body of a create.
type exportRequest struct {
	FileType      string          `json:"file_type"`
	Mode          string          `json:"mode"`
	Where         json.RawMessage `json:"where"`
	IncludeKeys   []string        `json:"include_keys"`
	ExcludeKeys   []string        `json:"exclude_keys"`
	OrderBy       []string        `json:"order_by"`
	CSVHeaders    []string        `json:"csv_customize_headers"`
	TimestampKeys []string        `json:"timestamp_convert_keys"`
}

// createExport makes the file at once and shows it later. inferred: the words
// of the refusals, and that the pause counts for the whole application and
// begins with an export that was accepted.
func (s *Server) createExport(c *call) (answer, *failure) {
	var req exportRequest
	if err := json.Unmarshal(c.body, &req); err != nil {
		return answer{}, badRequest("invalid export: %v", err)
	}
	if bad := req.check(c.surface); bad != nil {
		return answer{}, bad
	}
	s.store.Lock()
	defer s.store.Unlock()
	t, bad := s.table(c)
	if bad != nil {
		return answer{}, bad
	}
	rows, bad := s.exportedRows(t, req)
	if bad != nil {
		return answer{}, bad
	}
	columns, bad := req.columns(t)
	if bad != nil {
		return answer{}, bad
	}
	now, limits := s.now(), s.limits.Load()
	if last := s.store.lastExport; !last.IsZero() && now.Sub(last) < limits.ExportPause {
		return answer{}, badRequest("1min 内多次创建任务")
	}
	if len(rows) > limits.ExportMax {
		return answer{}, badRequest("数据量超过 %d", limits.ExportMax)
	}
	s.store.lastExport = now
	job := s.store.addExport(t, "", req, now)
	job.content = render(req, columns, rows)
	return jsonAnswer(http.StatusCreated, object{{"status", "ok"}, {"job_id", job.id}}), nil
}

func (r exportRequest) check(surface string) *failure {
	types := []string{"csv", "json"}
	if surface == userve {
		types = append(types, "xlsx")
	}
	switch {
	case !slices.Contains(types, r.FileType):
		return badRequest("invalid file_type: %q", r.FileType)
	case r.Mode != "all" && r.Mode != "part":
		return badRequest("invalid mode: %q", r.Mode)
	case len(r.CSVHeaders) > 0 && r.FileType != "csv":
		return badRequest("csv_customize_headers is for csv only") // inferred
	}
	return nil
}

// exportedRows are the rows that the request asks for. inferred: where matters
// in mode part only, and the order is that of a list.
func (s *Server) exportedRows(t *table, req exportRequest) ([]*row, *failure) {
	sel := selection{filter: &filter{}, limit: noLimit}
	var bad *failure
	if req.Mode == "part" && len(req.Where) > 0 && string(req.Where) != "null" {
		if sel.filter, bad = t.compileFilter(string(req.Where)); bad != nil {
			return nil, bad
		}
	}
	if sel.order, bad = t.parseOrder(strings.Join(req.OrderBy, ",")); bad != nil {
		return nil, bad
	}
	for _, key := range sel.order.keys {
		if kind := t.columns[key.column].Type; !slices.Contains([]string{"boolean", "date", "id", "integer", "number", "string"}, kind) {
			return nil, badRequest("cannot order by %s of type %s", key.column, kind)
		}
	}
	f := t.find(sel)
	s.journal.examine(f.examined)
	return f.rows, nil
}

// column is a column of an exported file.
type column struct {
	name, title string
	readable    bool // Unix seconds become readable
}

// columns are those of the file, in order. inferred: the built-in ones come
// first, without the permissions; include_keys gives the order and the titles
// belong to them; both lists of keys together, and unknown names, are refused.
func (r exportRequest) columns(t *table) ([]column, *failure) {
	names := []string{"id", "created_by", "created_at", "updated_at"}
	for i := range t.Schema.Fields {
		names = append(names, t.Schema.Fields[i].Name)
	}
	for _, name := range slices.Concat(r.IncludeKeys, r.ExcludeKeys, r.TimestampKeys) {
		if t.columns[name] == nil {
			return nil, badRequest("unknown field: %s", name)
		}
	}
	switch {
	case len(r.IncludeKeys) > 0 && len(r.ExcludeKeys) > 0:
		return nil, badRequest("include_keys and exclude_keys cannot be combined")
	case len(r.IncludeKeys) > 0:
		names = r.IncludeKeys
	default:
		names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(r.ExcludeKeys, name) })
	}
	if len(r.CSVHeaders) > 0 && len(r.CSVHeaders) != len(names) {
		return nil, badRequest("%d csv_customize_headers for %d columns", len(r.CSVHeaders), len(names))
	}
	columns := make([]column, len(names))
	for i, name := range names {
		columns[i] = column{name, name, slices.Contains(r.TimestampKeys, name)}
		if len(r.CSVHeaders) > 0 {
			columns[i].title = r.CSVHeaders[i]
		}
	}
	return columns, nil
}

// value is what a row has in the column; present is false if it has nothing.
// inferred: the form of a readable time.
func (c column) value(r *row) (v any, present bool) {
	v, present = r.get(c.name)
	if n, ok := v.(json.Number); ok && c.readable {
		return time.Unix(parseNumber(n).i, 0).UTC().Format("2006-01-02T15:04:05Z"), true
	}
	return v, present
}

// text is what a row has in the column, as a cell. inferred: lists and objects
// are JSON, pointers are ids.
func (c column) text(r *row) string {
	switch v, _ := c.value(r); v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return string(appendJSON(nil, v))
	}
}

// render writes the file. inferred: everything about it.
func render(req exportRequest, columns []column, rows []*row) []byte {
	switch req.FileType {
	case "json":
		return renderJSON(columns, rows)
	case "xlsx":
		return renderXLSX(columns, rows)
	}
	return renderCSV(columns, rows)
}

func renderJSON(columns []column, rows []*row) []byte {
	objects := make([]object, len(rows))
	for i, r := range rows {
		for _, c := range columns {
			if v, present := c.value(r); present {
				objects[i] = append(objects[i], member{c.title, v})
			}
		}
	}
	return appendJSON(nil, objects)
}

func renderCSV(columns []column, rows []*row) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	for record := range records(columns, rows) {
		_ = w.Write(record) // goes to memory
	}
	w.Flush()
	return b.Bytes()
}

// records yields the titles and then the cells of every row.
func records(columns []column, rows []*row) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		record := make([]string, len(columns))
		for i, c := range columns {
			record[i] = c.title
		}
		more := yield(record)
		for i := 0; more && i < len(rows); i++ {
			for j, c := range columns {
				record[j] = c.text(rows[i])
			}
			more = yield(record)
		}
	}
}

// workbook is what a spreadsheet needs to be opened, besides the sheet.
var workbook = [][2]string{
	{"[Content_Types].xml", `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
		`<Default Extension="xml" ContentType="application/xml"/>` +
		`<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>` +
		`<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>`},
	{"_rels/.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
		`<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
	{"xl/workbook.xml", `<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" ` +
		`xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="export" sheetId="1" r:id="r1"/></sheets></workbook>`},
	{"xl/_rels/workbook.xml.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
		`<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`},
}

// renderXLSX writes a workbook of one sheet whose cells are texts.
func renderXLSX(columns []column, rows []*row) []byte {
	var sheet bytes.Buffer
	sheet.WriteString(`<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>`)
	for record := range records(columns, rows) {
		sheet.WriteString("<row>")
		for _, cell := range record {
			sheet.WriteString(`<c t="inlineStr"><is><t xml:space="preserve">`)
			_ = xml.EscapeText(&sheet, []byte(cell)) // goes to memory, as all that follows
			sheet.WriteString(`</t></is></c>`)
		}
		sheet.WriteString("</row>")
	}
	sheet.WriteString(`</sheetData></worksheet>`)
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, part := range append(slices.Clone(workbook), [2]string{"xl/worksheets/sheet1.xml", sheet.String()}) {
		if entry, err := w.Create(part[0]); err == nil {
			_, _ = entry.Write([]byte(xml.Header + part[1]))
		}
	}
	_ = w.Close()
	return b.Bytes()
}

// addExport adds a job; without an id it gets one.
func (st *store) addExport(t *table, id string, req exportRequest, now time.Time) *exportJob {
	if id == "" {
		hash := sha256.Sum256(fmt.Appendf(nil, "export %d", len(st.exports)))
		id = hex.EncodeToString(hash[:])[:32] // as long as the documented one
	}
	job := &exportJob{id: id, table: t.ID, fileType: req.FileType, created: now, name: t.Name + "-" + id[:min(8, len(id))] + "." + req.FileType}
	st.exports = append(st.exports, job)
	return job
}

// loadExport adds a job of a data file, of all rows of its table.
func (s *Server) loadExport(def ExportJob) error {
	t := s.store.tables[def.Table]
	if t == nil {
		return fmt.Errorf("no table %d", def.Table)
	}
	req := exportRequest{FileType: def.FileType, Mode: "all"}
	if bad := req.check(userve); bad != nil {
		return bad
	}
	rows, bad := s.exportedRows(t, req)
	if bad != nil {
		return bad
	}
	columns, _ := req.columns(t) // names none that could be wrong
	job := s.store.addExport(t, def.ID, req, time.Unix(def.CreatedAt, 0))
	job.fixed, job.content = def.Status, render(req, columns, rows)
	return nil
}

// status is the state of a job at a time, and since when.
func (j *exportJob) status(now time.Time, delay time.Duration) (status string, since time.Time) {
	half := j.created.Add(delay / 2)
	switch {
	case j.fixed != "":
		return j.fixed, j.created
	case now.Before(half):
		return "pending", j.created
	case now.Before(j.created.Add(delay)):
		return "ready", half
	}
	return "finish", j.created.Add(delay)
}

// object is the job as answers show it.
func (j *exportJob) object(s *Server, host string) object {
	now := s.now()
	status, since := j.status(now, s.limits.Load().ExportDelay)
	var link, name any
	if status == "finish" {
		link, name = j.link(host, now.Add(linkLifetime)), j.name
	}
	return object{
		{"created_at", j.created.Unix()},
		{"download_url", link},
		{"file_name", name},
		{"file_type", j.fileType},
		{"job_id", j.id},
		{"operation", "export"},
		{"status", status},
		{"updated_at", since.Unix()},
	}
}

// link is an address that works without credentials until a time.
func (j *exportJob) link(host string, until time.Time) string {
	expires := strconv.FormatInt(until.Unix(), 10)
	return "http://" + host + "/" + downloads + "/" + j.id + "/" + j.name + "?Expires=" + expires + "&Signature=" + j.sign(expires)
}

func (j *exportJob) sign(expires string) string {
	mac := hmac.New(sha256.New, []byte("emulator"))
	mac.Write([]byte(j.id + expires))
	return hex.EncodeToString(mac.Sum(nil))
}

// exportJob returns the job that the path names; the store is locked.
func (s *Server) exportJob(c *call) *exportJob {
	for _, job := range s.store.exports {
		if job.id == c.args["job"] {
			return job
		}
	}
	return nil
}

func (s *Server) getExport(c *call) (answer, *failure) {
	s.store.RLock()
	defer s.store.RUnlock()
	t, bad := s.table(c)
	if bad != nil {
		return answer{}, bad
	}
	job := s.exportJob(c)
	if job == nil || job.table != t.ID {
		return answer{}, fail(http.StatusNotFound, "job not found")
	}
	return jsonAnswer(http.StatusOK, job.object(s, c.r.Host)), nil
}

// listExports knows limit and offset, which the form of the documented answer
// implies. inferred: the newest come first.
func (s *Server) listExports(c *call) (answer, *failure) {
	limit, bad := intParam(c.query, "limit", 1, 20)
	if bad != nil {
		return answer{}, bad
	}
	offset, bad := intParam(c.query, "offset", 0, 0)
	if bad != nil {
		return answer{}, bad
	}
	s.store.RLock()
	defer s.store.RUnlock()
	t, bad := s.table(c)
	if bad != nil {
		return answer{}, bad
	}
	jobs := []object{}
	for _, job := range slices.Backward(s.store.exports) {
		if job.table == t.ID {
			jobs = append(jobs, job.object(s, c.r.Host))
		}
	}
	total := len(jobs)
	start := min(offset, total)
	end := start + min(limit, s.limits.Load().PageMax, total-start)
	path := fmt.Sprintf("/oserve/v1.5/table/%d/export/", t.ID)
	meta := pageMeta(path, c.query, limit, offset, end < total, &total)
	return jsonAnswer(http.StatusOK, object{{"meta", meta}, {"objects", jobs[start:end]}}), nil
}

// downloadExport serves a file to whoever has its link. inferred: all of it, in
// the manner of object stores, which refuse a second kind of credentials.
func (s *Server) downloadExport(c *call) (answer, *failure) {
	s.store.RLock()
	defer s.store.RUnlock()
	job := s.exportJob(c)
	expires, _ := strconv.ParseInt(c.query.Get("Expires"), 10, 64)
	switch {
	case job == nil || job.name != c.args["name"]:
		return answer{}, notFound()
	case c.r.Header.Get("Authorization") != "" || c.r.Header.Get("Cookie") != "":
		return answer{}, badRequest("only one kind of credentials is allowed")
	case c.query.Get("Signature") != job.sign(c.query.Get("Expires")), s.now().Unix() > expires:
		return answer{}, fail(http.StatusForbidden, "the link %s?%s is wrong or has expired", c.r.URL.Path, c.r.URL.RawQuery)
	}
	return job.serve(c.r.Header), nil
}

// serve answers with the file, or with its end if the request wants to go on
// with the same file.
func (j *exportJob) serve(asked http.Header) answer {
	hash := sha256.Sum256(j.content)
	tag := `"` + hex.EncodeToString(hash[:8]) + `"`
	modified := j.created.UTC().Format(http.TimeFormat)
	a := answer{status: http.StatusOK, body: j.content, header: http.Header{
		"Content-Type": {"application/octet-stream"}, "Accept-Ranges": {"bytes"}, "Etag": {tag}, "Last-Modified": {modified},
	}}
	from, ok := strings.CutPrefix(asked.Get("Range"), "bytes=")
	from, open := strings.CutSuffix(from, "-")
	first, err := strconv.Atoi(from)
	if same := asked.Get("If-Range"); !ok || !open || err != nil || same != "" && same != tag && same != modified {
		return a
	}
	size := len(j.content)
	if first < 0 || first >= size {
		a.status, a.body = http.StatusRequestedRangeNotSatisfiable, nil
		a.header.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		return a
	}
	a.status, a.body = http.StatusPartialContent, j.content[first:]
	a.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, size-1, size))
	return a
}
