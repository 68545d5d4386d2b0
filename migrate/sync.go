package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/where"
)

// SyncOptions says what [Sync] keeps in step.
type SyncOptions[T any] struct {
	// Table is the source.
	Table *minapp.Table[T]
	// Where chooses its rows; the zero value is every row. A row that matches no
	// more counts as deleted.
	Where where.Cond
	// Overlap is how far a round goes back behind the end of the one before, for
	// rows that the service stored late; 0 is 5 minutes.
	Overlap time.Duration
	// Delete removes rows from the sink that the source has no more. The sink must
	// be [Prunable].
	Delete bool
	// MaxDeletes is how many rows a round may remove; 0 is 1000. A round that
	// would remove more removes none and ends with an error: a filter or a table
	// may be wrong.
	MaxDeletes int64
}

// SyncReport is what one round of [Sync] did.
type SyncReport struct {
	Report
	Since, Until time.Time // rows were read that changed in between; Since is zero in the first round
	Deleted      int64     // rows removed from the sink
}

// String is one line for people, without the warnings.
func (r SyncReport) String() string { return fmt.Sprintf("%s, %d deleted", r.Report, r.Deleted) }

// settling is how long before the service's clock a round ends: rows of the
// last moment can still be on their way into the index (inferred).
const settling = 2 * time.Second

// Sync brings a sink up to date with a table: rows that changed since the round
// before are written, and with SyncOptions.Delete those that are gone removed.
// Called every night, it costs what has changed. It takes a plan without a
// source; Sink must find rows by Plan.Key and change them, as [ToTable] with
// Update does, and Checkpoint is needed: it holds how far the rounds are.
//
// A round reads by updated_at up to a moment of the service's clock that is
// fixed when it begins. One that was interrupted is finished by the next call,
// with the same bounds. Another table, filter, sink, key or [Plan].Version than
// those of the rounds before is an [ErrCheckpoint]: rows that have not changed
// would be missing. Rows that are in the sink as they should be are not
// written, so that two directions between two tables do not chase each other.
// Whoever writes into the source must not set updated_at himself. Rejected rows
// of each round are in a file of their own, with the time in its name; they are
// not tried again until they change.
//
// Deletions are found by counting: windows of created_at in which the sink has
// more rows than the source are halved until they are small, and only then ids
// are read. That takes hundreds of requests for twelve million rows of which a
// few are gone. It needs rows whose created_at is the same on both sides and
// whose Plan.Key is the id of the row of the source, and a sink that holds
// nothing else; other keys end the round. Rows that were rejected or dropped hide
// as many deletions in their window. Before a row is deleted the source is asked
// for its id, so that none is that the source has. Repetitions are those of
// [Run], and deleting is repeated automatically.
func Sync[T, D any](ctx context.Context, p Plan[*minapp.Record[T], D], o SyncOptions[T]) (SyncReport, error) {
	if err := o.check(p.Source != nil, p.Checkpoint == nil, p.Key == "", p.DryRun); err != nil {
		return SyncReport{}, err
	}
	sink, ok := p.Sink.(Prunable)
	if o.Delete && !ok {
		return SyncReport{}, fmt.Errorf("migrate: %s cannot find rows to delete", p.Sink)
	}
	p.Source = FromTable(o.Table, FromTableOptions{Where: o.Where})
	if err := p.check(); err != nil {
		return SyncReport{}, err
	}
	store := &syncStore{store: p.Checkpoint, plan: p.identity()}
	if err := store.begin(ctx, o.Table.Client(), o.Overlap); err != nil {
		return SyncReport{}, err
	}
	round := store.state
	p.Source = FromTable(o.Table, FromTableOptions{Where: round.cond(o.Where), By: minapp.ByUpdatedAt})
	p.Checkpoint, p.Rejected = store, round.rejected(p.Rejected)
	if o.Delete {
		p.Transform = keepingIDs(p.Transform, p.Key)
	}
	report := SyncReport{Until: time.Unix(round.Until, 0)}
	if round.Since > 0 {
		report.Since = time.Unix(round.Since, 0)
	}
	var err error
	if report.Report, err = Run(ctx, p); err != nil {
		return report, err
	}
	if o.Delete {
		raw := minapp.TableOf[json.RawMessage](o.Table.Client(), o.Table.ID())
		prune := &pruning{source: keyedTable{raw, o.Where, "id"}, sink: sink.Pruner(p.Key), most: o.MaxDeletes}
		if report.Deleted, err = prune.run(ctx, round.Until); err != nil {
			return report, err
		}
	}
	return report, store.finish(ctx)
}

