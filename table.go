package minapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/rows"
)

// TableService manages tables, their schemas and their unique indexes. Source:
// open-api/data/table.md.
type TableService struct{ client *Client }

// TableSpec describes a table to be created. Permissions are strings such as
// [PermAnonymous] or [PermGroup]; what [PermUsers] means depends on
// [WithTableVersion]. A nil list is sent as an empty one, which permits nobody
// but server-side calls.
type TableSpec struct {
	Name      string   // at most 32 characters: a letter, then letters, digits, _
	Fields    []Field  // at most three pointers; id, created_by, created_at and updated_at are added by the service
	Rows      RowPerm  // who may read and update new rows
	CreateRow []string // who may create rows
}

// TableUpdate changes a table. Only what is set is sent, and the rest stays as
// it is: an empty name, a nil list. A list that is empty but not nil permits
// nobody but server-side calls.
type TableUpdate struct {
	Name string
	// Fields is the whole list of columns as it shall be. That the service
	// replaces the old list by it, and forgets the columns it leaves out, is
	// inferred: no document says whether it replaces or merges.
	Fields    []Field
	Rows      RowPerm  // of rows created from now on
	CreateRow []string // who may create rows
}

// TableInfo is a table as the service describes it.
type TableInfo struct {
	ID              TableID
	Name            string
	Fields          []Field  // built-in columns may be among them
	ProtectedFields []string // of built-in tables; nil for others
	Rows            RowPerm  // who may read and update new rows
	CreateRow       []string // who may create rows
	CreatedAt       Timestamp
	UpdatedAt       Timestamp
}

// Spec is what creates a table like this one: without the columns that the
// service adds or protects, with the same permissions. The name is this
// table's, and pointers point where they pointed, so that a table that points
// at itself points at the old one. Unique indexes are not part of it; see
// [TableService.Indexes].
func (t *TableInfo) Spec() TableSpec {
	fields := slices.DeleteFunc(slices.Clone(t.Fields), func(f Field) bool {
		return slices.Contains(builtIn, f.Name) || slices.Contains(t.ProtectedFields, f.Name) || strings.HasPrefix(f.Name, "_")
	})
	return TableSpec{Name: t.Name, Fields: fields, Rows: t.Rows, CreateRow: t.CreateRow}
}

// Index is a unique index: no two rows have the same values in its columns.
type Index struct {
	Name   string   `json:"index"` // given by the service, such as name_1_description_1
	Fields []string `json:"fields"`
}

// Row permissions have one spelling in requests and another in answers; these
// two types are the only place that knows.
type (
	tableRequest struct {
		Name   string   `json:"name,omitzero"`
		Schema schema   `json:"schema,omitzero"`
		Read   []string `json:"row_read_perm,omitzero"`
		Write  []string `json:"row_write_perm,omitzero"`
		Create []string `json:"write_perm,omitzero"`
	}
	tableAnswer struct {
		ID        TableID  `json:"id"`
		Name      string   `json:"name"`
		Protected []string `json:"protected_fields"`
		Schema    schema   `json:"schema"`
		Create    []string `json:"write_perm"`
		Rows      struct {
			Read  []string `json:"_read_perm"`
			Write []string `json:"_write_perm"`
		} `json:"default_row_perm"`
		CreatedAt Timestamp `json:"created_at"`
		UpdatedAt Timestamp `json:"updated_at"`
	}
	schema struct {
		Fields []Field `json:"fields"`
	}
)

func (s schema) IsZero() bool { return s.Fields == nil }

func (s TableSpec) request() tableRequest {
	return tableRequest{
		Name: s.Name, Schema: schema{orEmpty(s.Fields)},
		Read: orEmpty(s.Rows.ReadPerm), Write: orEmpty(s.Rows.WritePerm), Create: orEmpty(s.CreateRow),
	}
}

func (u TableUpdate) request() tableRequest {
	return tableRequest{Name: u.Name, Schema: schema{u.Fields}, Read: u.Rows.ReadPerm, Write: u.Rows.WritePerm, Create: u.CreateRow}
}

// orEmpty keeps a list from being left out.
func orEmpty[E any](list []E) []E {
	if list == nil {
		return []E{}
	}
	return list
}

func (a *tableAnswer) info() TableInfo {
	return TableInfo{
		ID: a.ID, Name: a.Name, Fields: a.Schema.Fields, ProtectedFields: a.Protected,
		Rows: RowPerm{a.Rows.Read, a.Rows.Write}, CreateRow: a.Create,
		CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt,
	}
}

// newCall checks the id of the table, if path has one, and the options.
func (s *TableService) newCall(op operation.Operation, opts []CallOption, id TableID, path ...string) (api.Call, error) {
	if err := id.check(); err != nil {
		return api.Call{}, invalid(op, "%w", err)
	}
	return newCall(op, opts, path...)
}

