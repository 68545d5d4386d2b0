package minapptest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/stretchr/testify/require"
)

// post sends a create and returns the answer's body, or the error.
func (e *emulator) post(ctx context.Context) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL()+recordURL, strings.NewReader(`{"name":"a"}`))
	require.NoError(e.t, err)
	req.Header.Set("Authorization", "Bearer token")
	resp, err := e.Client().Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

func TestDropBeforeProcessing(t *testing.T) {
	e := newEmulator(t)
	e.Fault(minapptest.Fault{Operation: "records.create", Drop: minapptest.DropBefore})

	_, _, err := e.post(t.Context())
	require.Error(t, err)
	require.Empty(t, e.Rows(e.table))
	require.Zero(t, e.Requests()[0].Status)

	_, _, err = e.post(t.Context())
	require.NoError(t, err)
	require.Len(t, e.Rows(e.table), 1)
}

func TestDropAfterProcessing(t *testing.T) {
	e := newEmulator(t)
	e.Fault(minapptest.Fault{Drop: minapptest.DropAfter})
	_, _, err := e.post(t.Context())
	require.Error(t, err)
	require.Len(t, e.Rows(e.table), 1)
}

func TestCutBody(t *testing.T) {
	e := newEmulator(t)
	e.Fault(minapptest.Fault{Drop: minapptest.CutBody})
	status, body, err := e.post(t.Context())
	require.Equal(t, 201, status)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.True(t, strings.HasPrefix(body, `{"_id":`))
	require.Len(t, e.Rows(e.table), 1)

	e.Fault(minapptest.Fault{Drop: minapptest.CutBody, Status: 500})
	status, _, err = e.post(t.Context())
	require.Equal(t, 500, status)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "even of an empty body")
}

func TestStatusFault(t *testing.T) {
	e := newEmulator(t)
	e.Fault(minapptest.Fault{Operation: "records.create", Skip: 1, Times: 2, Status: 503, Body: "later", Header: http.Header{"Retry-After": {"7"}}})
	e.Fault(minapptest.Fault{Operation: "records.create", Status: 200, Body: `{"not json`, Processed: true})

	var got []string
	for range 5 {
		r := e.send("POST", recordURL, `{"name":"a"}`)
		got = append(got, r.text)
		if r.status == 503 {
			require.Equal(t, "7", r.header.Get("Retry-After"))
		}
	}

	// The first fault skips one request; the next one in line takes it.
	require.Equal(t, `{"not json`, got[0])
	require.Equal(t, []string{"later", "later"}, got[1:3])
	require.Len(t, e.Rows(e.table), 3)

	e.Fault(minapptest.Fault{Times: -1, Status: 500})
	require.Equal(t, 500, e.list().status)
	require.Equal(t, 500, e.list().status)
	e.ClearFaults()
	require.Equal(t, 200, e.list().status)
}

func TestRefusedDials(t *testing.T) {
	e := newEmulator(t)
	e.RefuseDials(1)
	_, _, err := e.post(t.Context())
	require.ErrorContains(t, err, "connection refused")
	require.Zero(t, e.Count(""))
	_, _, err = e.post(t.Context())
	require.NoError(t, err)
}

// Within a bubble delays cost no time, and the server's clock is the bubble's.
func TestDelayInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &emulator{Server: minapptest.NewServer(t), t: t}
		_, err := e.CreateTable(minapptest.Table{ID: 3906, Name: "t", Schema: minapptest.Schema{Fields: []minapptest.Field{{Name: "name", Type: "string"}}}})
		require.NoError(t, err)
		began := time.Now()
		e.Fault(minapptest.Fault{Delay: time.Hour})

		r := e.send("POST", recordURL, `{"name":"a"}`)

		require.Equal(t, time.Hour, time.Since(began))
		require.Equal(t, began.Add(time.Hour).Unix(), seconds(t, r.json["created_at"]))
		<-time.After(time.Hour)
		require.Equal(t, time.Now().Unix(), seconds(t, e.send("POST", recordURL, `{"name":"b"}`).json["created_at"]))
	})
}

func seconds(t *testing.T, v any) int64 {
	t.Helper()
	i, err := v.(json.Number).Int64()
	require.NoError(t, err)
	return i
}

func TestDelayEndsWithTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEmulator(t)
		e.Fault(minapptest.Fault{Delay: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, _, err := e.post(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		synctest.Wait()
		require.Empty(t, e.Rows(e.table), "a caller who leaves during the delay is not processed")

		e.Fault(minapptest.Fault{AnswerDelay: time.Hour})
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, _, err = e.post(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Len(t, e.Rows(e.table), 1)
	})
}

func TestDelayEndsWithClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEmulator(t)
		e.Fault(minapptest.Fault{Delay: time.Hour})
		began, failed := time.Now(), make(chan error)
		go func() {
			_, _, err := e.post(context.Background())
			failed <- err
		}()
		synctest.Wait()
		require.NoError(t, e.Close())
		require.Error(t, <-failed)
		require.Zero(t, time.Since(began))
	})
}

// A client's retries and their waits run in a bubble too.
func TestClientRetriesInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEmulator(t)
		client, err := minapp.NewClient(e.Options()...)
		require.NoError(t, err)
		id := e.seed(`{"name":"a"}`)[0]
		began := time.Now()
		e.Fault(minapptest.Fault{Operation: "records.get", Status: 429, Header: http.Header{"Retry-After": {"20"}}})

		row, err := client.Records.Get(t.Context(), 3906, id)

		require.NoError(t, err)
		require.Equal(t, id, row.ID())
		require.Equal(t, 2, e.Count("records.get"))
		require.GreaterOrEqual(t, time.Since(began), 20*time.Second)
	})
}
