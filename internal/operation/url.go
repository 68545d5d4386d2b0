package operation

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// MaxURL is the longest URL, in bytes, that minapp answers; a longer one gets
// a 502 that names no reason. Source: js-sdk/schema/query.md.
const MaxURL = 16386

// Reasons for a refusal before anything is sent.
var (
	ErrInvalid = errors.New("invalid argument")
	ErrTooLong = errors.New("URL too long")
)

// URL is the address of a call below the base of its service. The surface is
// "oserve" or "userve"; values fill the other braces of the path in order.
func (op Operation) URL(base *url.URL, surface string, values []string, query url.Values) (string, error) {
	if base == nil {
		return "", fmt.Errorf("%w: no base URL for this service", ErrInvalid)
	}
	root := strings.TrimSuffix(base.String(), "/")
	if op.Root {
		root = strings.TrimSuffix(root, MOIPrefix)
	}
	encoded := query.Encode()
	var b strings.Builder
	b.Grow(len(root) + 2*len(op.Path) + len(encoded))
	b.WriteString(root)
	if err := fill(&b, op.Path, surface, values); err != nil {
		return "", err
	}
	if encoded != "" {
		b.WriteByte('?')
		b.WriteString(encoded)
	}
	return b.String(), nil
}

// fill writes a path. Every value is escaped; one that is empty or a dot
// segment is refused, because it would address something else: an empty record
// id the whole table.
func fill(b *strings.Builder, template, surface string, values []string) error {
	for segment := range strings.SplitSeq(strings.Trim(template, "/"), "/") {
		name, isValue := strings.CutPrefix(segment, "{")
		name = strings.TrimSuffix(name, "}")
		value := segment
		switch {
		case isValue && name == "surface":
			value = surface
		case isValue && len(values) == 0:
			return fmt.Errorf("%w: no %s given", ErrInvalid, name)
		case isValue:
			value, values = values[0], values[1:]
		}
		if err := checkSegment(name, value); err != nil {
			return err
		}
		b.WriteByte('/')
		b.WriteString(url.PathEscape(value))
	}
	if strings.HasSuffix(template, "/") {
		b.WriteByte('/')
	}
	return nil
}

func checkSegment(name, value string) error {
	switch {
	case strings.TrimSpace(value) == "":
		return fmt.Errorf("%w: %s is blank", ErrInvalid, name)
	case value == "." || value == "..":
		return fmt.Errorf("%w: %s is %q", ErrInvalid, name, value)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Errorf("%w: %s has a control character", ErrInvalid, name)
	}
	return nil
}
