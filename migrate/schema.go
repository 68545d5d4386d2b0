package migrate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minapp-go/minapp"
)

// columns are the columns of a table, by name. The service drops a value that
// does not fit its column and says nothing, so values are checked before they
// are sent.
type columns map[string]minapp.Field

// system are the columns that every table has. The service gives ids itself.
var system = []string{"id", "_id", "created_by", "created_at", "updated_at", "read_perm", "write_perm"}

func newColumns(fields []minapp.Field) columns {
	c := make(columns, len(fields))
	for _, f := range fields {
		c[f.Name] = f
	}
	return c
}

// check refuses a row that the service would store otherwise than it is.
func (c columns) check(row map[string]any) error {
	for name, v := range row {
		f, ok := c[name]
		switch {
		case slices.Contains(system, name), strings.HasPrefix(name, "_"):
		case !ok:
			return fmt.Errorf("the table has no column %q", name)
		case v != nil:
			if err := fits(f, v); err != nil {
				return fmt.Errorf("column %q: %w", name, err)
			}
		}
	}
	for name, f := range c {
		required := f.Constraints != nil && f.Constraints.Required && f.Default == nil
		if required && row[name] == nil && !slices.Contains(system, name) {
			return fmt.Errorf("column %q is required", name)
		}
	}
	return nil
}

// fits reports whether a column takes a value as it is. Types that this
// package does not know take anything.
func fits(f minapp.Field, v any) error {
	if f.Type == minapp.TypeArray {
		return fitsArray(f, v)
	}
	if !fitsType(f.Type, v) {
		return fmt.Errorf("%s does not fit the type %s", shown(v), f.Type)
	}
	return nil
}

func fitsArray(f minapp.Field, v any) error {
	list, ok := v.([]any)
	if !ok {
		return fmt.Errorf("%s does not fit the type array", shown(v))
	}
	for i, e := range list {
		if f.Items != nil && e != nil && !fitsType(f.Items.Type, e) {
			return fmt.Errorf("element %d, %s, does not fit the type %s", i, shown(e), f.Items.Type)
		}
	}
	return nil
}

func fitsType(kind string, v any) bool {
	switch kind {
	case minapp.TypeString:
		return is[string](v)
	case minapp.TypeInteger:
		n, ok := v.(json.Number)
		return ok && whole(n)
	case minapp.TypeNumber:
		return is[json.Number](v)
	case minapp.TypeBoolean:
		return is[bool](v)
	case minapp.TypeDate:
		text, _ := v.(string)
		return isMoment(text)
	case minapp.TypeObject, minapp.TypeFile:
		return is[map[string]any](v)
	case minapp.TypeGeoJSON:
		shape, ok := v.(map[string]any)
		return ok && is[string](shape["type"]) && is[[]any](shape["coordinates"])
	case minapp.TypePointer: // an id: of a row text, of a user a number; as it is read, in an object
		row, ok := v.(map[string]any)
		return is[string](v) || is[json.Number](v) || ok && row["id"] != nil
	}
	return true
}

func is[T any](v any) bool {
	_, ok := v.(T)
	return ok
}

// whole reports an integer of 64 bits without a fraction, as the service takes
// it (inferred: that 1.0 is none).
func whole(n json.Number) bool {
	_, err := strconv.ParseInt(string(n), 10, 64)
	return err == nil
}

// momentOf reads ISO 8601 with an offset, which may lack its colon.
func momentOf(text string) (at time.Time, ok bool) {
	for _, layout := range [...]string{time.RFC3339, "2006-01-02T15:04:05-0700"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

func isMoment(text string) bool {
	_, ok := momentOf(text)
	return ok
}

// shown is the beginning of a value, for people.
func shown(v any) string {
	const most = 60
	text, err := json.Marshal(v)
	if err != nil || len(text) <= most {
		return string(text)
	}
	return strings.ToValidUTF8(string(text[:most]), "") + "…"
}
