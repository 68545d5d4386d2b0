package minapp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"sync"

	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/rows"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

// Table is one table whose rows are values of T: a struct with JSON tags,
// [Fields], or json.RawMessage for rows that are only passed on. It is
// immutable and safe for concurrent use.
type Table[T any] struct {
	client *Client
	id     TableID
	unique *sync.Map // columns that are known to have a unique index of their own
}

// TableOf binds a client, a table and a row type. A table id that is not
// positive is an error of each call. Leave the id out of the type: the service
// gives it, and [Record.ID] has it.
func TableOf[T any](c *Client, id TableID) *Table[T] {
	return &Table[T]{client: c, id: id, unique: new(sync.Map)}
}

// ID is the number of the table.
func (t *Table[T]) ID() TableID { return t.id }

// Client is the client of the table, for another view of it.
func (t *Table[T]) Client() *Client { return t.client }

// newCall checks table and options; path is what follows the table.
func (t *Table[T]) newCall(op operation.Operation, opts []CallOption, path ...string) (api.Call, error) {
	if t.client == nil {
		return api.Call{}, invalid(op, "the table has no client")
	}
	if err := t.id.check(); err != nil {
		return api.Call{}, invalid(op, "%w", err)
	}
	return newCall(op, opts, slices.Concat([]string{t.id.String()}, path)...)
}

// Record is one row. What the service adds to the columns is read from Raw
// when it is asked for.
type Record[T any] struct {
	Value T
	Raw   json.RawMessage // the row as received
}

// ID is the row's id, 24 hexadecimal digits, or "" if the row has none.
func (r *Record[T]) ID() string { return idOf(r.Raw) }

// idOf is the id of an object of the service, "" if it has none.
func idOf(object []byte) string {
	for _, name := range [...]string{"id", "_id"} {
		if raw, ok := rows.Member(object, name); ok {
			return text(raw)
		}
	}
	return ""
}

// CreatedAt is when the row was created, 0 if the row does not say. A writer
// may have set it.
func (r *Record[T]) CreatedAt() Timestamp { return r.timestamp("created_at") }

// UpdatedAt is when the row was last changed, 0 if the row does not say.
func (r *Record[T]) UpdatedAt() Timestamp { return r.timestamp("updated_at") }

func (r *Record[T]) timestamp(name string) Timestamp {
	var t Timestamp
	if raw, ok := rows.Member(r.Raw, name); ok {
		_ = t.UnmarshalJSON(raw) // zero is the documented answer
	}
	return t
}

// Meta is what the service keeps about every row.
type Meta struct {
	ID        string
	CreatedBy int64 // id of the user; 0 if unknown
	CreatedAt Timestamp
	UpdatedAt Timestamp
	RowPerm
}

// Meta reads all that the service keeps about the row, also when created_by
// was expanded.
func (r *Record[T]) Meta() (Meta, error) {
	var m struct {
		CreatedBy userID    `json:"created_by"`
		CreatedAt Timestamp `json:"created_at"`
		UpdatedAt Timestamp `json:"updated_at"`
		RowPerm
	}
	if err := json.Unmarshal(r.Raw, &m); err != nil {
		return Meta{}, newDecodeError(r.Raw, err)
	}
	return Meta{r.ID(), int64(m.CreatedBy), m.CreatedAt, m.UpdatedAt, m.RowPerm}, nil
}

// userID is created_by: a number, or the user's row when it was expanded,
// which may lack the id when keys trimmed it.
type userID int64

func (u *userID) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte("{")) {
		data, _ = rows.Member(data, "id")
	}
	if len(data) == 0 || string(data) == "null" {
		return nil
	}
	n, err := json.Number(text(data)).Int64()
	*u = userID(n)
	return err
}

// text is a JSON string's or number's text.
func text(raw []byte) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// UnmarshalJSON decodes a row as the service answers it, such as Raw of another
// record, with encoding/json.
func (r *Record[T]) UnmarshalJSON(data []byte) error {
	*r = Record[T]{}
	return r.decode(stdCodec{}, bytes.Clone(data))
}

// decode fills the record from a row. The row is kept even when it fails.
func (r *Record[T]) decode(codec Codec, raw json.RawMessage) error {
	r.Raw = raw
	if value, ok := any(&r.Value).(*json.RawMessage); ok {
		*value = raw
		return nil
	}
	if err := codec.Unmarshal(raw, &r.Value); err != nil {
		return newDecodeError(raw, err)
	}
	return nil
}

