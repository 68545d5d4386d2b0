package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Version tells two states of a file apart, as far as its server does.
type Version struct {
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"last_modified,omitempty"`
	Size     int64  `json:"size"` // -1 is unknown
}

// Target takes the bytes of a download in their order.
type Target interface {
	io.Writer
	// Start says which file comes, and from which byte: 0, or as many as the
	// target has. What it has beyond that is to be forgotten.
	Start(v Version, offset int64) error
}

// Download fetches a file from a URL that a service gave, without credentials.
// It goes on after the bytes that the target has, of the given version, if the
// server allows it and the file is still the same; else it starts anew. Every
// error is a *Failure, which never holds the query of the URL: that signs it.
func (s *Sender) Download(ctx context.Context, op Operation, raw string, have int64, of Version, target Target) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		err = fmt.Errorf("%w: the download URL cannot be used", ErrInvalid)
	case !s.mayFetch(u):
		err = fmt.Errorf("%w: the download URL is not https", ErrInvalid)
	}
	if err != nil {
		return &Failure{Op: op.Name, Method: op.Method, Unsent: true, Err: err}
	}
	if have > 0 && have == of.Size {
		return nil
	}
	req := (&http.Request{Method: op.Method, URL: u, Header: http.Header{}}).WithContext(ctx)
	copyHeader(req.Header, s.Header)
	req.Header.Set("Accept-Encoding", "identity") // the bytes of the file, which is compressed or not by itself
	x := &exchange{sender: s, op: op, policy: s.Policy, path: u.EscapedPath(), last: new(attempt), file: &file{target: target, have: have, most: have, version: of}}
	if _, failure := x.run(req); failure != nil {
		return failure
	}
	return nil
}

func (s *Sender) mayFetch(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && s.PlainHTTP(u.Hostname())
}

// file is a download on its way.
type file struct {
	target  Target
	version Version
	have    int64 // bytes of version that the target has
	most    int64 // that it ever had
	stopped bool  // by the target
}

// fetch asks for what is missing. It follows redirects, and asks for the whole
// file when what it gets does not fit what it has.
func (f *file) fetch(s *Sender, req *http.Request) (*http.Response, error) {
	for hop := 0; ; hop++ {
		req = req.Clone(req.Context())
		f.setRange(req.Header)
		resp, err := s.Transport.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		next := f.next(s, req, resp)
		if next == nil || hop == maxRedirects {
			resp.Header.Del("Location") // net/http would print one that it cannot parse
			return resp, nil
		}
		resp.Body.Close()
		req = next
	}
}

func (f *file) setRange(h http.Header) {
	h.Del("Range")
	h.Del("If-Range")
	if f.version == (Version{Size: -1}) {
		f.have = 0 // nothing would tell whether the rest belongs to it
	}
	if f.have == 0 {
		return
	}
	h.Set("Range", "bytes="+strconv.FormatInt(f.have, 10)+"-")
	switch { // a weak tag promises no equal bytes
	case f.version.ETag != "" && !strings.HasPrefix(f.version.ETag, "W/"):
		h.Set("If-Range", f.version.ETag)
	case f.version.Modified != "":
		h.Set("If-Range", f.version.Modified)
	}
}

// next is the request that must follow an answer, nil if none.
func (f *file) next(s *Sender, req *http.Request, resp *http.Response) *http.Request {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		to := resp.Header.Get("Location")
		u, err := req.URL.Parse(to)
		if to == "" || err != nil || u.Host == "" || !s.mayFetch(u) || req.URL.Scheme == "https" && u.Scheme != "https" {
			return nil
		}
		next := req.Clone(req.Context())
		next.URL, next.Host = u, ""
		return next
	case http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable:
		if resp.StatusCode == http.StatusPartialContent && f.fits(resp) || f.have == 0 {
			return nil
		}
		f.have = 0
		return req
	}
	return nil
}

// fits reports whether a partial answer is the rest of the same file.
func (f *file) fits(resp *http.Response) bool {
	start, _, ok := contentRange(resp.Header)
	return ok && start == f.have && f.version.same(versionOf(resp))
}

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

// takeFile hands the body on as it comes. That of a refusal is not kept: it can
// repeat the signature.
func (x *exchange) takeFile(resp *http.Response) error {
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return nil
	}
	read, err := x.file.take(resp)
	x.sender.Received.Add(read)
	if x.file.have > x.file.most {
		x.file.most = x.file.have
		x.useful = x.attempts - 1
	}
	return err
}

// take writes the body to the target.
func (f *file) take(resp *http.Response) (read int64, err error) {
	switch resp.StatusCode {
	case http.StatusOK:
		f.have, f.version = 0, versionOf(resp)
	case http.StatusPartialContent:
		if f.have == 0 {
			return 0, fmt.Errorf("%w: a part of the file, and not asked for", ErrProtocol)
		}
		f.version.Size = max(f.version.Size, versionOf(resp).Size) // the first answer may not have told it
	default:
		return 0, fmt.Errorf("%w: status %d instead of a file", ErrProtocol, resp.StatusCode)
	}
	if err := f.target.Start(f.version, f.have); err != nil {
		f.stopped = true
		return 0, err
	}
	buffer := make([]byte, 64<<10)
	for {
		n, err := resp.Body.Read(buffer)
		if _, failed := f.target.Write(buffer[:n]); failed != nil {
			f.stopped = true
			return read, failed
		}
		read, f.have = read+int64(n), f.have+int64(n)
		if errors.Is(err, io.EOF) {
			return read, f.complete()
		}
		if err != nil {
			return read, err
		}
	}
}

func (f *file) complete() error {
	if f.version.Size >= 0 && f.have != f.version.Size {
		return fmt.Errorf("%w: %d of %d bytes", errCut, f.have, f.version.Size)
	}
	return nil
}
