package download

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/minapp-go/minapp/internal/answer"
)

func FuzzContentRange(f *testing.F) {
	for _, seed := range []string{"bytes 5-9/10", "bytes 5-9/*", "bytes */10", "5", "bytes -1-/", "bytes 99999999999999999999-1/2", "bytes 5-7/10", "bytes 5-", "bytes 5-9/010"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		start, total, ok := contentRange(http.Header{"Content-Range": {value}})
		if ok && (total < -1 || start < 0) {
			t.Errorf("%q is %d of %d", value, start, total)
		}
	})
}

// kept is a target that can start anew, as a file can.
type kept struct {
	bytes.Buffer
	of Version
}

func (k *kept) Have() (int64, Version) { return int64(k.Len()), k.of }

func (k *kept) Start(_ Version, offset int64) error {
	k.Truncate(int(offset))
	return nil
}

// brought asks up to three times, as a call does whose answers are cut.
func brought(t *testing.T, f *File, send func(*http.Request) (*http.Response, error)) bool {
	t.Helper()
	for range 3 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://files.example/a", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := f.Fetch(send, req)
		if err != nil || resp.StatusCode >= 300 {
			return false
		}
		_, err = f.Take(resp)
		if err == nil || errors.Is(err, answer.ErrProtocol) {
			return err == nil
		}
	}
	return false
}

// However strange the answer to a request for the rest of a file: the download
// ends, nothing is put where it does not belong, and a file of a length that
// was told is not taken for whole before it has that length.
func FuzzDownload(f *testing.F) {
	f.Add(206, "bytes 5-9/10", `"v1"`, int64(5), "56789", int64(10))
	f.Add(206, "bytes 5-7/10", `"v1"`, int64(3), "567", int64(-1))
	f.Add(206, "bytes 5-7/*", "", int64(-1), "567", int64(-1))
	f.Add(206, "bytes 0-9/10", `"v2"`, int64(-1), "0123456789", int64(10))
	f.Add(200, "", `"v2"`, int64(4), "0123", int64(10))
	f.Add(416, "bytes */10", "", int64(0), "", int64(-1))
	f.Add(204, "", "", int64(0), "", int64(10))
	f.Fuzz(func(t *testing.T, status int, span, etag string, length int64, body string, known int64) {
		if status < 200 || status == 429 || status >= 500 || status/100 == 3 || length < -1 || length >= 0 && length != int64(len(body)) {
			return // what net/http does not hand over, and what is repeated after a wait
		}
		var target kept
		target.WriteString("01234")
		told := max(-1, known)
		if 0 <= told && told <= 5 {
			return // there would be nothing to ask for
		}
		target.of = Version{ETag: `"v1"`, Size: told}
		first := true
		send := func(r *http.Request) (*http.Response, error) {
			if !first { // the whole file, of another version
				return &http.Response{StatusCode: 200, Header: http.Header{"Etag": {`"v3"`}}, ContentLength: 3, Request: r, Body: io.NopCloser(strings.NewReader("abc"))}, nil
			}
			first = false
			h := http.Header{"Content-Range": {span}, "Etag": {etag}}
			return &http.Response{StatusCode: status, Header: h, ContentLength: length, Request: r, Body: io.NopCloser(strings.NewReader(body))}, nil
		}
		file := New(&target, func(*url.URL) bool { return true })
		if !brought(t, file, send) {
			return
		}
		switch got := target.String(); {
		case got == "abc", status == 200 && got == body:
		case status == 206 && got == "01234"+body:
			start, total, ok := contentRange(http.Header{"Content-Range": {span}})
			if !ok || start != 5 || etag != "" && etag != target.of.ETag || told >= 0 && int64(len(got)) != told || total >= 0 && int64(len(got)) != total {
				t.Fatalf("%q, %q of %d made %q", span, etag, told, got)
			}
		default:
			t.Fatalf("%d, %q made %q", status, span, got)
		}
	})
}