// Create makes a table. A name that exists is [ErrInvalid] (400), and so is a
// mistake in the spec, before anything is sent. Not repeated after a failure
// whose outcome is unknown ([ErrOutcomeUnknown]) without [CallReplay]:
// [TableService.FindByName] tells whether it happened. Source:
// open-api/data/table.md.
func (s *TableService) Create(ctx context.Context, spec TableSpec, opts ...CallOption) (*TableInfo, error) {
	op := operation.TablesCreate
	if err := spec.check(); err != nil {
		return nil, invalid(op, "%w", err)
	}
	call, err := newCall(op, opts, s.version())
	if err != nil {
		return nil, err
	}
	return s.one(ctx, op, call, spec.request())
}

// Get describes a table. [ErrNotFound] if there is none. Repeated
// automatically. Source: open-api/data/table.md.
func (s *TableService) Get(ctx context.Context, id TableID, opts ...CallOption) (*TableInfo, error) {
	op := operation.TablesGet
	call, err := s.newCall(op, opts, id, s.version(), id.String())
	if err != nil {
		return nil, err
	}
	return s.one(ctx, op, call, nil)
}

// Update changes what the update names and returns the table as it is then. A
// name that exists is [ErrInvalid] (400), and so is renaming a table that
// others point at, or an update that changes nothing. [ErrNotFound] if there is no such table. Repeated
// automatically. Source: open-api/data/table.md.
func (s *TableService) Update(ctx context.Context, id TableID, update TableUpdate, opts ...CallOption) (*TableInfo, error) {
	op := operation.TablesUpdate
	if err := update.check(); err != nil {
		return nil, invalid(op, "%w", err)
	}
	call, err := s.newCall(op, opts, id, s.version(), id.String())
	if err != nil {
		return nil, err
	}
	return s.one(ctx, op, call, update.request())
}

func (s *TableService) version() string { return s.client.config.tableVersion }

func (s *TableService) one(ctx context.Context, op operation.Operation, call api.Call, body any) (*TableInfo, error) {
	var answer tableAnswer
	if err := s.client.send(ctx, op, call, body, &answer); err != nil {
		return nil, err
	}
	return new(answer.info()), nil
}

// Delete removes a table with all its rows, for good. [ErrNotFound] if there is
// none; a table that others point at cannot be deleted, which is probably
// [ErrInvalid] (inferred: no refusal is documented). Repeated automatically: a
// 404 that follows an attempt which may have succeeded counts as success.
// Source: open-api/data/table.md.
func (s *TableService) Delete(ctx context.Context, id TableID, opts ...CallOption) error {
	op := operation.TablesDelete
	call, err := s.newCall(op, opts, id, s.version(), id.String())
	if err != nil {
		return err
	}
	return s.client.send(ctx, op, call, nil, nil)
}

// TableQuery chooses tables. The zero value is all of them.
type TableQuery struct {
	Name     string `url:"name,omitempty"` // only the table of exactly this name
	PageSize int    `url:"-"`              // tables per request, 1 to 1000; 0 is 1000
	Offset   int    `url:"-"`              // tables to leave out first
}

// TablePage is one page of tables.
type TablePage struct {
	Tables []*TableInfo
	Total  int64 // tables that match the query; -1 if the service does not say
	More   bool  // whether a next page exists
}

func (s *TableService) list(q TableQuery, opts []CallOption) (l lister[TableInfo]) {
	l.client, l.op = s.client, operation.TablesList
	l.decode = func(page rows.Page) ([]*TableInfo, []error) {
		answers, errs := decodeElements[tableAnswer](page)
		tables := make([]*TableInfo, len(answers))
		for i, answer := range answers {
			tables[i] = new(answer.info())
		}
		return tables, errs
	}
	if l.call, l.err = newCall(l.op, opts, s.version()); l.err != nil {
		return l
	}
	if l.window, l.err = newWindow(q.PageSize, q.Offset, 0); l.err != nil {
		l.err = invalid(l.op, "TableQuery: %w", l.err)
		return l
	}
	l.call.Query, l.err = encodeQuery(q)
	return l
}

// Page reads one page of tables. Repeated automatically. Source:
// open-api/data/table.md.
func (s *TableService) Page(ctx context.Context, q TableQuery, opts ...CallOption) (*TablePage, error) {
	page, err := s.list(q, opts).page(ctx)
	if page == nil {
		return nil, err
	}
	return &TablePage{page.elements, page.total, page.more}, err
}

// All reads every table that matches, page after page, in the manner of
// [Table.All]. Source: open-api/data/table.md.
func (s *TableService) All(ctx context.Context, q TableQuery, opts ...CallOption) iter.Seq2[*TableInfo, error] {
	return s.list(q, opts).all(ctx)
}

