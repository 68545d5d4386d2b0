package minapp

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/minapp-go/minapp/internal/api"
)

// TableService manages tables and their schemas. Source:
// open-api/data/table.md.
type TableService struct{ client *Client }

// The types of columns. Types that this list does not have are passed through.
const (
	TypeString  = "string"
	TypeInteger = "integer"
	TypeNumber  = "number"
	TypeBoolean = "boolean"
	TypeArray   = "array"     // needs Items
	TypeObject  = "object"    // documented for the console only
	TypeGeoJSON = "geojson"   // needs Format and CoordinateType
	TypeFile    = "file"      // six attributes of a stored file
	TypeDate    = "date"      // ISO 8601 strings with an offset
	TypePointer = "reference" // needs SchemaID
)

// Attributes of geojson columns.
const (
	FormatDefault = "default" // the only Format
	CoordWGS84    = "wgs84"   // CoordinateType: earth coordinates, as GPS gives them
	CoordGCJ02    = "gcj02"   // CoordinateType: shifted, as maps of China use them
)

// maxName is the longest name of a table or a column, in characters.
const maxName = 32

// Field is a column of a table.
type Field struct {
	Name           string          `json:"name"` // at most 32 characters: a letter, then letters, digits, _
	Type           string          `json:"type"`
	Items          *ItemType       `json:"items,omitempty"`           // of an array
	Format         string          `json:"format,omitempty"`          // of geojson: FormatDefault
	CoordinateType string          `json:"coordinate_type,omitempty"` // of geojson
	SchemaID       TableRef        `json:"schema_id,omitzero"`        // of a pointer: the table it points at
	Description    string          `json:"description,omitempty"`     // the service puts the name if empty
	Constraints    *Constraints    `json:"constraints,omitempty"`
	Default        json.RawMessage `json:"default,omitempty"` // a value of the column's type
	ACL            json.RawMessage `json:"acl,omitempty"`     // visibility in client programs, as the service has it
}

// ItemType is the type of the elements of an array column.
type ItemType struct {
	Type string `json:"type"` // string, integer, number or boolean; the console knows more
}

// Constraints is what the service checks when a row is written.
type Constraints struct {
	Required bool `json:"required"`
}

// TableRef is the table a pointer column points at. The service takes it as
// text and may answer it as a number.
type TableRef TableID

// MarshalJSON writes the number as text, as the document has it.
func (r TableRef) MarshalJSON() ([]byte, error) {
	return strconv.AppendQuote(nil, strconv.FormatInt(int64(r), 10)), nil
}

// UnmarshalJSON reads text or a number.
func (r *TableRef) UnmarshalJSON(data []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(data), `"`), 10, 64)
	if err != nil {
		return fmt.Errorf("minapp: schema_id %s is no table id", data)
	}
	*r = TableRef(n)
	return nil
}

// TableSpec describes a table to be created. Permissions are strings of the
// service: "user:*", "user:anonymous", "user:<id>", "gid:<group id>"; what
// user:* means depends on [WithTableVersion]. A nil list is sent as an empty
// one, which permits nobody but server-side calls.
type TableSpec struct {
	Name      string   // at most 32 characters: a letter, then letters, digits, _
	Fields    []Field  // id, created_by, created_at and updated_at are added by the service
	RowRead   []string // who may read new rows
	RowWrite  []string // who may update new rows
	CreateRow []string // who may create rows
}

// TableInfo is a table as the service describes it.
type TableInfo struct {
	ID              TableID
	Name            string
	Fields          []Field  // built-in columns may be among them
	ProtectedFields []string // of built-in tables; nil for others
	RowRead         []string
	RowWrite        []string
	CreateRow       []string
	CreatedAt       Timestamp
	UpdatedAt       Timestamp
}

