package minapptest

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
)

// Table describes a table, in the spelling of the request that creates one, with
// three additions: ID, Indexes and Rows.
type Table struct {
	ID           int64      `json:"id,omitempty"` // 0: the next free one
	Name         string     `json:"name"`
	Schema       Schema     `json:"schema"`
	RowReadPerm  []string   `json:"row_read_perm"`     // default read permission of new rows
	RowWritePerm []string   `json:"row_write_perm"`    // default write permission of new rows
	WritePerm    []string   `json:"write_perm"`        // who may create rows
	Indexes      [][]string `json:"indexes,omitempty"` // unique indexes, each a list of columns
	// Rows to start with. They may carry id, created_by, created_at,
	// updated_at, read_perm and write_perm.
	Rows []json.RawMessage `json:"rows,omitempty"`
}

// Schema is the list of a table's columns.
type Schema struct {
	Fields []Field `json:"fields"`
}

// Field is one column.
type Field struct {
	Name           string          `json:"name"`
	Type           string          `json:"type"`
	Items          *Items          `json:"items,omitempty"` // for array
	Format         string          `json:"format,omitempty"`
	CoordinateType string          `json:"coordinate_type,omitempty"` // for geojson
	SchemaID       json.Number     `json:"schema_id,omitempty"`       // for reference: the table it points at
	Description    string          `json:"description,omitempty"`
	Constraints    *Constraints    `json:"constraints,omitempty"`
	Default        any             `json:"default,omitempty"`
	ACL            json.RawMessage `json:"acl,omitempty"` // stored, not enforced
}

// Items is the type of an array's elements.
type Items struct {
	Type           string `json:"type"`
	Format         string `json:"format,omitempty"`
	CoordinateType string `json:"coordinate_type,omitempty"`
}

// Constraints of a column.
type Constraints struct {
	Required bool `json:"required"`
}

