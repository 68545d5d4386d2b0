package minapp_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
)

// pipes is a network in memory: waiting on it is waiting in the sense of
// testing/synctest.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error { close(p); return nil }

func (pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	p <- server
	return client, nil
}

// defaultClient is a client with the default transport, but for the network,
// whose every request meets the handler.
func defaultClient(t *testing.T, handler http.HandlerFunc) *minapp.Client {
	t.Helper()
	network := make(pipes)
	var handlers sync.WaitGroup
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:gosec // it is to be as slow as it likes
		handlers.Add(1)
		defer handlers.Done()
		handler(w, r)
	})}
	go func() { _ = server.Serve(network) }()
	transport := minapp.DefaultTransport()
	transport.DialContext = network.dial
	client, err := minapp.NewClient(minapp.WithToken(secret), minapp.WithBaseURL("http://localhost"), minapp.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)
	t.Cleanup(func() {
		client.CloseIdleConnections()
		require.NoError(t, server.Close())
		handlers.Wait()
	})
	return client
}

// transfers are calls that can take their time: each kind of reading and
// writing.
var transfers = map[string]struct {
	write bool
	call  func(context.Context, *minapp.Client, string) error
}{
	"read": {false, func(ctx context.Context, c *minapp.Client, _ string) error {
		_, err := c.Records.Get(ctx, 1, "5a")
		return err
	}},
	"list": {false, func(ctx context.Context, c *minapp.Client, _ string) error {
		for _, err := range c.Records.All(ctx, 1, minapp.Query{}) {
			if err != nil {
				return err
			}
		}
		return nil
	}},
	"write": {true, func(ctx context.Context, c *minapp.Client, _ string) error {
		_, err := c.Records.Create(ctx, 1, minapp.Fields{"name": "a"})
		return err
	}},
	"download": {false, func(ctx context.Context, c *minapp.Client, _ string) error {
		_, err := c.Exports.Download(ctx, exportedFile, io.Discard)
		return err
	}},
	"download to a file": {false, func(ctx context.Context, c *minapp.Client, dir string) error {
		_, err := c.Exports.DownloadFile(ctx, exportedFile, filepath.Join(dir, "a.json"))
		return err
	}},
	"upload": {true, func(ctx context.Context, c *minapp.Client, _ string) error {
		return c.Imports.Start(ctx, 1, minapp.ReaderSource("a.json", strings.NewReader(largeFile), int64(len(largeFile))))
	}},
	"upload of a length that nobody knows": {true, func(ctx context.Context, c *minapp.Client, _ string) error {
		return c.Imports.Start(ctx, 1, minapp.ReaderSource("a.json", strings.NewReader(largeFile), -1))
	}},
}

// largeFile is larger than what is held on its way.
var largeFile = strings.Repeat(" ", 256<<10)

var exportedFile = &minapp.ExportJob{Ref: minapp.ExportRef{Table: 1, Job: "j"}, Status: "finish", DownloadURL: "http://localhost/exported/a.json"}

// A service that takes a request and never begins to answer is given up after
// the header time-out: by a read four times, by a write once.
func TestASilentServiceMeetsTheHeaderTimeOut(t *testing.T) {
	for name, transfer := range transfers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var requests atomic.Int64
				client := defaultClient(t, func(_ http.ResponseWriter, r *http.Request) {
					requests.Add(1)
					_, _ = io.Copy(io.Discard, r.Body)
					<-r.Context().Done()
				})
				begin := time.Now()
				err := transfer.call(t.Context(), client, t.TempDir())
				took := time.Since(begin)
				require.ErrorIs(t, err, minapp.ErrUnavailable)
				assert.Equal(t, transfer.write, errors.Is(err, minapp.ErrOutcomeUnknown))
				if transfer.write {
					assert.Equal(t, time.Minute, took)
					assert.EqualValues(t, 1, requests.Load())
					return
				}
				assert.GreaterOrEqual(t, took, 4*time.Minute)
				assert.Less(t, took, 4*time.Minute+4*time.Second, "the waits between them")
				assert.EqualValues(t, 4, requests.Load())
			})
		})
	}
}

// slowAnswer begins to answer at once, and then sends a byte after each wait:
// those of the text, or blanks without an end if it is empty.
func slowAnswer(wait time.Duration, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusOK)
		for at := 0; text == "" || at < len(text); at++ {
			if http.NewResponseController(w).Flush() != nil {
				return
			}
			select {
			case <-time.After(wait):
			case <-r.Context().Done():
				return
			}
			_, _ = io.WriteString(w, (text + " ")[at%(len(text)+1):][:1])
		}
	}
}

