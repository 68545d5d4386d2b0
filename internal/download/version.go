package download

import (
	"net/http"
	"strconv"
	"strings"
)

// Version tells two states of a file apart, as far as its server does.
type Version struct {
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"last_modified,omitempty"`
	Size     int64  `json:"size"` // -1 is unknown
}

// anything is a version of a file whose server says nothing about it.
func (v Version) anything() bool { return v == Version{Size: -1} }

func (v Version) same(other Version) bool {
	return equalIfKnown(v.ETag, other.ETag, "") && equalIfKnown(v.Modified, other.Modified, "") && equalIfKnown(v.Size, other.Size, -1)
}

func equalIfKnown[T comparable](a, b, unknown T) bool { return a == b || a == unknown || b == unknown }

func versionOf(resp *http.Response) Version {
	v := Version{ETag: resp.Header.Get("Etag"), Modified: resp.Header.Get("Last-Modified"), Size: resp.ContentLength}
	if resp.StatusCode == http.StatusPartialContent {
		_, v.Size, _ = contentRange(resp.Header)
	}
	return v
}

// contentRange reads "bytes 5-9/10"; an unknown total is -1.
func contentRange(h http.Header) (start, total int64, ok bool) {
	span, size, ok := strings.Cut(strings.TrimPrefix(h.Get("Content-Range"), "bytes "), "/")
	first, _, dash := strings.Cut(span, "-")
	from, err := strconv.ParseUint(first, 10, 63)
	if !ok || !dash || err != nil {
		return 0, -1, false
	}
	whole, err := strconv.ParseUint(size, 10, 63)
	if err != nil {
		return int64(from), -1, size == "*"
	}
	return int64(from), int64(whole), true
}
