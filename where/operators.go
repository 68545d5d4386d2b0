package where

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/minapp-go/minapp/geo"
)

// Eq is the condition that the column equals v ($eq).
//
// A pointer column is compared with the id of the row it points to, as a
// string. A slice matches an array column that holds exactly that list. A nil
// value is a mistake: use IsNull.
//
// Source: open-api/data/record.md.
func Eq[T any](field string, v T) Cond { return compare(field, "$eq", v) }

// Ne is the condition that the column does not equal v ($ne).
//
// A nil value is a mistake: use NotNull.
//
// Source: open-api/data/record.md.
func Ne[T any](field string, v T) Cond { return compare(field, "$ne", v) }

// Lt is the condition that the column is less than v ($lt).
//
// For columns of numbers, and of dates with v an ISO 8601 string.
//
// Source: open-api/data/record.md.
func Lt[T cmp.Ordered](field string, v T) Cond { return compare(field, "$lt", v) }

// Lte is the condition that the column is at most v ($lte).
//
// For columns of numbers, and of dates with v an ISO 8601 string.
//
// Source: open-api/data/record.md.
func Lte[T cmp.Ordered](field string, v T) Cond { return compare(field, "$lte", v) }

// Gt is the condition that the column is greater than v ($gt).
//
// For columns of numbers, and of dates with v an ISO 8601 string.
//
// Source: open-api/data/record.md.
func Gt[T cmp.Ordered](field string, v T) Cond { return compare(field, "$gt", v) }

// Gte is the condition that the column is at least v ($gte).
//
// For columns of numbers, and of dates with v an ISO 8601 string.
//
// Source: open-api/data/record.md.
func Gte[T cmp.Ordered](field string, v T) Cond { return compare(field, "$gte", v) }

// Range is the condition that the column lies between lo and hi ($range).
//
// For columns of numbers. Whether lo and hi themselves belong to the range is
// not documented; Gte and Lte under And leave no doubt. lo above hi is a
// mistake, except for strings, whose order is the service's affair.
//
// Source: open-api/data/record.md; the form from web-api/data/query-record.md.
func Range[T cmp.Ordered](field string, lo, hi T) Cond {
	if lo > hi && reflect.TypeFor[T]().Kind() != reflect.String {
		return mistake(field, "$range", fmt.Errorf("%v is above %v", lo, hi))
	}
	return compare(field, "$range", []T{lo, hi})
}

// In is the condition that the column equals one of the values ($in).
//
// On an array column: that it holds at least one of them. A slice is spread:
// In("id", ids...); passing it as one value is a mistake, as are no values at
// all and a nil among them. About 490 record ids fit in one request;
// minapp.AllIn takes more.
//
// Source: open-api/data/record.md.
func In[T any](field string, values ...T) Cond { return compareList(field, "$in", values) }

// NotIn is the condition that the column equals none of the values ($nin).
//
// On an array column: that it holds none of them. A slice is spread, as for
// In, and the same mistakes are refused.
//
// Source: open-api/data/record.md.
func NotIn[T any](field string, values ...T) Cond { return compareList(field, "$nin", values) }

// ContainsAll is the condition that an array column holds all of the values
// ($all).
//
// A slice is spread, as for In, and the same mistakes are refused.
// Documented for the end-user API only; oserve and userve may answer 400.
//
// Source: js-sdk/schema/query.md.
func ContainsAll[T any](field string, values ...T) Cond { return compareList(field, "$all", values) }

// compareList builds {"field":{"op":[value,…]}}.
func compareList[T any](field, op string, values []T) Cond {
	body, err := encodeList(values)
	return condition(field, op, `"`+op+`":`+body, err)
}

func encodeList[T any](values []T) (string, error) {
	if len(values) == 0 {
		return "", errors.New("needs at least one value")
	}
	items := make([]string, len(values))
	for i, v := range values {
		item, err := encode(v)
		if err != nil {
			return "", fmt.Errorf("value %d: %w", i+1, err)
		}
		if strings.HasPrefix(item, "[") {
			return "", fmt.Errorf("value %d is a list; spread it: values..., or use Raw", i+1)
		}
		items[i] = item
	}
	return "[" + strings.Join(items, ",") + "]", nil
}

// Contains is the condition that a string column contains substr ($contains).
//
// Upper and lower case differ. An empty substr, which every row contains, is a
// mistake.
//
// Source: open-api/data/record.md.
func Contains(field, substr string) Cond { return compareText(field, "$contains", substr) }