// keepingIDs refuses to make rows that pruning would take for rows that are
// gone, because their key is not the id of the one that they come from.
func keepingIDs[T, D any](transform func(*minapp.Record[T]) ([]D, error), key string) func(*minapp.Record[T]) ([]D, error) {
	return func(r *minapp.Record[T]) ([]D, error) {
		rows, err := transform(r)
		for _, d := range rows {
			row, err := plainOf(d, key, make(map[string]bool))
			if err == nil && row.name != r.ID() { // without a key the sink rejects it
				return nil, planError{fmt.Errorf("SyncOptions.Delete needs rows whose %s is the id of their source, and not %q", key, row.name)}
			}
		}
		return rows, err
	}
}

func (o *SyncOptions[T]) check(source, noStore, noKey, dry bool) error {
	var errs []error
	refuse := func(yes bool, text string) {
		if yes {
			errs = append(errs, errors.New("migrate: "+text))
		}
	}
	refuse(o.Table == nil, "SyncOptions.Table is nil")
	refuse(source, "Plan.Source is set: Sync reads SyncOptions.Table")
	refuse(noStore, "Sync needs Plan.Checkpoint: it holds how far the rounds are")
	refuse(noKey, "Sync needs Plan.Key")
	refuse(dry, "Plan.DryRun means nothing to Sync: run the plan on its own")
	refuse(o.Overlap < 0 || o.MaxDeletes < 0, "SyncOptions.Overlap and MaxDeletes must not be negative")
	if o.Overlap == 0 {
		o.Overlap = 5 * time.Minute
	}
	if o.MaxDeletes == 0 {
		o.MaxDeletes = 1000
	}
	return errors.Join(append(errs, o.Where.Err())...)
}

// syncState is the checkpoint of Sync. Times are Unix seconds.
type syncState struct {
	Plan      identity        `json:"plan"`            // its source without the bounds of a round
	Watermark int64           `json:"watermark"`       // everything before is in the sink
	Since     int64           `json:"since"`           // of the round that is on its way…
	Until     int64           `json:"until,omitempty"` // …0 if none is
	Run       json.RawMessage `json:"run,omitempty"`   // its checkpoint
}

// cond chooses the rows of a round. In the first one that is every row up to
// the end, also those that have no updated_at.
func (s syncState) cond(of where.Cond) where.Cond {
	changed := where.Lt(minapp.ByUpdatedAt, s.Until)
	if s.Since > 0 {
		changed = changed.And(where.Gte(minapp.ByUpdatedAt, s.Since))
	} else {
		changed = changed.Or(where.IsNull(minapp.ByUpdatedAt))
	}
	if of.IsZero() || of.IsEverything() {
		return changed
	}
	return of.And(changed)
}

// rejected puts the time of the round into the name of a file.
func (s syncState) rejected(path string) string {
	if path == "" {
		return ""
	}
	extension := filepath.Ext(path)
	return strings.TrimSuffix(path, extension) + "." + time.Unix(s.Until, 0).UTC().Format("20060102T150405Z") + extension
}

// syncStore keeps the checkpoint of a round inside that of the rounds.
type syncStore struct {
	store CheckpointStore
	plan  identity
	state syncState
}

// begin reads how far the rounds are, and fixes the bounds of the next one
// unless there is one to be finished. The clock is that of the service.
func (s *syncStore) begin(ctx context.Context, service *minapp.Client, overlap time.Duration) error {
	data, err := s.store.Load(ctx)
	if err != nil {
		return wrap("reading the checkpoint", err)
	}
	if data == nil {
		s.state.Plan = s.plan
	} else if err := unseal(ofSync, data, &s.state); err != nil {
		return err
	}
	if err := s.state.Plan.belongs(s.plan); err != nil {
		return err
	}
	if s.state.Until != 0 {
		return nil
	}
	now, err := service.ServerTime(ctx)
	if err != nil {
		return wrap("reading the service's clock", err)
	}
	if s.state.Watermark > 0 {
		s.state.Since = s.state.Watermark - int64(overlap/time.Second)
	}
	s.state.Until = now.Add(-settling).Unix()
	return s.save(ctx)
}

// finish makes the end of the round the beginning of the next.
func (s *syncStore) finish(ctx context.Context) error {
	s.state = syncState{Plan: s.plan, Watermark: s.state.Until}
	return s.save(ctx)
}

func (s *syncStore) save(ctx context.Context) error {
	data, err := seal(ofSync, s.state)
	if err != nil {
		return err
	}
	return wrap("saving the checkpoint", s.store.Save(ctx, data))
}

// Load returns the checkpoint of the round.
func (s *syncStore) Load(context.Context) ([]byte, error) { return s.state.Run, nil }

// Save replaces it.
func (s *syncStore) Save(ctx context.Context, checkpoint []byte) error {
	s.state.Run = checkpoint
	return s.save(ctx)
}
