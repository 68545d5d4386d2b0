package minapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/operation"
)

// Client calls the services. It is immutable and safe for concurrent use; make
// one and share it.
type Client struct {
	Tables  *TableService  // tables and their schemas
	Records *RecordService // rows without a type of their own; see [TableOf]
	Bulk    *BulkService   // many rows at once, without a type of their own
	Users   *UserService   // the application's users, to read
	Files   *FileService   // the application's files, to read

	ExportTasks *ExportTaskService // MatrixOne Intelligence: files of a volume to Dify, S3, OSS or MatrixOne
	Connectors  *ConnectorService  // MatrixOne Intelligence: where export tasks lead
	Exports     *ExportService     // tables to files
	Imports     *ImportService     // files to tables

	config config
	api    *api.Sender
}

// NewClient makes a client. It opens no connection and reads no environment;
// every mistake in the options is reported, joined, in one error that is
// [ErrInvalid].
func NewClient(opts ...Option) (*Client, error) {
	cfg := defaults()
	if err := cfg.apply(opts); err != nil {
		return nil, err
	}
	if cfg.transport == nil {
		cfg.transport = defaultTransport()
	}
	return newClient(cfg, new(api.Shared)), nil
}

// With derives a client that shares connections, pacing and statistics with
// this one and differs in the options given. A credential replaces the earlier
// one. Mistakes are reported as by [NewClient].
func (c *Client) With(opts ...Option) (*Client, error) {
	cfg := c.config
	if err := cfg.apply(opts); err != nil {
		return nil, err
	}
	return newClient(cfg, c.api.Shared), nil
}

func newClient(cfg config, shared *api.Shared) *Client {
	c := &Client{config: cfg, api: cfg.sender(shared)}
	c.Tables = &TableService{c}
	c.Records = &RecordService{c}
	c.Bulk = &BulkService{c}
	c.Users = &UserService{c}
	c.Files = &FileService{c}
	c.ExportTasks = &ExportTaskService{c}
	c.Connectors = &ConnectorService{c}
	c.Exports = &ExportService{c}
	c.Imports = &ImportService{c}
	return c
}

// String names the client without its credentials.
func (c *Client) String() string { return "minapp.Client(" + c.config.base.Host + ")" }

// GoString is String: %#v would print the configuration.
func (c *Client) GoString() string { return c.String() }

// Format keeps %+v from walking into the configuration, also of a copy.
func (c Client) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }

// CloseIdleConnections closes the connections that are not in use. Connections
// close by themselves 90 seconds after their last use.
func (c *Client) CloseIdleConnections() {
	(&http.Client{Transport: c.config.transport}).CloseIdleConnections()
}

// Stats is what a client and those derived from it have done so far.
type Stats struct {
	Requests  int64         // sent, repetitions included
	Retries   int64         // requests that repeated an earlier one
	Throttled int64         // answers 429
	Waited    time.Duration // for the limiter and after a 429, added up over all calls
	Sent      int64         // bytes of request bodies
	Received  int64         // bytes of answers' bodies, after decompression
}

// Stats returns a snapshot.
func (c *Client) Stats() Stats {
	s := c.api.Shared
	return Stats{
		Requests: s.Requests.Load(), Retries: s.Retries.Load(), Throttled: s.Throttled.Load(),
		Waited: time.Duration(s.Waited.Load()), Sent: s.Sent.Load(), Received: s.Received.Load(),
	}
}

// Request is a call that this package has no method for.
type Request struct {
	Method string     // GET, POST, PUT, PATCH or DELETE
	Path   string     // below the surface, unescaped: "v2.2/file/" or "/v2.2/file/"
	Query  url.Values // parameters; nil is none
	Body   any        // sent as JSON; nil is none; json.RawMessage goes as it is
}

// Do sends any call of the configured surface with the same authentication,
// pacing, retries and errors as every other. The answer is decoded into out,
// which may be nil, or *json.RawMessage for the bytes themselves. Another method
// than those of [Request], and a path with a blank segment, are [ErrInvalid]. A
// GET is repeated automatically; anything else is not repeated after a failure
// whose outcome is unknown ([ErrOutcomeUnknown]) without [CallReplay].
func (c *Client) Do(ctx context.Context, r Request, out any, opts ...CallOption) error {
	op := operation.Custom(r.Method, "")
	if !slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, r.Method) {
		return invalid(op, "Request.Method is %q", r.Method)
	}
	call, err := newCall(op, opts)
	if err != nil {
		return err
	}
	op.Path = "/{surface}"
	for segment := range strings.SplitSeq(strings.Trim(r.Path, "/"), "/") {
		op.Path += "/{path segment}"
		call.Path = append(call.Path, segment)
	}
	op.Path += "/"
	call.Query = r.Query
	return c.send(ctx, op, call, r.Body, out)
}

// ServerTime is the service's clock, as the time stamps of rows show it, in
// the zone that the service names. Repeated automatically. Source:
// open-api/utils.md.
func (c *Client) ServerTime(ctx context.Context, opts ...CallOption) (time.Time, error) {
	op := operation.ServerTime
	call, err := newCall(op, opts)
	if err != nil {
		return time.Time{}, err
	}
	var answer struct {
		Time *time.Time `json:"time"`
	}
	err = c.send(ctx, op, call, nil, &answer)
	if err == nil && answer.Time == nil {
		err = failed(op, "%w: no time in the answer", ErrProtocol)
	}
	if err != nil {
		return time.Time{}, err
	}
	return *answer.Time, nil
}

// send is the way of every call with a fixed answer: encode, send, decode.
// A nil body is no body, a nil out is no answer.
func (c *Client) send(ctx context.Context, op operation.Operation, call api.Call, body, out any) error {
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return invalid(op, "body: %w", err)
		}
		call.Body = api.JSONBody(data)
	}
	res, err := c.api.Do(ctx, op, call)
	if err != nil {
		return toError(err)
	}
	if out == nil || op.Answer == operation.Any && len(res.Body) == 0 {
		return nil
	}
	if op.Service == operation.MOI && (len(res.Body) == 0 || string(res.Body) == "null") {
		return misread(op, res, errors.New("the envelope holds no data"))
	}
	if err := json.Unmarshal(res.Body, out); err != nil {
		return misread(op, res, err)
	}
	return nil
}
