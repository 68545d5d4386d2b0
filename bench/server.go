package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// server answers what the jobs ask, from prepared bytes. The first segment of
// a path is the latency it adds, such as "50ms", and the number of a table is
// the number of its rows.
type server struct {
	rows    prepared
	reply   []byte // the results of one batch, each with a comma behind it
	batch   layout // of the rows that are written
	buffers sync.Pool

	mu      sync.Mutex
	written tally
}

// report is what the server says about itself. Asking for it clears Written.
type report struct {
	CPU     float64 // seconds since its start
	Written tally
}

const success = `{"success":{"id":"5be3f578405072006c4b0001","created_at":1541666168}},`

func newServer() (*server, error) {
	rows, err := prepare()
	if err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(product(0))
	if err != nil {
		return nil, err
	}
	return &server{
		rows: rows, reply: bytes.Repeat([]byte(success), pageSize), batch: newLayout(encoded),
		buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}, nil
}

// serve listens on loopback, tells its address on the first line of out, and
// ends when in does, so that it never outlives whoever started it.
func serve(ctx context.Context, in io.Reader, out io.Writer) error {
	s, err := newServer()
	if err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h := &http.Server{Handler: s.handler(), ReadHeaderTimeout: time.Minute}
	go func() {
		_, _ = io.Copy(io.Discard, in) // an error is the end, too
		_ = h.Close()
	}()
	if _, err := fmt.Fprintf(out, "http://%s\n", l.Addr()); err != nil {
		return err
	}
	if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// handler refuses whatever it was not made for: a client that sends something
// else fails its job instead of being measured.
func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, answer func(*http.Request, *bytes.Buffer) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.answer(w, r, answer) })
	}
	handle("GET /{latency}/oserve/v2.4/table/{rows}/record/{$}", s.list)
	handle("POST /{latency}/oserve/v2.4/table/{rows}/record/{$}", s.create)
	handle("GET /{latency}/oserve/v2.4/table/{rows}/record/{id}/{$}", s.get)
	mux.HandleFunc("GET /{latency}/files/{mib}", serveFile)
	mux.HandleFunc("POST /{latency}/oserve/v1/table/{mib}/import/{$}", s.takeFile)
	mux.HandleFunc("GET /report", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(s.report()) })
	return mux
}

