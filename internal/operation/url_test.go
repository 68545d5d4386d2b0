package operation

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

// No record id reaches another path, host or query.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"5a2f", "..", "../x", "a/b", "?q", "#f", "%2f", "\\", "@host", "//host", "包", "\x00", ";", ":", " "} {
		f.Add(seed)
	}
	base, _ := url.Parse("https://host/base")
	f.Fuzz(func(t *testing.T, id string) {
		raw, err := Operation{Path: "/{surface}/thing/{id}/"}.URL(base, "oserve", []string{id}, nil)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("error is %v", err)
			}
			return
		}
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		segments := strings.Split(u.EscapedPath(), "/")
		if u.Host != "host" || u.RawQuery != "" || u.Fragment != "" || len(segments) != 6 || segments[3] != "thing" {
			t.Fatalf("id %q became %q", id, u)
		}
		if back, err := url.PathUnescape(segments[4]); err != nil || back != id {
			t.Fatalf("id %q arrives as %q", id, back)
		}
	})
}