// Row permissions have one spelling in requests and another in answers; these
// two types are the only place that knows.
type (
	tableRequest struct {
		Name   string   `json:"name"`
		Schema schema   `json:"schema"`
		Read   []string `json:"row_read_perm"`
		Write  []string `json:"row_write_perm"`
		Create []string `json:"write_perm"`
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

func (s TableSpec) request() tableRequest {
	return tableRequest{
		Name: s.Name, Schema: schema{orEmpty(s.Fields)},
		Read: orEmpty(s.RowRead), Write: orEmpty(s.RowWrite), Create: orEmpty(s.CreateRow),
	}
}

// orEmpty keeps a list from being sent as null.
func orEmpty[E any](list []E) []E {
	if list == nil {
		return []E{}
	}
	return list
}

func (a *tableAnswer) info() *TableInfo {
	return &TableInfo{
		ID: a.ID, Name: a.Name, Fields: a.Schema.Fields, ProtectedFields: a.Protected,
		RowRead: a.Rows.Read, RowWrite: a.Rows.Write, CreateRow: a.Create,
		CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt,
	}
}

// Create makes a table. A name that exists is [ErrInvalid] (400). Not repeated
// after a failure whose outcome is unknown ([ErrOutcomeUnknown]):
// [TableService.FindByName] tells whether it happened. Source:
// open-api/data/table.md.
func (s *TableService) Create(ctx context.Context, spec TableSpec, opts ...CallOption) (*TableInfo, error) {
	op := api.TablesCreate
	if err := spec.check(); err != nil {
		return nil, invalid(op, "%w", err)
	}
	return s.one(ctx, op, opts, spec.request(), s.client.config.tableVersion)
}

// Get describes a table. [ErrNotFound] if there is none. Repeated
// automatically. Source: open-api/data/table.md.
func (s *TableService) Get(ctx context.Context, id TableID, opts ...CallOption) (*TableInfo, error) {
	op := api.TablesGet
	if err := id.check(); err != nil {
		return nil, invalid(op, "%w", err)
	}
	return s.one(ctx, op, opts, nil, s.client.config.tableVersion, id.String())
}

func (s *TableService) one(ctx context.Context, op api.Operation, opts []CallOption, body any, path ...string) (*TableInfo, error) {
	call, err := newCall(op, opts, path...)
	if err != nil {
		return nil, err
	}
	var answer tableAnswer
	if err := s.client.send(ctx, op, call, body, &answer); err != nil {
		return nil, err
	}
	return answer.info(), nil
}

// Delete removes a table with all its rows, for good. A table that others
// point at cannot be deleted. Repeated automatically: a 404 that follows an
// attempt which may have succeeded counts as success. Source:
// open-api/data/table.md.
func (s *TableService) Delete(ctx context.Context, id TableID, opts ...CallOption) error {
	op := api.TablesDelete
	if err := id.check(); err != nil {
		return invalid(op, "%w", err)
	}
	call, err := newCall(op, opts, s.client.config.tableVersion, id.String())
	if err != nil {
		return err
	}
	return s.client.send(ctx, op, call, nil, nil)
}

// TableQuery chooses tables. The zero value is all of them.
type TableQuery struct {
	Name     string `url:"name,omitempty"` // only the table of exactly this name
	PageSize int    `url:"limit"`          // 1 to 1000; 0 is 1000
	Offset   int    `url:"offset,omitempty"`
}

// TablePage is one page of tables.
type TablePage struct {
	Tables []*TableInfo
	Total  int64 // tables that match the query; -1 if the service does not say
	More   bool  // whether a next page exists
}

// Page reads one page of tables. Repeated automatically. Source:
// open-api/data/table.md.
func (s *TableService) Page(ctx context.Context, q TableQuery, opts ...CallOption) (*TablePage, error) {
	op := api.TablesList
	call, err := newCall(op, opts, s.client.config.tableVersion)
	if err != nil {
		return nil, err
	}
	if q.PageSize, err = pageSize(q.PageSize); err != nil {
		return nil, invalid(op, "TableQuery.PageSize: %w", err)
	}
	if q.Offset < 0 {
		return nil, invalid(op, "TableQuery.Offset is %d", q.Offset)
	}
	if call.Query, err = encodeQuery(q); err != nil {
		return nil, invalid(op, "%w", err)
	}
	var answer struct {
		Meta    pageMeta      `json:"meta"`
		Objects []tableAnswer `json:"objects"`
	}
	if err := s.client.send(ctx, op, call, nil, &answer); err != nil {
		return nil, err
	}
	page := &TablePage{Total: answer.Meta.total(), More: answer.Meta.Next != ""}
	for i := range answer.Objects {
		page.Tables = append(page.Tables, answer.Objects[i].info())
	}
	return page, nil
}

// All reads every table that matches, page after page. The sequence ends with
// the first error; every range starts anew. Source: open-api/data/table.md.
func (s *TableService) All(ctx context.Context, q TableQuery, opts ...CallOption) iter.Seq2[*TableInfo, error] {
	return func(yield func(*TableInfo, error) bool) {
		q := q // every range starts anew
		for {
			page, err := s.Page(ctx, q, opts...)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, info := range page.Tables {
				if !yield(info, nil) {
					return
				}
			}
			if !page.More || len(page.Tables) == 0 {
				return
			}
			q.Offset += len(page.Tables)
		}
	}
}

// FindByName returns the table of exactly this name, [ErrNotFound] if there is
// none. Repeated automatically. Source: open-api/data/table.md.
func (s *TableService) FindByName(ctx context.Context, name string, opts ...CallOption) (*TableInfo, error) {
	op := api.TablesList
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
	return nil, &Error{Op: op.Name, Method: op.Method, Err: fmt.Errorf("table %q: %w", name, ErrNotFound)}
}

// String is the decimal form of the id.
func (id TableID) String() string { return strconv.FormatInt(int64(id), 10) }

func (id TableID) check() error {
	if id <= 0 {
		return fmt.Errorf("table id is %d", int64(id))
	}
	return nil
}

// check refuses what the service documents as refused.
func (s TableSpec) check() error {
	if err := checkName("TableSpec.Name", s.Name); err != nil {
		return err
	}
	seen := make(map[string]bool, len(s.Fields))
	for i, f := range s.Fields {
		if err := f.check(); err != nil {
			return fmt.Errorf("TableSpec.Fields[%d]: %w", i, err)
		}
		if seen[f.Name] {
			return fmt.Errorf("TableSpec.Fields[%d]: column %q is there twice", i, f.Name)
		}
		seen[f.Name] = true
	}
	return nil
}

func (f Field) check() error {
	if err := checkName("name", f.Name); err != nil {
		return err
	}
	var missing string
	switch {
	case f.Type == "":
		missing = "a Type"
	case f.Type == TypeArray && (f.Items == nil || f.Items.Type == ""):
		missing = "Items with a Type"
	case f.Type == TypeGeoJSON && (f.Format == "" || f.CoordinateType == ""):
		missing = "Format and CoordinateType"
	case f.Type == TypePointer && f.SchemaID <= 0:
		missing = "SchemaID"
	}
	if missing != "" {
		return fmt.Errorf("column %q of type %q needs %s", f.Name, f.Type, missing)
	}
	return nil
}

func checkName(what, name string) error {
	letter := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
	switch {
	case name == "":
		return fmt.Errorf("%s is empty", what)
	case len(name) > maxName:
		return fmt.Errorf("%s %q has %d characters, at most %d are allowed", what, name, len(name), maxName)
	case !letter(rune(name[0])):
		return fmt.Errorf("%s %q does not begin with a letter", what, name)
	case strings.ContainsFunc(name, func(r rune) bool { return !letter(r) && r != '_' && (r < '0' || r > '9') }):
		return fmt.Errorf("%s %q has other characters than letters, digits and _", what, name)
	}
	return nil
}
