package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"resty.dev/v3"
)

// caller is another way to call the service: what people write who have no
// client for it. The loops below are the same for all of them.
type caller interface {
	get(ctx context.Context, url string, out any) error
	post(ctx context.Context, url string, body, out any) error
}

const bearer = "Bearer " + token

// byHand is net/http and encoding/json: connections are reused, because every
// answer is read to its end and closed.
type byHand struct{ http.Client }

func newByHand() caller { return new(byHand) }

func (c *byHand) get(ctx context.Context, url string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", bearer)
	return decoded(out)(c.Do(req)) //nolint:bodyclose // decoded closes it
}

func (c *byHand) post(ctx context.Context, url string, body, out any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", bearer)
	req.Header.Set("Content-Type", "application/json")
	return decoded(out)(c.Do(req)) //nolint:bodyclose // decoded closes it
}

func decoded(out any) func(*http.Response, error) error {
	return func(resp *http.Response, err error) error {
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return refusal(resp)
		}
		return json.NewDecoder(resp.Body).Decode(out)
	}
}

func refusal(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // an error of its own
	return fmt.Errorf("%s: %s", resp.Status, text)
}

// retryable is go-retryablehttp with its own settings, but silent.
type retryable struct{ *retryablehttp.Client }

func newRetryable() caller {
	c := retryablehttp.NewClient()
	c.Logger = nil
	return retryable{c}
}

func (c retryable) get(ctx context.Context, url string, out any) error {
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", bearer)
	return decoded(out)(c.Do(req)) //nolint:bodyclose // decoded closes it
}

func (c retryable) post(ctx context.Context, url string, body, out any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, url, data)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", bearer)
	req.Header.Set("Content-Type", "application/json")
	return decoded(out)(c.Do(req)) //nolint:bodyclose // decoded closes it
}

// viaResty is resty as its documentation uses it.
type viaResty struct{ *resty.Client }

func newResty() caller { return viaResty{resty.New().SetAuthToken(token).SetLoggerWarnLevel(true)} }

func (c viaResty) get(ctx context.Context, url string, out any) error {
	return checked(c.R().SetContext(ctx).SetResult(out).Get(url))
}

func (c viaResty) post(ctx context.Context, url string, body, out any) error {
	return checked(c.R().SetContext(ctx).SetContentType("application/json").SetBody(body).SetResult(out).Post(url))
}

func checked(resp *resty.Response, err error) error {
	if err == nil && resp.IsStatusFailure() {
		return fmt.Errorf("%s: %s", resp.Status(), resp)
	}
	return err
}

// readByOffset is the loop that everybody writes first. After each page the
// caller works on it for a while.
func readByOffset(newCaller func() caller, work time.Duration) run {
	return func(ctx context.Context, e *env) (t tally, err error) {
		c := newCaller()
		for offset := 0; ; offset += pageSize {
			var page Page
			if err := c.get(ctx, e.pageURL(offset), &page); err != nil {
				return t, err
			}
			for i := range page.Objects {
				t.add(&page.Objects[i].Product)
			}
			if err := wait(ctx, work); err != nil || page.Meta.Next == "" {
				return t, err
			}
		}
	}
}

// createInOrder writes one batch after another.
func createInOrder(newCaller func() caller) run {
	return func(ctx context.Context, e *env) (t tally, err error) {
		c := newCaller()
		batch := make([]Product, 0, pageSize)
		for i := range e.rows {
			if batch = append(batch, product(i)); len(batch) < pageSize && i < e.rows-1 {
				continue
			}
			var answer struct {
				Results []struct {
					Success *struct {
						ID        string `json:"id"`
						CreatedAt int64  `json:"created_at"`
					} `json:"success"`
				} `json:"operation_result"`
			}
			if err := c.post(ctx, e.tableURL(), batch, &answer); err != nil {
				return t, err
			}
			if len(answer.Results) != len(batch) {
				return t, fmt.Errorf("%d results for %d rows", len(answer.Results), len(batch))
			}
			for _, result := range answer.Results {
				if result.Success == nil {
					return t, errors.New("a row was refused")
				}
			}
			batch = batch[:0]
		}
		return e.written(ctx)
	}
}

// getEach reads single records.
func getEach(newCaller func() caller) run {
	return func(ctx context.Context, e *env) (t tally, err error) {
		c := newCaller()
		for i := range e.rows {
			var r Row
			if err := c.get(ctx, e.rowURL(i), &r); err != nil {
				return t, err
			}
			t.add(&r.Product)
		}
		return t, nil
	}
}

// discardPages throws the pages away as they come: no reader can be faster.
// Their length tells the number of rows.
func discardPages(parallel int) run {
	return func(ctx context.Context, e *env) (tally, error) {
		read, err := e.spread(parallel, pageSize, func(c *http.Client, position int) (int64, error) {
			n, err := throwAway(ctx, c, http.MethodGet, e.pageURL(position), nil)
			return n / int64(e.row.width+1), err
		})
		return tally{Rows: read}, err
	}
}

func discardEach() run {
	return func(ctx context.Context, e *env) (tally, error) {
		read, err := e.spread(1, 1, func(c *http.Client, position int) (int64, error) {
			n, err := throwAway(ctx, c, http.MethodGet, e.rowURL(position), nil)
			return n / int64(e.row.width), err
		})
		return tally{Rows: read}, err
	}
}

// postPrepared posts batches that were encoded beforehand and throws the
// answers away: no writer can be faster. The batches repeat after a period, and
// so do the prices, but not the times.
func postPrepared(parallel int) run {
	return func(ctx context.Context, e *env) (tally, error) {
		var batches [period / pageSize][]byte
		for i := range batches {
			rows := make([]Product, pageSize)
			for j := range rows {
				rows[j] = product(i*pageSize + j)
			}
			var err error
			if batches[i], err = json.Marshal(rows); err != nil {
				return tally{}, err
			}
		}
		e.begin()
		_, err := e.spread(parallel, pageSize, func(c *http.Client, position int) (int64, error) {
			return throwAway(ctx, c, http.MethodPost, e.tableURL(), batches[position/pageSize%len(batches)])
		})
		if err != nil {
			return tally{}, err
		}
		got, err := e.written(ctx)
		return tally{Rows: got.Rows, Price: got.Price}, err
	}
}

// spread calls do for every size-th position of the table on as many
// connections as asked for, and adds up what it returns.
func (e *env) spread(parallel, size int, do func(c *http.Client, position int) (int64, error)) (int64, error) {
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: parallel}}
	var next, sum atomic.Int64
	errs := make([]error, parallel)
	var senders sync.WaitGroup
	for i := range errs {
		senders.Go(func() {
			for errs[i] == nil {
				position := int(next.Add(int64(size))) - size
				if position >= e.rows {
					return
				}
				var n int64
				n, errs[i] = do(c, position)
				sum.Add(n)
			}
		})
	}
	senders.Wait()
	return sum.Load(), errors.Join(errs...)
}

func throwAway(ctx context.Context, c *http.Client, method, url string, body []byte) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, refusal(resp)
	}
	return io.Copy(io.Discard, resp.Body)
}
