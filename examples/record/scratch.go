package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/internal/fixture"
	"github.com/minapp-go/minapp/minapptest"
)

// repeat makes every documented call on one table, each in the state that its
// exchange describes, on tables made for it. Calls that only read share one.
func (r *recorder) repeat(ctx context.Context, documented []fixture.Exchange) (err error) {
	shared := map[string]*stage{}
	defer func() {
		for _, s := range shared {
			err = errors.Join(err, r.drop(ctx, s))
		}
	}()
	for _, e := range documented {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if why := unfit(e); why != "" {
			continue
		}
		given := compact(e.Given)
		s := shared[given]
		if s == nil || e.Request.Method != http.MethodGet {
			if s, err = r.build(ctx, e); err != nil {
				_, _ = fmt.Fprintf(r.out, "%-44s not recorded, its state cannot be made: %v\n", e.Name, err)
				continue
			}
		}
		err := r.record(ctx, e, s)
		if e.Request.Method == http.MethodGet {
			shared[given] = s
		} else {
			err = errors.Join(err, r.drop(ctx, s))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unfit says why an exchange cannot be recorded on a table of its own.
func unfit(e fixture.Exchange) string {
	before, err := stateOf(e)
	switch {
	case err != nil, len(before.Tables) > 1:
		return "it needs other things than one table"
	case e.EmulatorOnly:
		return "the client never sends it"
	case strings.HasSuffix(e.Name, "/async"):
		return "the service answers like this for more than 1000 rows"
	case !recordable.MatchString(e.Request.Path), len(e.Request.Header) > 0:
		return "it is not about a table's rows"
	}
	for _, table := range before.Tables {
		for _, field := range table.Schema.Fields {
			if field.Type == minapp.TypePointer || field.Type == minapp.TypeFile {
				return "it needs other things than one table"
			}
		}
	}
	return ""
}

func stateOf(e fixture.Exchange) (state, error) {
	var before state
	dec := json.NewDecoder(bytes.NewReader(e.Given))
	dec.DisallowUnknownFields()
	return before, dec.Decode(&before)
}

func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}

// build makes the state before an exchange. Where no table is given, the stage
// is a table that existed and does not any more.
func (r *recorder) build(ctx context.Context, e fixture.Exchange) (*stage, error) {
	before, err := stateOf(e)
	if err != nil {
		return nil, err
	}
	missing := len(before.Tables) == 0
	if missing {
		before.Tables = []minapptest.Table{{Name: "product"}}
	}
	table := &before.Tables[0]
	s, err := r.makeTable(ctx, *table)
	if err != nil {
		return nil, err
	}
	if missing {
		s.given = e.Given
		return s, r.drop(ctx, s)
	}
	for _, index := range table.Indexes {
		err = errors.Join(err, r.client.Do(ctx, minapp.Request{
			Method: http.MethodPost, Path: fmt.Sprintf("v2.6/schema/%d/index/", s.table), Body: map[string]any{"fields": index},
		}, nil))
	}
	for i, row := range table.Rows {
		if err == nil {
			table.Rows[i], err = r.makeRow(ctx, s, row)
		}
	}
	if err == nil {
		s.given, err = encode(before)
	}
	if err != nil {
		return nil, errors.Join(err, r.drop(ctx, s))
	}
	return s, nil
}

func (r *recorder) makeTable(ctx context.Context, t minapptest.Table) (*stage, error) {
	fields, err := json.Marshal(t.Schema.Fields)
	if err != nil {
		return nil, err
	}
	spec := minapp.TableSpec{Name: "rec_" + rand.Text()[:10], Rows: minapp.RowPerm{ReadPerm: t.RowReadPerm, WritePerm: t.RowWritePerm}, CreateRow: t.WritePerm}
	if err := json.Unmarshal(fields, &spec.Fields); err != nil {
		return nil, err
	}
	info, err := r.client.Tables.Create(ctx, spec)
	if err != nil {
		return nil, err
	}
	return &stage{table: info.ID, documentedName: t.Name, liveName: info.Name}, nil
}

// makeRow writes a documented row, and returns it with the times that the
// service has given it.
func (r *recorder) makeRow(ctx context.Context, s *stage, row json.RawMessage) (json.RawMessage, error) {
	var columns minapp.Fields
	if err := json.Unmarshal(row, &columns); err != nil {
		return nil, err
	}
	id, _ := columns["id"].(string)
	sent := minapp.Fields{}
	for name, value := range columns {
		if !slices.Contains([]string{"id", "_id", "created_by"}, name) {
			sent[name] = value
		}
	}
	record, err := r.client.Records.Create(ctx, s.table, sent)
	if err != nil {
		return nil, err
	}
	s.ids = append(s.ids, id, record.ID())
	columns["created_at"], columns["updated_at"] = record.CreatedAt(), record.UpdatedAt()
	return json.Marshal(columns)
}

// drop deletes a table of ours, also when the program is being stopped. It may
// be gone: some calls delete it.
func (r *recorder) drop(ctx context.Context, s *stage) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := r.client.Tables.Delete(ctx, s.table); err != nil && !errors.Is(err, minapp.ErrNotFound) {
		return fmt.Errorf("table %s of this program is left behind: %w", s.table, err)
	}
	return nil
}
