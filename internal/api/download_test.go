package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp/internal/download"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/pace"
)

const signed = "https://files.example/a/b.csv?Expires=1&Signature=s1gnature"

// kept is a target that can start anew, as a file can.
type kept struct {
	bytes.Buffer
	of     download.Version
	starts []int64
	fail   error
}

func (k *kept) Have() (int64, download.Version) { return int64(k.Len()), k.of }

func (k *kept) Start(_ download.Version, offset int64) error {
	k.starts = append(k.starts, offset)
	k.Truncate(int(offset))
	return k.fail
}

// fileServer answers as an object store does, with what is set about it.
type fileServer struct {
	content  string
	etag     string
	modified string
	ranges   bool // whether it knows Range
	chunked  bool // tells no length
	cuts     []int
	asked    []*http.Request
}

func (s *fileServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked = append(s.asked, r)
	h := http.Header{}
	for name, value := range map[string]string{"Etag": s.etag, "Last-Modified": s.modified} {
		if value != "" {
			h.Set(name, value)
		}
	}
	status, body := 200, s.content
	if from := r.Header.Get("Range"); s.ranges && from != "" && s.same(r.Header.Get("If-Range")) {
		first, _ := strconv.Atoi(strings.Trim(from, "bytes=-"))
		if first >= len(body) {
			return &http.Response{StatusCode: 416, Header: h, Body: http.NoBody, Request: r}, nil
		}
		status, body = 206, body[first:]
		h.Set("Content-Range", "bytes "+strconv.Itoa(first)+"-"+strconv.Itoa(len(s.content)-1)+"/"+strconv.Itoa(len(s.content)))
	}
	length := int64(len(body))
	if s.chunked {
		length = -1
	}
	end := io.EOF
	if len(s.cuts) > 0 {
		if s.cuts[0] < len(body) {
			body, end = body[:s.cuts[0]], io.ErrUnexpectedEOF
		}
		s.cuts = s.cuts[1:]
	}
	return &http.Response{StatusCode: status, Header: h, ContentLength: length, Request: r, Body: io.NopCloser(&endsWith{strings.NewReader(body), end})}, nil
}

func (s *fileServer) same(tag string) bool { return tag == "" || tag == s.etag || tag == s.modified }

type endsWith struct {
	io.Reader
	err error
}

func (r *endsWith) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = r.err
	}
	return n, err
}

func fetch(t *testing.T, rt http.RoundTripper, target download.Target) error {
	t.Helper()
	return fetchFrom(t.Context(), t, rt, target)
}

func fetchFrom(ctx context.Context, t *testing.T, rt http.RoundTripper, target download.Target) error {
	t.Helper()
	s := newSender(t, rt, "https://api.example")
	s.PlainHTTP = func(host string) bool { return host == "localhost" }
	s.Timeout = time.Second
	return s.Download(ctx, operation.ExportsDownload, signed, target)
}

func TestDownloadCarriesNoCredentialsAndAsksForTheBytesThemselves(t *testing.T) {
	server := &fileServer{content: "hello"}
	var target kept
	require.NoError(t, fetch(t, server, &target))
	assert.Equal(t, "hello", target.String())
	require.Len(t, server.asked, 1)
	assert.Equal(t, http.Header{"User-Agent": {"test"}, "Accept-Encoding": {"identity"}}, server.asked[0].Header)
	assert.Equal(t, signed, server.asked[0].URL.String())
}

// A download that is cut goes on where it was, as long as the server says that
// the file is the same.
func TestDownloadGoesOn(t *testing.T) {
	for name, test := range map[string]struct {
		server  fileServer
		starts  []int64
		ifRange string
	}{
		"by tag":                 {fileServer{ranges: true, etag: `"1"`, modified: "then"}, []int64{0, 3, 5}, `"1"`},
		"by date":                {fileServer{ranges: true, modified: "then"}, []int64{0, 3, 5}, "then"},
		"a weak tag is no proof": {fileServer{ranges: true, etag: `W/"1"`, modified: "then"}, []int64{0, 3, 5}, "then"},
		"by length":              {fileServer{ranges: true}, []int64{0, 3, 5}, ""},
		"nothing to go by":       {fileServer{ranges: true, chunked: true}, []int64{0, 0, 0}, ""},
		"no ranges":              {fileServer{etag: `"1"`}, []int64{0, 0, 0}, `"1"`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := test.server
				server.content, server.cuts = "hello, world", []int{3, 2}
				var target kept
				require.NoError(t, fetch(t, &server, &target))
				assert.Equal(t, "hello, world", target.String())
				assert.Equal(t, test.starts, target.starts)
				assert.Equal(t, test.ifRange, server.asked[1].Header.Get("If-Range"))
			})
		})
	}
}