// FindByName returns the table of exactly this name, [ErrNotFound] if there is
// none. Repeated automatically. Source: open-api/data/table.md.
func (s *TableService) FindByName(ctx context.Context, name string, opts ...CallOption) (*TableInfo, error) {
	op := operation.TablesList
	if strings.TrimSpace(name) == "" {
		return nil, invalid(op, "name is blank")
	}
	for info, err := range s.All(ctx, TableQuery{Name: name}, opts...) {
		if err != nil {
			return nil, err
		}
		if info.Name == name { // the service might fold case or match parts
			return info, nil
		}
	}
	return nil, failed(op, "table %q: %w", name, ErrNotFound)
}

// newIndexCall refuses a session: only the open API has indexes.
func (s *TableService) newIndexCall(op operation.Operation, opts []CallOption, id TableID, path ...string) (api.Call, error) {
	if s.client.api.Surface != "oserve" {
		return api.Call{}, invalid(op, "unique indexes need a token: no document has them for a session (WithSession)")
	}
	return s.newCall(op, opts, id, append([]string{id.String()}, path...)...)
}

// Indexes lists the unique indexes of a table; with a session ([WithSession])
// they are [ErrInvalid]. Repeated automatically. Source:
// open-api/data/table.md.
func (s *TableService) Indexes(ctx context.Context, id TableID, opts ...CallOption) ([]Index, error) {
	l := lister[Index]{decode: decodeElements[Index]}
	l.client, l.op, l.key, l.window = s.client, operation.IndexesList, "index", window{limit: maxPage, size: maxPage}
	l.call, l.err = s.newIndexCall(l.op, opts, id)
	var indexes []Index
	for index, err := range l.all(ctx) {
		if err != nil {
			return nil, err
		}
		indexes = append(indexes, *index)
	}
	return indexes, nil
}

// CreateIndex makes a unique index over the columns and returns it with the
// name that the service gives it. Rows that violate it already, and an index
// that exists, are probably [ErrInvalid] (inferred: no refusal is documented);
// with a session ([WithSession]) it always is. Not repeated after a failure
// whose outcome is unknown ([ErrOutcomeUnknown]) without [CallReplay]:
// [TableService.Indexes] tells whether it happened. Source:
// open-api/data/table.md.
func (s *TableService) CreateIndex(ctx context.Context, id TableID, fields []string, opts ...CallOption) (*Index, error) {
	op := operation.IndexesCreate
	if len(fields) == 0 {
		return nil, invalid(op, "no fields given")
	}
	if err := checkNames("fields", fields); err != nil {
		return nil, invalid(op, "%w", err)
	}
	call, err := s.newIndexCall(op, opts, id)
	if err != nil {
		return nil, err
	}
	// The answer lists the new index among others; that these are all of the
	// table's is inferred from the sample.
	answer := indexAnswer{fields: fields}
	if err := s.client.send(ctx, op, call, map[string][]string{"fields": fields}, &answer); err != nil {
		return nil, err
	}
	return &answer.Index, nil
}

// indexAnswer finds the index over fields in a list.
type indexAnswer struct {
	Index
	fields []string
}

// UnmarshalJSON fails if the list does not have the index.
func (a *indexAnswer) UnmarshalJSON(data []byte) error {
	var list []Index
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(index Index) bool { return slices.Equal(index.Fields, a.fields) })
	if i < 0 {
		return fmt.Errorf("no index over %q in the answer", a.fields)
	}
	a.Index = list[i]
	return nil
}

// DeleteIndex removes a unique index by the name that the service gave it.
// [ErrNotFound] if there is none (inferred); with a session ([WithSession]) it
// is [ErrInvalid]. Repeated automatically: a 404 that follows an attempt which
// may have succeeded counts as success. Source: open-api/data/table.md.
func (s *TableService) DeleteIndex(ctx context.Context, id TableID, name string, opts ...CallOption) error {
	op := operation.IndexesDelete
	call, err := s.newIndexCall(op, opts, id, name)
	if err != nil {
		return err
	}
	return s.client.send(ctx, op, call, nil, nil)
}

// String is the decimal form of the id.
func (id TableID) String() string { return strconv.FormatInt(int64(id), 10) }

func (id TableID) check() error {
	if id <= 0 {
		return fmt.Errorf("table id is %d", int64(id))
	}
	return nil
}

// check refuses what the service documents as refused. what is the argument.
func (r tableRequest) check(what string) error {
	if r.Name != "" {
		if err := checkName(what+".Name", r.Name); err != nil {
			return err
		}
	}
	return checkFields(what+".Fields", r.Schema.Fields)
}

func (s TableSpec) check() error {
	if s.Name == "" {
		return errors.New("TableSpec.Name is empty")
	}
	return s.request().check("TableSpec")
}

func (u TableUpdate) check() error {
	r := u.request()
	if r.Name == "" && r.Schema.IsZero() && r.Read == nil && r.Write == nil && r.Create == nil {
		return errors.New("TableUpdate changes nothing")
	}
	return r.check("TableUpdate")
}