// checked reports whether a row that decode took is valid JSON throughout.
func (r *Record[T]) checked(codec Codec) bool {
	_, undecoded := any(&r.Value).(*json.RawMessage)
	_, standard := codec.(stdCodec)
	return standard && !undecoded
}

func newDecodeError(raw json.RawMessage, err error) *DecodeError {
	e := &DecodeError{ID: idOf(raw), Err: err}
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		e.Field = mismatch.Field
	}
	return e
}

// encode turns a row into the one object that a create needs: an array at the
// same URL would be a bulk create. The codec is given the pointer, which saves a
// copy and finds the methods of *T, too.
func encode[T any](codec Codec, row *T) ([]byte, error) {
	dynamic := dynamicRow(row)
	if raw, ok := dynamic.(json.RawMessage); ok {
		return writable(raw)
	}
	data, err := codec.Marshal(row)
	switch {
	case err != nil:
		return nil, err
	case dynamic != nil:
		return writable(data)
	}
	return data, mustBeObject(data)
}

// dynamicRow is a row without a type of its own, json.RawMessage or [Fields],
// and nil for every other one.
func dynamicRow(row any) any {
	switch row := row.(type) {
	case *json.RawMessage:
		return *row
	case *Fields:
		return *row
	case *any:
		switch (*row).(type) {
		case json.RawMessage, Fields:
			return *row
		}
	}
	return nil
}

func mustBeObject(data []byte) error {
	if !isObject(data) {
		return fmt.Errorf("the row encodes as %.20s, not as one JSON object", data)
	}
	return nil
}