var (
	nameRule = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,31}$`)
	keyRule  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

	fieldTypes = []string{"string", "integer", "number", "boolean", "array", "object", "geojson", "file", "date", "reference"}
	itemTypes  = []string{"string", "integer", "number", "boolean", "object", "geojson", "file", "date"}
	coordTypes = []string{"wgs84", "gcj02"}

	// builtin columns exist in every table, in the order in which they are listed.
	builtin = []Field{
		{Name: "id", Type: "id"},
		{Name: "created_by", Type: "integer"},
		{Name: "created_at", Type: "integer"},
		{Name: "updated_at", Type: "integer"},
	}
	// permission columns belong to every row but are no part of a schema.
	permissions = []string{"read_perm", "write_perm"}
	reserved    = []string{"id", "_id", "created_by", "created_at", "updated_at", "read_perm", "write_perm"}
)

const maxPointers = 3

// checkFields validates a schema; known tells whether a table exists.
func checkFields(fields []Field, known func(id int64) bool) *failure {
	seen := map[string]bool{}
	pointers := 0
	for i := range fields {
		f := &fields[i]
		if !nameRule.MatchString(f.Name) {
			return badRequest("invalid field name: %q", f.Name)
		}
		if slices.Contains(reserved, f.Name) {
			return badRequest("field name is reserved: %s", f.Name) // inferred
		}
		if seen[f.Name] {
			return badRequest("duplicate field: %s", f.Name)
		}
		seen[f.Name] = true
		if err := checkField(f, known); err != nil {
			return err
		}
		if f.Type == "reference" {
			pointers++
		}
	}
	if pointers > maxPointers {
		return badRequest("a table can have at most %d pointer fields", maxPointers)
	}
	return nil
}

func checkField(f *Field, known func(id int64) bool) *failure {
	switch f.Type {
	case "array":
		if f.Items == nil || !slices.Contains(itemTypes, f.Items.Type) {
			return badRequest("field %s: items with a type is required for an array", f.Name)
		}
		if f.Items.Type == "geojson" && !validGeoAttributes(f.Items.Format, f.Items.CoordinateType) {
			return badRequest("field %s: items of geojson need format and coordinate_type", f.Name)
		}
	case "geojson":
		if !validGeoAttributes(f.Format, f.CoordinateType) {
			return badRequest("field %s: format and coordinate_type are required for geojson", f.Name)
		}
	case "reference":
		if id, ok := f.target(); !ok || !known(id) {
			return badRequest("field %s: schema_id must be the id of a table", f.Name)
		}
	default:
		if !slices.Contains(fieldTypes, f.Type) {
			return badRequest("field %s: unknown type %q", f.Name, f.Type)
		}
	}
	if f.Default != nil {
		v, ok := f.accept(f.Default)
		if !ok {
			return badRequest("field %s: default does not fit the type", f.Name) // inferred
		}
		f.Default = v
	}
	return nil
}

func validGeoAttributes(format, coordinates string) bool {
	return format == "default" && slices.Contains(coordTypes, coordinates)
}

// target is the id of the table a pointer points at.
func (f *Field) target() (int64, bool) {
	id, err := strconv.ParseInt(string(f.SchemaID), 10, 64)
	return id, err == nil
}

func (f *Field) required() bool { return f.Constraints != nil && f.Constraints.Required }

// accept returns the value as the column stores it; ok is false for a wrong
// type. inferred: null is accepted by every column.
func (f *Field) accept(v any) (stored any, ok bool) {
	switch {
	case v == nil:
		return nil, true
	case f.Type == "array":
		return f.acceptList(v)
	case f.Type == "reference":
		return acceptPointer(v)
	}
	return acceptType(f.Type, v)
}

// acceptList refuses the whole list when one element has the wrong type.
func (f *Field) acceptList(v any) (any, bool) {
	list, ok := v.([]any)
	if !ok {
		return nil, false
	}
	out := make([]any, len(list))
	for i, item := range list {
		if out[i], ok = acceptType(f.Items.Type, item); !ok {
			return nil, false
		}
	}
	return out, true
}

// acceptPointer stores the id as text. inferred: a number is accepted, for the
// numeric ids of users; the object form of an answer is not.
func acceptPointer(v any) (any, bool) {
	switch x := v.(type) {
	case string:
		return x, x != ""
	case json.Number:
		return string(x), parseNumber(x).whole
	}
	return nil, false
}

func acceptType(typ string, v any) (any, bool) {
	switch x := v.(type) {
	case string:
		if typ == "date" {
			_, ok := parseDate(x)
			return x, ok
		}
		return x, typ == "string"
	case bool:
		return x, typ == "boolean"
	case json.Number:
		return acceptNumber(typ, x)
	case map[string]any:
		return x, acceptObject(typ, x)
	}
	return nil, false
}

func acceptNumber(typ string, n json.Number) (any, bool) {
	switch typ {
	case "number":
		_, err := n.Float64()
		return n, err == nil
	case "integer":
		i, ok := parseNumber(n).integer() // inferred: 1.0 is stored as 1
		return intNumber(i), ok
	}
	return nil, false
}

func acceptObject(typ string, o map[string]any) bool {
	switch typ {
	case "object":
		return validKeys(o)
	case "file":
		return hasAll(o, "id", "name", "created_at", "mime_type", "cdn_path", "size")
	case "geojson":
		return validGeo(o)
	}
	return false
}

func validKeys(v any) bool {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			if !keyRule.MatchString(k) || !validKeys(e) {
				return false
			}
		}
	case []any:
		for _, e := range x {
			if !validKeys(e) {
				return false
			}
		}
	}
	return true
}

func hasAll(o map[string]any, keys ...string) bool {
	for _, k := range keys {
		if _, ok := o[k]; !ok {
			return false
		}
	}
	return true
}

// validGeo accepts a Point and a closed Polygon of at least four points.
func validGeo(o map[string]any) bool {
	list, _ := o["coordinates"].([]any)
	switch o["type"] {
	case "Point":
		return validPoint(list)
	case "Polygon":
		for _, ring := range list {
			if r, _ := ring.([]any); !validRing(r) {
				return false
			}
		}
		return len(list) > 0
	}
	return false
}

func validRing(ring []any) bool {
	for _, p := range ring {
		if point, _ := p.([]any); !validPoint(point) {
			return false
		}
	}
	return len(ring) >= 4 && equalValues(ring[0], ring[len(ring)-1])
}

func validPoint(p []any) bool {
	if len(p) != 2 {
		return false
	}
	for _, c := range p {
		if _, ok := c.(json.Number); !ok {
			return false
		}
	}
	return true
}

// object is the field as answers show it.
func (f *Field) object() object {
	o := object{{"name", f.Name}, {"type", f.Type}}
	description := f.Description
	if description == "" {
		description = f.Name
	}
	o = append(o, member{"description", description})
	add := func(present bool, key string, v any) {
		if present {
			o = append(o, member{key, v})
		}
	}
	add(f.Items != nil, "items", f.Items)
	add(f.Format != "", "format", f.Format)
	add(f.CoordinateType != "", "coordinate_type", f.CoordinateType)
	add(f.SchemaID != "", "schema_id", f.SchemaID)
	add(f.Constraints != nil, "constraints", f.Constraints)
	add(f.Default != nil, "default", f.Default)
	add(f.ACL != nil, "acl", rawJSON(f.ACL))
	return o
}
