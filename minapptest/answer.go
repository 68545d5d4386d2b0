package minapptest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"
)

// answer is a complete response, so that a fault can still change it.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// object is a JSON object with the order of its members kept.
type object []member

type member struct {
	key   string
	value any
}

// rawJSON is already encoded.
type rawJSON []byte

func jsonAnswer(status int, v any) answer {
	return answer{status: status, header: http.Header{"Content-Type": {"application/json"}}, body: appendJSON(nil, v)}
}

// failure is an error that has a status code; its text goes to the caller.
type failure struct {
	status int
	msg    string
}

func (f *failure) Error() string { return f.msg }

func fail(status int, format string, args ...any) *failure {
	return &failure{status: status, msg: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *failure {
	return fail(http.StatusBadRequest, format, args...)
}

// inferred: every error has this shape; it is documented for the web API only.
func (f *failure) answer() answer {
	return jsonAnswer(f.status, object{{"status", "error"}, {"error_msg", f.msg}})
}

func notFound() *failure { return fail(http.StatusNotFound, "not found") }

// appendJSON encodes without escaping anything that JSON does not demand, with
// numbers as they came in and the keys of maps sorted.
func appendJSON(dst []byte, v any) []byte {
	switch x := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, x)
	case int:
		return strconv.AppendInt(dst, int64(x), 10)
	case int64:
		return strconv.AppendInt(dst, x, 10)
	case json.Number:
		return append(dst, x...)
	case string:
		return appendString(dst, x)
	case rawJSON:
		return append(dst, x...)
	case object:
		return appendObject(dst, x)
	case map[string]any:
		return appendMap(dst, x)
	case []any:
		return appendList(dst, x)
	case []string:
		return appendList(dst, x)
	case []object:
		return appendList(dst, x)
	}
	return appendOther(dst, v)
}

func appendList[T any](dst []byte, list []T) []byte {
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSON(dst, v)
	}
	return append(dst, ']')
}

func appendObject(dst []byte, o object) []byte {
	dst = append(dst, '{')
	for i, m := range o {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, m.key), ':')
		dst = appendJSON(dst, m.value)
	}
	return append(dst, '}')
}

func appendMap(dst []byte, m map[string]any) []byte {
	dst = append(dst, '{')
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, k), ':')
		dst = appendJSON(dst, m[k])
	}
	return append(dst, '}')
}

func appendOther(dst []byte, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("minapptest: cannot encode %T: %v", v, err))
	}
	return append(dst, b...)
}

func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}