func (s *server) answer(w http.ResponseWriter, r *http.Request, answer func(*http.Request, *bytes.Buffer) error) {
	latency, err := time.ParseDuration(r.PathValue("latency"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body := s.buffers.Get().(*bytes.Buffer)
	defer s.buffers.Put(body)
	body.Reset()
	if err := answer(r, body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if latency > 0 {
		select {
		case <-time.After(latency):
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	_, _ = w.Write(body.Bytes()) // whoever does not read on has stopped the job
}

func (s *server) report() report {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := report{CPU: cpuSeconds(), Written: s.written}
	s.written = tally{}
	return out
}

// list answers a page: a stretch of the table, because rows stand in the order
// of both time and id.
func (s *server) list(r *http.Request, body *bytes.Buffer) error {
	q, err := parseList(r)
	if err != nil {
		return err
	}
	from := min(q.from+q.offset, q.to)
	to := min(from+q.limit, q.to)
	if q.newest {
		from, to = max(q.from, q.to-1), q.to
	}
	next := "null"
	if to < q.to {
		next = fmt.Sprintf(`"%s?limit=%d&offset=%d"`, r.URL.Path, q.limit, q.offset+q.limit)
	}
	fmt.Fprintf(body, `{"meta":{"limit":%d,"next":%s,"offset":%d,"previous":null`, q.limit, next, q.offset)
	if q.total {
		fmt.Fprintf(body, `,"total_count":%d`, q.to-q.from)
	}
	body.WriteString(`},"objects":[`)
	body.Grow((to-from)*(s.rows.width+1) + 2)
	body.Write(s.rows.appendRows(body.AvailableBuffer(), from, to))
	body.WriteString("]}")
	return nil
}

// listQuery is a stretch of a table and the page of it that is wanted.
type listQuery struct {
	from, to      int
	limit, offset int
	newest, total bool
}

func parseList(r *http.Request) (q listQuery, err error) {
	if q.to, err = strconv.Atoi(r.PathValue("rows")); err != nil {
		return q, err
	}
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, err
	}
	q.limit = 20
	for name := range params {
		value := params.Get(name)
		switch name {
		case "where":
			err = q.where(value)
		case "limit":
			q.limit, err = strconv.Atoi(value)
		case "offset":
			q.offset, err = strconv.Atoi(value)
		case "order_by":
			q.newest = value == "-created_at"
			if !q.newest && value != "created_at" && value != "created_at,id" && value != "id" {
				err = fmt.Errorf("order_by %q", value)
			}
		case "return_total_count":
			q.total = value == "1"
		case "keys":
			// One row with all columns costs no more than one with few.
		default:
			err = fmt.Errorf("parameter %q", name)
		}
		if err != nil {
			return q, err
		}
	}
	if q.limit < 1 || q.limit > pageSize || q.offset < 0 {
		return q, fmt.Errorf("limit %d, offset %d", q.limit, q.offset)
	}
	if few := q.newest || params.Has("keys"); few && q.limit != 1 {
		return q, errors.New("this server orders downwards and chooses columns for one row only")
	}
	return q, nil
}

// where narrows the stretch by conditions on created_at.
func (q *listQuery) where(text string) error {
	type condition struct {
		CreatedAt struct {
			Gte    *int64 `json:"$gte"`
			Lt     *int64 `json:"$lt"`
			Eq     *int64 `json:"$eq"`
			IsNull bool   `json:"$isnull"`
		} `json:"created_at"`
	}
	var filter struct {
		condition
		And []condition `json:"$and"`
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&filter); err != nil {
		return fmt.Errorf("where %s: %w", text, err)
	}
	for _, c := range append(filter.And, filter.condition) {
		at := c.CreatedAt
		if at.Eq != nil {
			after := *at.Eq + 1
			at.Gte, at.Lt = at.Eq, &after
		}
		if at.Gte != nil {
			q.from = max(q.from, firstAt(*at.Gte))
		}
		if at.Lt != nil {
			q.to = min(q.to, firstAt(*at.Lt))
		}
		if at.IsNull {
			q.to = q.from
		}
	}
	q.to = max(q.from, q.to)
	return nil
}

// firstAt is the position of the first row created at or after a second.
func firstAt(second int64) int { return int(max(0, second-createdAt(0))) * perSecond }

func (s *server) get(r *http.Request, body *bytes.Buffer) error {
	id := r.PathValue("id")
	thousands, err := strconv.Atoi(id[min(10, len(id)):min(17, len(id))])
	if err != nil {
		return err
	}
	rest, err := strconv.Atoi(id[min(17, len(id)):])
	if err != nil {
		return err
	}
	i := (thousands-firstKilo)*period + rest
	if rowID(i) != id {
		return fmt.Errorf("no row %q", id)
	}
	body.Grow(s.rows.width + 1)
	body.Write(s.rows.appendRows(body.AvailableBuffer(), i, i+1))
	return nil
}

// create counts the rows of a batch and adds up their sums.
func (s *server) create(r *http.Request, body *bytes.Buffer) error {
	if _, err := body.ReadFrom(r.Body); err != nil {
		return err
	}
	got, err := s.batchTally(bytes.TrimSpace(body.Bytes()))
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.written.Rows += got.Rows
	s.written.Price += got.Price
	s.written.Created += got.Created
	s.mu.Unlock()
	body.Reset()
	body.WriteString(`{"operation_result":[`)
	body.Write(s.reply[:int(got.Rows)*len(success)-1])
	fmt.Fprintf(body, `],"total_count":%d,"succeed":%d}`, got.Rows, got.Rows)
	return nil
}

// batchTally reads a list of rows that are all equally long.
func (s *server) batchTally(list []byte) (t tally, err error) {
	stride := s.batch.width + 1
	n := len(list) / stride
	if n < 1 || n > pageSize || len(list) != n*stride+1 || list[0] != '[' || list[len(list)-1] != ']' {
		return t, fmt.Errorf("a batch of %d bytes is no list of rows of %d", len(list), s.batch.width)
	}
	for i := range n {
		if err := s.batch.add(&t, list[1+i*stride:][:s.batch.width]); err != nil {
			return t, err
		}
	}
	return t, nil
}