// ContainsFold is Contains without regard to upper and lower case
// ($icontains).
//
// Documented for the end-user API only; oserve and userve may answer 400.
//
// Source: web-api/data/query-record.md.
func ContainsFold(field, substr string) Cond { return compareText(field, "$icontains", substr) }

func compareText(field, op, text string) Cond {
	if text == "" {
		return mistake(field, op, errors.New("an empty string would match every row"))
	}
	return compare(field, op, text)
}

// Match is the condition that a string column matches a regular expression
// ($regex, with the flags as $options).
//
// The pattern is the service's, not Go's, and is not checked, except that an
// empty one, which every row matches, is a mistake. Flags are letters such as
// "i" for either case; none are sent if flags is empty.
// Documented for the end-user API only; oserve and userve may answer 400.
//
// Source: js-sdk/schema/query.md.
func Match(field, pattern, flags string) Cond {
	if pattern == "" || flags == "" {
		return compareText(field, "$regex", pattern)
	}
	regex, err := member("$regex", pattern)
	options, optionsErr := member("$options", flags)
	return condition(field, "$regex", regex+","+options, errors.Join(err, optionsErr))
}

// IsNull is the condition that the column is null ($isnull true).
//
// Source: open-api/data/record.md.
func IsNull(field string) Cond { return compare(field, "$isnull", true) }

// NotNull is the condition that the column is not null ($isnull false).
//
// Source: open-api/data/record.md.
func NotNull(field string) Cond { return compare(field, "$isnull", false) }

// Exists is the condition that the row has the column ($exists true).
//
// The sources disagree on whether an empty string exists.
// Documented for the end-user API only; oserve and userve may answer 400.
//
// Source: js-sdk/schema/query.md, web-api/data/query-record.md.
func Exists(field string) Cond { return compare(field, "$exists", true) }

// NotExists is the condition that the row lacks the column ($exists false).
//
// The sources disagree on whether an empty string exists.
// Documented for the end-user API only; oserve and userve may answer 400.
//
// Source: js-sdk/schema/query.md, web-api/data/query-record.md.
func NotExists(field string) Cond { return compare(field, "$exists", false) }

// HasKey is the condition that an object column has the key ($has_key).
//
// Only keys of the object itself can be asked for, not of objects in it: the
// key is a letter followed by letters, digits and underscores.
// Documented for the end-user API only; oserve and userve may answer 400.
//
// Source: js-sdk/schema/query.md.
func HasKey(field, key string) Cond {
	if !isKey(key) {
		return mistake(field, "$has_key",
			fmt.Errorf("the key %q is not a letter followed by letters, digits and underscores", key))
	}
	return compare(field, "$has_key", key)
}

func isKey(key string) bool {
	for i, r := range key {
		letter := 'a' <= r|0x20 && r|0x20 <= 'z'
		if !letter && (i == 0 || r != '_' && (r < '0' || r > '9')) {
			return false
		}
	}
	return key != ""
}

// Intersects is the condition that a polygon column covers the point
// ($intersects).
//
// Documented for the end-user API only; oserve and userve may answer 400.
//
// Source: js-sdk/schema/geo.md.
func Intersects(field string, p geo.Point) Cond { return compareShape(field, "$intersects", p) }

// Within is the condition that a point column lies inside the polygon
// ($within).
//
// Documented for the end-user API only; oserve and userve may answer 400.
//
// Source: js-sdk/schema/geo.md.
func Within(field string, area geo.Polygon) Cond { return compareShape(field, "$within", area) }

// WithinCircle is the condition that a point column lies inside the circle
// ($center).
//
// The radius is in kilometres. Rows come in no particular order.
// Documented for the end-user API only; oserve and userve may answer 400.
//
// Source: js-sdk/schema/geo.md.
func WithinCircle(field string, circle geo.Circle) Cond {
	return compareShape(field, "$center", circle)
}

// WithinRing is the condition that a point column lies inside the ring
// ($nearsphere).
//
// The distances are in metres. Rows come nearest first.
// Documented for the end-user API only; oserve and userve may answer 400.
//
// Source: js-sdk/schema/geo.md.
func WithinRing(field string, ring geo.Ring) Cond { return compareShape(field, "$nearsphere", ring) }

// compareShape asks the shape first, because encoding/json would wrap its
// complaint in noise.
func compareShape(field, op string, shape interface{ Err() error }) Cond {
	if err := shape.Err(); err != nil {
		return mistake(field, op, err)
	}
	return compare(field, op, shape)
}