func TestDownloadStartsAnewWhenTheFileChanged(t *testing.T) {
	for name, etag := range map[string]string{"by tag": `"2"`, "the tag is the same, the length is not": `"1"`} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &fileServer{content: "old content", etag: `"1"`, ranges: true, cuts: []int{4}}
				first := true
				var target kept
				require.NoError(t, fetch(t, roundTrip(func(r *http.Request) (*http.Response, error) {
					if !first {
						server.content, server.etag = "new", etag
					}
					first = false
					return server.RoundTrip(r)
				}), &target))
				assert.Equal(t, "new", target.String())
			})
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What an earlier download has left is used if it belongs to the same file.
func TestDownloadContinuesAnEarlierOne(t *testing.T) {
	for name, test := range map[string]struct {
		of     download.Version
		starts []int64
		asked  int
	}{
		"same":     {download.Version{ETag: `"1"`, Size: 12}, []int64{5}, 1},
		"other":    {download.Version{ETag: `"0"`, Size: 12}, []int64{0}, 1},
		"whole":    {download.Version{ETag: `"1"`, Size: 5}, nil, 0},
		"nobody's": {download.Version{Size: -1}, []int64{0}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			server := &fileServer{content: "hello, world", etag: `"1"`, ranges: true}
			target := &kept{of: test.of}
			target.WriteString("hello")
			s := newSender(t, server, "https://api.example")
			require.NoError(t, s.Download(t.Context(), operation.ExportsDownload, signed, target))
			assert.Equal(t, test.starts, target.starts)
			assert.Len(t, server.asked, test.asked)
		})
	}
}

// Attempts count from the last one that brought something; a server that
// always cuts at the same byte does not go on for ever.
func TestDownloadGivesUpWithoutProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cuts := []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}
		server := &fileServer{content: "hello, world", etag: `"1"`, ranges: true, cuts: cuts}
		var target kept
		require.NoError(t, fetch(t, server, &target), "a byte at a time, eleven times")
		assert.Equal(t, "hello, world", target.String())

		server = &fileServer{content: "hello, world", cuts: []int{5, 5, 5, 5, 5, 5, 5, 5, 5}}
		err := fetch(t, server, &kept{})
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.Len(t, server.asked, 4)
	})
}

func TestDownloadRepeatsWhatIsTransient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var target kept
		server := &script{steps: []step{answering(503, ``), answering(429, ``, "Retry-After", "2"), failing(errReset, true, true), answering(200, "hello")}}
		require.NoError(t, fetch(t, server, &target))
		assert.Equal(t, "hello", target.String())
		assert.Equal(t, 4, server.calls)
	})
}

// A refusal names the status and nothing of the address's query or of the body,
// in which object stores repeat what was signed.
func TestRefusedDownload(t *testing.T) {
	server := &script{steps: []step{answering(403, `<Error><Signature>s1gnature</Signature></Error>`)}}
	err := fetch(t, server, &kept{})
	f, ok := errors.AsType[*Failure](err)
	require.True(t, ok)
	assert.Equal(t, 403, f.Status)
	assert.Equal(t, "/a/b.csv", f.Path)
	assert.Empty(t, f.Body)
	assert.Equal(t, 1, server.calls)
	assert.NotContains(t, err.Error(), "s1gnature")
}

func TestDownloadEndsWithItsTarget(t *testing.T) {
	full := errors.New("disk full")
	server := &fileServer{content: "hello"}
	require.ErrorIs(t, fetch(t, server, &kept{fail: full}), full)
	require.ErrorIs(t, fetch(t, server, &failingTarget{full}), full)
	assert.Len(t, server.asked, 2, "and is not repeated")
}

type failingTarget struct{ err error }

func (failingTarget) Have() (int64, download.Version)     { return 0, download.Version{} }
func (failingTarget) Start(download.Version, int64) error { return nil }
func (f failingTarget) Write(p []byte) (int, error)       { return 0, f.err }

