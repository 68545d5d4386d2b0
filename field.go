package minapp

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The types of columns. Types that this list does not have are passed through.
const (
	TypeString  = "string"
	TypeInteger = "integer"
	TypeNumber  = "number"
	TypeBoolean = "boolean"
	TypeArray   = "array"     // needs Items
	TypeObject  = "object"    // documented for the console only
	TypeGeoJSON = "geojson"   // needs Format and CoordinateType
	TypeFile    = "file"      // a [File]
	TypeDate    = "date"      // ISO 8601 strings with an offset: a time.Time
	TypePointer = "reference" // needs SchemaID; a [Pointer]
)

// Attributes of geojson columns.
const (
	FormatDefault = "default" // the only Format
	CoordWGS84    = "wgs84"   // CoordinateType: earth coordinates, as GPS gives them
	CoordGCJ02    = "gcj02"   // CoordinateType: shifted, as maps of China use them
)

const (
	maxName     = 32 // characters of the name of a table or a column
	maxPointers = 3  // pointer columns of a table
)

// itemTypes are all types that the elements of an array can have. Source:
// cloud-function/node-sdk/schema/data-type.md.
var itemTypes = []string{TypeString, TypeInteger, TypeNumber, TypeBoolean, TypeObject, TypeGeoJSON, TypeFile, TypeDate}

// builtIn are the columns that the service adds to every table.
var builtIn = []string{"id", "created_by", "created_at", "updated_at"}

// Field is a column of a table. Source: open-api/data/table.md.
type Field struct {
	Name           string          `json:"name"`                      // at most 32 characters: a letter, then letters, digits, _
	Type           string          `json:"type"`                      // TypeString and so on
	Items          *ItemType       `json:"items,omitempty"`           // of an array
	Format         string          `json:"format,omitempty"`          // of geojson: FormatDefault
	CoordinateType string          `json:"coordinate_type,omitempty"` // of geojson: CoordWGS84 or CoordGCJ02
	SchemaID       TableRef        `json:"schema_id,omitzero"`        // of a pointer: the table it points at
	Description    string          `json:"description,omitempty"`     // the service puts the name if empty
	Constraints    *Constraints    `json:"constraints,omitempty"`
	Default        json.RawMessage `json:"default,omitempty"` // a value of the column's type
	ACL            *FieldACL       `json:"acl,omitempty"`
}

// ItemType is the type of the elements of an array column: string, integer,
// number, boolean, object, geojson, file or date. Arrays of the last four
// cannot be searched: filters on them find nothing. Source:
// open-api/data/table.md; the last four from
// cloud-function/node-sdk/schema/data-type.md, and their attributes from
// dashboard/basic-services/schema.md.
type ItemType struct {
	Type           string `json:"type"`
	Format         string `json:"format,omitempty"`          // of geojson: FormatDefault
	CoordinateType string `json:"coordinate_type,omitempty"` // of geojson: CoordWGS84 or CoordGCJ02
}

// Constraints is what the service checks when a row is written.
type Constraints struct {
	Required bool `json:"required"`
}

// FieldACL is what client programs of the application's users may do with a
// column. It does not bind this package: server-side calls read and write
// every column. nil is not said, and the service decides. Source:
// open-api/data/table.md, whose descriptions of the first two are swapped; the
// comments of its sample are what is said here.
type FieldACL struct {
	ClientVisible  *bool // whether they see it at all
	ClientReadOnly *bool // whether they can only read it
	CreatorVisible *bool // whether only the row's creator sees it
}

// fieldACL is the wire form of FieldACL. The name of the first member is the
// service's own in the pages of the API, and spelled right in the console's
// only; which of the two it stores is not settled, so both are read.
type fieldACL struct {
	Visible        *bool `json:"clientVisibile,omitempty"`
	ReadOnly       *bool `json:"clientReadOnly,omitempty"`
	CreatorVisible *bool `json:"creatorVisible,omitempty"`
}

// MarshalJSON writes the documented spelling, clientVisibile.
func (a FieldACL) MarshalJSON() ([]byte, error) {
	return json.Marshal(fieldACL{a.ClientVisible, a.ClientReadOnly, a.CreatorVisible})
}

// UnmarshalJSON reads both spellings; the documented one counts.
func (a *FieldACL) UnmarshalJSON(data []byte) error {
	var in struct {
		fieldACL
		ConsoleVisible *bool `json:"clientVisible"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	if in.Visible == nil {
		in.Visible = in.ConsoleVisible
	}
	*a = FieldACL{in.Visible, in.ReadOnly, in.CreatorVisible}
	return nil
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

// checkFields refuses what the service documents as refused.
func checkFields(what string, fields []Field) error {
	seen := make(map[string]bool, len(fields))
	pointers := 0
	for i, f := range fields {
		if err := f.check(); err != nil {
			return fmt.Errorf("%s[%d]: %w", what, i, err)
		}
		if seen[f.Name] {
			return fmt.Errorf("%s[%d]: column %q is there twice", what, i, f.Name)
		}
		seen[f.Name] = true
		if f.Type == TypePointer {
			pointers++
		}
	}
	if pointers > maxPointers {
		return fmt.Errorf("%s has %d pointers, at most %d are allowed", what, pointers, maxPointers)
	}
	return nil
}

func (f Field) check() error {
	if err := checkName("name", f.Name); err != nil {
		return err
	}
	if slices.Contains(builtIn, f.Name) {
		return fmt.Errorf("column %q is built in: the service adds it", f.Name)
	}
	var err error
	switch {
	case f.Type == "":
		err = errors.New("needs a Type")
	case f.Type == TypeArray:
		err = f.Items.check()
	case f.Type == TypeGeoJSON:
		err = checkGeo(f.Format, f.CoordinateType)
	case f.Type == TypePointer && f.SchemaID <= 0:
		err = errors.New("needs SchemaID, the table it points at")
	}
	if err != nil {
		return fmt.Errorf("column %q of type %q %w", f.Name, f.Type, err)
	}
	return nil
}

func (t *ItemType) check() error {
	switch {
	case t == nil || t.Type == "":
		return errors.New("needs Items with a Type")
	case !slices.Contains(itemTypes, t.Type):
		return fmt.Errorf("has Items of type %q, one of %q is needed", t.Type, itemTypes)
	case t.Type == TypeGeoJSON:
		return checkGeo(t.Format, t.CoordinateType)
	}
	return nil
}

func checkGeo(format, coordinates string) error {
	switch {
	case format == "" || coordinates == "":
		return errors.New("needs Format and CoordinateType")
	case format != FormatDefault:
		return fmt.Errorf("has Format %q, the only one is %q", format, FormatDefault)
	case coordinates != CoordWGS84 && coordinates != CoordGCJ02:
		return fmt.Errorf("has CoordinateType %q, %q or %q is needed", coordinates, CoordWGS84, CoordGCJ02)
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
