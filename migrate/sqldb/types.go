package sqldb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/minapp-go/minapp"
)

// sqlType is a type of SQL.
type sqlType struct {
	text   string
	family family
	size   int // characters of a text, digits of a DECIMAL or behind the seconds of a DATETIME
	scale  int // of a DECIMAL
}

type family int

const (
	textType family = iota
	intType
	doubleType
	decimalType
	boolType
	clockType
	jsonType
)

// families are the types that columns can have. FLOAT and TIMESTAMP are not
// among them: they change what they are given, by 7 digits and by the zone of
// the session.
var families = map[string]family{
	"CHAR": textType, "VARCHAR": textType, "TEXT": textType, "MEDIUMTEXT": textType, "LONGTEXT": textType,
	"TINYINT": intType, "SMALLINT": intType, "MEDIUMINT": intType, "INT": intType, "INTEGER": intType, "BIGINT": intType,
	"DOUBLE": doubleType, "DECIMAL": decimalType, "NUMERIC": decimalType,
	"BOOLEAN": boolType, "BOOL": boolType,
	"DATETIME": clockType, "JSON": jsonType,
}

// typeForm is all that a type can say.
var typeForm = regexp.MustCompile(`(?i)^([a-z]+)(?: ?\( ?(\d{1,5}) ?(?:, ?(\d{1,2}) ?)?\))?( unsigned)?( character set \w+)?( collate \w+)?$`)

func parseType(def string) (sqlType, error) {
	m := typeForm.FindStringSubmatch(def)
	if m == nil {
		return sqlType{}, fmt.Errorf("%q is no type of a column: such as VARCHAR(100) COLLATE utf8mb4_bin is needed", def)
	}
	name := strings.ToUpper(m[1])
	f, ok := families[name]
	if !ok {
		return sqlType{}, fmt.Errorf("the type %s is not supported: see docs/types.md", name)
	}
	t := sqlType{text: def, family: f}
	t.size, _ = strconv.Atoi(m[2]) // digits, or nothing
	t.scale, _ = strconv.Atoi(m[3])
	switch {
	case f == decimalType && t.size == 0:
		return sqlType{}, fmt.Errorf("%s needs its digits, such as DECIMAL(38,10)", name)
	case name == "VARCHAR" && t.size == 0:
		return sqlType{}, errors.New("VARCHAR needs its length")
	case name == "CHAR" && t.size == 0:
		t.size = 1
	}
	return t, nil
}

// codec converts the values of a column, never nil.
type codec struct {
	to   func(v any) (any, error) // from minapp to SQL
	from func(v any) (any, error) // and back
}

// codecOf finds the conversions between a kind of column and a type of SQL.
func codecOf(kind string, t sqlType, zone *time.Location) (codec, error) {
	clock := clock{zone, t.size}
	var found *codec
	switch kind {
	case kindID, minapp.TypePointer:
		found = map[family]*codec{textType: {limited(idText, t.size), fromText}, intType: {digits(idText), fromText}}[t.family]
	case kindUser:
		found = map[family]*codec{textType: {limited(idText, t.size), fromNumber}, intType: {digits(idText), fromNumber}}[t.family]
	case minapp.TypeString:
		found = map[family]*codec{textType: {limited(asText, t.size), fromText}}[t.family]
	case minapp.TypeInteger:
		found = map[family]*codec{
			intType: {digits(numberText), fromNumber}, decimalType: {t.toDecimal, fromDecimal}, textType: {limited(whole, t.size), fromNumber},
		}[t.family]
	case minapp.TypeNumber:
		found = map[family]*codec{doubleType: {toDouble, fromNumber}, decimalType: {t.toDecimal, fromDecimal}, textType: {limited(numberText, t.size), fromNumber}}[t.family]
	case minapp.TypeBoolean:
		found = map[family]*codec{boolType: {toBool, fromBool}, intType: {toBool, fromBool}}[t.family]
	case minapp.TypeDate:
		found = map[family]*codec{clockType: {clock.fromDate, clock.toDate}, textType: {limited(dateText, t.size), fromText}}[t.family]
	case kindStamp:
		found = map[family]*codec{clockType: {clock.fromStamp, clock.toStamp}, intType: {digits(numberText), fromNumber}}[t.family]
	default:
		found = map[family]*codec{jsonType: {toJSON, fromJSON}, textType: {limited(jsonText, t.size), fromJSON}}[t.family]
	}
	if found == nil {
		return codec{}, fmt.Errorf("%s cannot hold the type %s: see docs/types.md, or give Column.ToSQL and FromSQL", t.text, kind)
	}
	return *found, nil
}

// mismatch is a value that has not the type of its column.
func mismatch(v any, want string) error {
	const most = 60
	shown, err := json.Marshal(v)
	if err != nil {
		shown = fmt.Append(nil, v)
	}
	if len(shown) > most {
		shown = append(bytes.ToValidUTF8(shown[:most], nil), "…"...)
	}
	return fmt.Errorf("%s is no %s", shown, want)
}

func asText(v any) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	return "", mismatch(v, "text")
}