// Only the context bounds the time, not what is configured for other calls.
func TestDownloadHasNoTimeOutOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: 5, Request: r, Body: io.NopCloser(slowly{r.Context(), strings.NewReader("hello")})}, nil
		})
		start := time.Now()
		var target kept
		require.NoError(t, fetch(t, slow, &target))
		assert.Equal(t, 6*time.Hour, time.Since(start))

		err := fetchFrom(within(t, 2*time.Hour), t, slow, &kept{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// slowly gives a byte an hour.
type slowly struct {
	ctx  context.Context
	from io.Reader
}

func (s slowly) Read(p []byte) (int, error) {
	if err := pace.Sleep(s.ctx, time.Hour); err != nil {
		return 0, err
	}
	return s.from.Read(p[:1])
}

func TestRedirectsOfDownloads(t *testing.T) {
	for name, test := range map[string]struct {
		to   []string
		want string // the last address asked for
		ok   bool
	}{
		"one":               {[]string{"https://cdn.example/x?Signature=other"}, "https://cdn.example/x?Signature=other", true},
		"relative":          {[]string{"/c"}, "https://files.example/c", true},
		"five":              {[]string{"/1", "/2", "/3", "/4", "/5"}, "https://files.example/5", true},
		"six":               {[]string{"/1", "/2", "/3", "/4", "/5", "/6"}, "https://files.example/5", false},
		"to plain http":     {[]string{"http://files.example/c"}, signed, false},
		"to this machine":   {[]string{"http://localhost/c"}, signed, false},
		"to another scheme": {[]string{"file:///etc/passwd"}, signed, false},
		"nowhere":           {[]string{""}, signed, false},
		"nonsense":          {[]string{"https://%zz?Signature=s1gnature"}, signed, false},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []*http.Request
			hops := test.to
			err := fetch(t, roundTrip(func(r *http.Request) (*http.Response, error) {
				asked = append(asked, r)
				if len(hops) == 0 {
					return answering(200, "hello")(r)
				}
				hop := hops[0]
				hops = hops[1:]
				return answering(307, "", "Location", hop)(r)
			}), &kept{})
			assert.Equal(t, test.ok, err == nil, "%v", err)
			assert.Equal(t, test.want, asked[len(asked)-1].URL.String())
			for _, r := range asked {
				assert.Equal(t, http.Header{"User-Agent": {"test"}, "Accept-Encoding": {"identity"}}, r.Header)
			}
			if err != nil {
				assert.NotContains(t, err.Error(), "ignature")
			}
		})
	}
}

func TestAddressesThatAreNotFetched(t *testing.T) {
	s := newSender(t, &script{steps: []step{answering(200, "hello")}}, "https://api.example")
	s.PlainHTTP = func(host string) bool { return host == "localhost" }
	for raw, ok := range map[string]bool{
		"http://localhost/a": true, "https://host/a": true,
		"http://host/a": false, "ftp://host/a": false, "/a": false, "": false, "https://u:p@host/a": false, "https://%zz?x=s1gnature": false,
	} {
		err := s.Download(t.Context(), operation.ExportsDownload, raw, &kept{})
		assert.Equal(t, ok, err == nil, raw)
		if err != nil {
			require.ErrorIs(t, err, operation.ErrInvalid)
			assert.True(t, errorAs[*Failure](t, err).Unsent, raw)
			assert.NotContains(t, err.Error(), "s1gnature")
		}
	}
}

// A file that has nothing to give is fetched all the same: only then it is there.
func TestAnEmptyFileIsFetched(t *testing.T) {
	server := &fileServer{etag: `"a"`}
	target := kept{of: download.Version{ETag: `"a"`}}
	s := newSender(t, server, "https://api.example")
	require.NoError(t, s.Download(t.Context(), operation.ExportsDownload, signed, &target))
	assert.Equal(t, []int64{0}, target.starts)
	assert.Len(t, server.asked, 1)
}

func TestDownloadWhoseContextHasEndedAsksForNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	server := &fileServer{content: "hello"}
	err := fetchFrom(ctx, t, server, new(kept))
	require.ErrorIs(t, err, context.Canceled)
	assert.True(t, errorAs[*Failure](t, err).Unsent)
	assert.Empty(t, server.asked)
}