// slowReader takes so many bytes of the request after each wait, and answers
// when it has them all.
func slowReader(wait time.Duration, bytes int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		part := make([]byte, bytes)
		for {
			_, err := io.ReadFull(r.Body, part)
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				w.WriteHeader(http.StatusCreated)
				_, _ = io.WriteString(w, `{"status":"ok"}`)
				return
			}
			if err != nil {
				return
			}
			select {
			case <-time.After(wait):
			case <-r.Context().Done():
				return
			}
		}
	}
}

// What keeps coming, or going, is not cut, however long it takes.
func TestASlowTransferIsNotCut(t *testing.T) {
	for name, transfer := range transfers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				handler := slowAnswer(50*time.Second, `{"meta":{"next":null},"objects":[],"id":"5a"}`)
				if strings.HasPrefix(name, "upload") {
					handler = slowReader(50*time.Second, 8<<10)
				}
				client := defaultClient(t, handler)
				begin := time.Now()
				require.NoError(t, transfer.call(t.Context(), client, t.TempDir()))
				assert.Greater(t, time.Since(begin), 25*time.Minute)
				assert.EqualValues(t, 1, client.Stats().Requests)
			})
		})
	}
}

// A byte a second, for ever, ends with the context: at once, with its cause,
// and for a write without certainty.
func TestADrippingTransferEndsWithTheContext(t *testing.T) {
	for name, transfer := range transfers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				handler := slowAnswer(time.Second, "")
				if strings.HasPrefix(name, "upload") {
					handler = slowReader(time.Second, 1)
				}
				client := defaultClient(t, handler)
				left := errors.New("the user has left")
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, left)
				defer cancel()
				begin := time.Now()
				err := transfer.call(ctx, client, t.TempDir())
				assert.Equal(t, time.Hour, time.Since(begin))
				require.ErrorIs(t, err, left)
				assert.Equal(t, transfer.write, errors.Is(err, minapp.ErrOutcomeUnknown), "%v", err)
				assert.EqualValues(t, 1, client.Stats().Requests)
			})
		})
	}
}

// blank is a text of blanks without an end.
type blank struct{ read int64 }

func (b *blank) Read(p []byte) (int, error) {
	n := copy(p, largeFile)
	b.read += int64(n)
	return n, nil
}

// Of an answer 64 MiB are read, and not a byte more for long.
func TestTheLimitOfAnAnswer(t *testing.T) {
	body := &blank{}
	client, _ := mocked(t, func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, ContentLength: -1, Body: io.NopCloser(body)}, nil
	})
	_, err := client.Records.Get(t.Context(), 1, "5a")
	require.ErrorIs(t, err, minapp.ErrProtocol)
	require.ErrorContains(t, err, "too large")
	assert.EqualValues(t, 64<<20+1, body.read)
}

// The limit counts what was unpacked: a small answer can hold a large one.
func TestTheLimitOfAPackedAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := defaultClient(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			packed := gzip.NewWriter(w)
			_, _ = io.CopyN(packed, &blank{}, 4<<20) // about 4 KiB
			_ = packed.Close()
		})
		minapp.LimitAnswers(client, 64<<10)
		_, err := client.Records.Get(t.Context(), 1, "5a")
		require.ErrorIs(t, err, minapp.ErrProtocol)
		require.ErrorContains(t, err, "too large")
		assert.EqualValues(t, 64<<10, client.Stats().Received)
	})
}

// allocated is how many bytes a call allocates, freed or not.
func allocated(call func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// What a download allocates does not depend on the file. bench moves 4 GiB in
// both directions.
func TestALargeDownloadRunsInConstantMemory(t *testing.T) {
	const size = 128 << 20
	client, _ := mocked(t, func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, ContentLength: size, Body: io.NopCloser(io.LimitReader(&blank{}, size))}, nil
	})
	job := &minapp.ExportJob{Status: "finish", DownloadURL: "https://files.example/large.csv"}
	assert.Less(t, allocated(func() {
		n, err := client.Exports.Download(t.Context(), job, struct{ io.Writer }{io.Discard})
		require.NoError(t, err)
		assert.EqualValues(t, size, n)
	}), uint64(1<<20))
	path := filepath.Join(t.TempDir(), "large.csv")
	assert.Less(t, allocated(func() {
		_, err := client.Exports.DownloadFile(t.Context(), job, path)
		require.NoError(t, err)
	}), uint64(1<<20))
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.EqualValues(t, size, info.Size())
}