func numberText(v any) (string, error) {
	switch n := v.(type) {
	case json.Number:
		return n.String(), nil
	case string: // as some surfaces send created_at
		return n, nil
	}
	return "", mismatch(v, "number")
}

// idText is the id of a row or a user: by itself, or in the row that a pointer
// was expanded to.
func idText(v any) (string, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	var p minapp.Pointer
	if err := p.UnmarshalJSON(raw); err != nil || p.ID == "" {
		return "", mismatch(v, "id")
	}
	return p.ID, nil
}

func dateText(v any) (string, error) {
	text, err := asText(v)
	if err == nil {
		_, err = parseDate(text)
	}
	return text, err
}

// whole is the text of an integer of 64 bits.
func whole(v any) (string, error) {
	text, err := numberText(v)
	if err != nil {
		return "", err
	}
	if _, err := strconv.ParseInt(text, 10, 64); err != nil {
		return "", mismatch(v, "integer of 64 bits")
	}
	return text, nil
}

// digits makes an integer of a text.
func digits(f func(any) (string, error)) func(any) (any, error) {
	return func(v any) (any, error) {
		text, err := f(v)
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, mismatch(v, "integer of 64 bits")
		}
		return n, nil
	}
}

// limited keeps a text to the length of its column; 0 is no limit.
func limited(f func(any) (string, error), size int) func(any) (any, error) {
	return func(v any) (any, error) {
		text, err := f(v)
		if err != nil {
			return nil, err
		}
		if n := len([]rune(text)); size > 0 && n > size {
			return nil, fmt.Errorf("the text has %d characters, the column takes %d", n, size)
		}
		return text, nil
	}
}

// toDecimal is a number for a DECIMAL.
func (t sqlType) toDecimal(v any) (any, error) {
	text, err := numberText(v)
	if err != nil {
		return nil, err
	}
	d, ok := parseDecimal(text)
	if !ok {
		return nil, mismatch(v, "number")
	}
	if !d.fits(t.size, t.scale) {
		return nil, fmt.Errorf("%s does not fit into %s", text, t.text)
	}
	return d.String(), nil
}

func toDouble(v any) (any, error) {
	text, err := numberText(v)
	if err != nil {
		return nil, err
	}
	f, same := double(text)
	if !same {
		return nil, fmt.Errorf("a DOUBLE would change %s: take a DECIMAL", text)
	}
	return f, nil
}

func toBool(v any) (any, error) {
	if b, ok := v.(bool); ok {
		return b, nil
	}
	return nil, mismatch(v, "boolean")
}

func toJSON(v any) (any, error) {
	if err := checkNumbers(v); err != nil {
		return nil, err
	}
	return jsonText(v)
}

// jsonText encodes a value, with characters as they are.
func jsonText(v any) (string, error) {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(text.String(), "\n"), nil
}

// checkNumbers refuses numbers that JSON columns change: they hold integers of
// 64 bits, and other numbers as DOUBLE. Source:
// dev.mysql.com/doc/refman/8.0/en/json.html.
func checkNumbers(v any) error {
	switch v := v.(type) {
	case json.Number:
		if _, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return nil
		}
		if _, same := double(v.String()); !same {
			return fmt.Errorf("a JSON column would change %s: take LONGTEXT", v)
		}
	case []any:
		for _, e := range v {
			if err := checkNumbers(e); err != nil {
				return err
			}
		}
	case map[string]any:
		for name, e := range v {
			if err := checkNumbers(e); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// sqlText is a value of SQL as text.
func sqlText(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case []byte:
		return string(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case uint64:
		return strconv.FormatUint(v, 10), nil
	case float64: // as JSON has it: integers without an exponent
		text, err := json.Marshal(v)
		return string(text), err
	case time.Time: // with parseTime; what counts is the clock
		return v.Format(DateTime), nil
	}
	return "", mismatch(v, "value of SQL")
}

func fromText(v any) (any, error) {
	text, err := sqlText(v)
	return text, err
}

func fromNumber(v any) (any, error) {
	text, err := sqlText(v)
	if err != nil {
		return nil, err
	}
	if !json.Valid([]byte(text)) || strings.Trim(text, "0123456789+-.eE") != "" {
		return nil, mismatch(v, "number")
	}
	return json.Number(text), nil
}

func fromDecimal(v any) (any, error) {
	text, err := sqlText(v)
	if err != nil {
		return nil, err
	}
	d, ok := parseDecimal(text)
	if !ok {
		return nil, mismatch(v, "DECIMAL")
	}
	return json.Number(d.String()), nil
}

func fromBool(v any) (any, error) {
	if b, ok := v.(bool); ok {
		return b, nil
	}
	switch text, _ := sqlText(v); text {
	case "0":
		return false, nil
	case "1":
		return true, nil
	}
	return nil, mismatch(v, "boolean")
}

func fromJSON(v any) (any, error) {
	text, err := sqlText(v)
	if err != nil {
		return nil, err
	}
	if !json.Valid([]byte(text)) {
		return nil, mismatch(v, "JSON")
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	return value, errors.Join(decoder.Decode(&value))
}