// writable makes of a dynamic row as it was read one as it is written: without
// its id, which the service gives, and with ids where it holds rows. The
// service would drop those columns without a word.
func writable(row json.RawMessage) ([]byte, error) {
	if !json.Valid(row) {
		return nil, errors.New("the raw row is not valid JSON")
	}
	if err := mustBeObject(row); err != nil {
		return nil, err
	}
	_, id := rows.Member(row, "id")
	_, underscore := rows.Member(row, "_id")
	creator, _ := rows.Member(row, "created_by")
	if !id && !underscore && !isObject(creator) && !bytes.Contains(row, []byte(`"_table"`)) {
		return row, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(row, &members); err != nil {
		return nil, err
	}
	delete(members, "id")
	delete(members, "_id")
	for name, value := range members {
		if !isObject(value) {
			continue
		}
		// No object column can have a member _table: names begin with a letter.
		_, pointer := rows.Member(value, "_table")
		if !pointer && name != "created_by" {
			continue
		}
		id := idOf(value)
		if id == "" {
			return nil, fmt.Errorf("column %q holds a row without its id", name)
		}
		if pointer {
			id = strconv.Quote(id)
		}
		members[name] = json.RawMessage(id)
	}
	return json.Marshal(members)
}

// Get reads one row. [ErrNotFound] if there is none; [ErrInvalid] if the id is
// blank. Options: [CallKeys], [CallExpand]. Repeated automatically. Source:
// open-api/data/record.md.
func (t *Table[T]) Get(ctx context.Context, id string, opts ...CallOption) (*Record[T], error) {
	return t.one(ctx, operation.RecordsGet, opts, nil, false, id)
}

// Create writes one row and returns it as the service stored it: columns of
// the wrong type are dropped silently, which [CallStrict] notices. created_by,
// created_at, updated_at, read_perm and write_perm of the value are honoured.
// [ErrInvalid] if the value does not encode as one JSON object, before anything
// is sent, or if the service refuses the row, also for a duplicate under a
// unique index (400). A *[DecodeError] comes with the record: the row has been
// written, and only T cannot hold what came back. Options: [CallTriggers],
// [CallStrict]. Not repeated after a failure whose outcome is unknown
// ([ErrOutcomeUnknown]) without [CallReplay]. Source: open-api/data/record.md.
func (t *Table[T]) Create(ctx context.Context, v T, opts ...CallOption) (*Record[T], error) {
	op := operation.RecordsCreate
	if t.client == nil {
		return nil, invalid(op, "the table has no client")
	}
	body, err := encode(t.client.config.codec, &v)
	if err != nil {
		return nil, invalid(op, "value: %w", err)
	}
	return t.one(ctx, op, opts, body, false)
}

// Update changes the columns that the patch names and returns the row as it is
// then. Columns of the wrong type are dropped silently, which [CallStrict]
// notices. [ErrNotFound] if there is no such row; [ErrInvalid] if the id is blank
// or the patch empty or mistaken, before anything is sent, or if the service
// refuses it (400). A *[DecodeError] comes with the record: the row has been changed, and only T cannot hold what came back.
// Options: [CallTriggers], [CallStrict]. Repeated automatically if the patch is
// idempotent; otherwise a failure may be [ErrOutcomeUnknown]. Source:
// open-api/data/record.md.
func (t *Table[T]) Update(ctx context.Context, id string, p patch.Patch, opts ...CallOption) (*Record[T], error) {
	op := operation.RecordsUpdate
	body, err := p.MarshalJSON()
	if err != nil {
		return nil, invalid(op, "patch: %w", err)
	}
	return t.one(ctx, op, opts, body, !p.Idempotent(), id)
}

// one sends a call about one row and decodes the row that comes back.
func (t *Table[T]) one(ctx context.Context, op operation.Operation, opts []CallOption, body []byte, once bool, path ...string) (*Record[T], error) {
	call, err := t.newCall(op, opts, path...)
	if err != nil {
		return nil, err
	}
	if body != nil {
		call.Body = api.JSONBody(body)
	}
	call.Once = once
	res, err := t.client.api.Do(ctx, op, call)
	if err != nil {
		return nil, toError(err)
	}
	codec := t.client.config.codec
	record := new(Record[T])
	err = record.decode(codec, res.Body)
	if !isObject(res.Body) || (err != nil || !record.checked(codec)) && !json.Valid(res.Body) {
		return nil, misread(op, res, errors.New("the answer is not one JSON object"))
	}
	if call.Strict {
		err = errors.Join(err, compareRows(op, body, res.Body))
	}
	return record, err
}

// Delete removes one row, whatever its permissions. [ErrNotFound] if there is
// none; [ErrInvalid] if the id is blank, which would address the whole table.
// After a repetition, a 404 counts as success if an earlier attempt may
// have removed the row. Repeated automatically. Source:
// open-api/data/record.md.
func (t *Table[T]) Delete(ctx context.Context, id string, opts ...CallOption) error {
	op := operation.RecordsDelete
	call, err := t.newCall(op, opts, id)
	if err != nil {
		return err
	}
	return t.client.send(ctx, op, call, nil, nil)
}

// RecordService reads and writes rows without a type of their own: every
// method is that of [Table] for [Fields].
type RecordService struct{ client *Client }

func (s *RecordService) of(id TableID) *Table[Fields] { return TableOf[Fields](s.client, id) }

// Get is [Table.Get].
func (s *RecordService) Get(ctx context.Context, table TableID, id string, opts ...CallOption) (*Record[Fields], error) {
	return s.of(table).Get(ctx, id, opts...)
}

// Page is [Table.Page].
func (s *RecordService) Page(ctx context.Context, table TableID, q Query, opts ...CallOption) (*Page[Fields], error) {
	return s.of(table).Page(ctx, q, opts...)
}

// All is [Table.All].
func (s *RecordService) All(ctx context.Context, table TableID, q Query, opts ...CallOption) iter.Seq2[*Record[Fields], error] {
	return s.of(table).All(ctx, q, opts...)
}

// Scan is [Table.Scan].
func (s *RecordService) Scan(ctx context.Context, table TableID, o ScanOptions, opts ...CallOption) iter.Seq2[*Record[Fields], error] {
	return s.of(table).Scan(ctx, o, opts...)
}

// Count is [Table.Count].
func (s *RecordService) Count(ctx context.Context, table TableID, cond where.Cond, opts ...CallOption) (int64, error) {
	return s.of(table).Count(ctx, cond, opts...)
}

// Create is [Table.Create].
func (s *RecordService) Create(ctx context.Context, table TableID, v Fields, opts ...CallOption) (*Record[Fields], error) {
	return s.of(table).Create(ctx, v, opts...)
}

// Update is [Table.Update].
func (s *RecordService) Update(ctx context.Context, table TableID, id string, p patch.Patch, opts ...CallOption) (*Record[Fields], error) {
	return s.of(table).Update(ctx, id, p, opts...)
}

// Delete is [Table.Delete].
func (s *RecordService) Delete(ctx context.Context, table TableID, id string, opts ...CallOption) error {
	return s.of(table).Delete(ctx, id, opts...)
}
