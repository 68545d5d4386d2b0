package migrate

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/minapp-go/minapp/internal/wholefile"
)

// CheckpointStore keeps the checkpoint of one run. Calls do not overlap.
type CheckpointStore interface {
	// Load returns what was saved last, nil if nothing was.
	Load(ctx context.Context) ([]byte, error)
	// Save replaces it, entirely or not at all, and returns when it will survive
	// a crash.
	Save(ctx context.Context, checkpoint []byte) error
}

// ErrCheckpoint is a checkpoint that is damaged, was edited, or belongs to
// another plan or another run.
var ErrCheckpoint = errors.New("the checkpoint cannot be used")

// FileCheckpoint keeps a checkpoint in a file. It is replaced as a whole: a
// crash or a full disk leaves the one before. A file that somebody else has
// changed meanwhile, such as a second run, is an [ErrCheckpoint]. To begin
// anew, remove the file.
func FileCheckpoint(path string) CheckpointStore { return &fileStore{path: path} }

type fileStore struct {
	path string
	mu   sync.Mutex
	last []byte // what the file holds
}

func (f *fileStore) Load(context.Context) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	data, err := f.read()
	f.last = data
	return data, err
}

func (f *fileStore) read() ([]byte, error) {
	data, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

func (f *fileStore) Save(_ context.Context, data []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch there, err := f.read(); {
	case err != nil:
		return err
	case !bytes.Equal(there, f.last):
		return fmt.Errorf("%w: %s was changed by somebody else, maybe a second run", ErrCheckpoint, f.path)
	}
	if err := wholefile.Write(f.path, data); err != nil {
		return err
	}
	f.last = bytes.Clone(data)
	return nil
}

// state is a checkpoint.
type state struct {
	Plan     identity `json:"plan"`
	Parts    []part   `json:"parts"`
	Totals   Totals   `json:"totals"`
	Total    int64    `json:"total,omitempty"`    // rows of the source, estimated at the start
	Rejected int64    `json:"rejected,omitempty"` // bytes of the file of rejected rows…
	File     string   `json:"file,omitempty"`     // …and its path
	End      int64    `json:"end,omitempty"`      // of a sink that only appends
	Warnings []string `json:"warnings,omitempty"`
	Digest   *digest  `json:"digest,omitempty"` // of the rows that are written
}

// identity tells plans apart.
type identity struct {
	Source  string `json:"source"`
	Sink    string `json:"sink"`
	Key     string `json:"key,omitempty"`
	Version string `json:"version,omitempty"`
}

// part is where the reading of one part stands.
type part struct {
	Rest    Part     `json:"rest,omitempty"`    // empty if all is done
	Doubt   []string `json:"doubt,omitempty"`   // without a key: rows that were sent, of which nothing is known
	Settled []string `json:"settled,omitempty"` // rows of the rest that were dealt with all the same
}

func (s *state) finished() bool {
	for _, p := range s.Parts {
		if len(p.Rest) > 0 {
			return false
		}
	}
	return true
}

// doubts lists the rows of which nothing is known.
func (s *state) doubts() []string {
	var rows []string
	for _, p := range s.Parts {
		rows = append(rows, p.Doubt...)
	}
	return rows
}

// envelope guards a checkpoint against damage and edits.
type envelope struct {
	Format int             `json:"migrate_checkpoint"`
	Of     string          `json:"of,omitempty"`
	SHA256 string          `json:"sha256"`
	State  json.RawMessage `json:"state"`
}

const checkpointFormat = 1

// Whose a checkpoint is.
const (
	ofRun  = ""
	ofSync = "Sync"
)

func (s *state) encode() ([]byte, error) {
	return seal(ofRun, s)
}

func decodeState(data []byte) (*state, error) {
	s := new(state)
	return s, unseal(ofRun, data, s)
}

func seal(of string, state any) ([]byte, error) {
	data, err := json.Marshal(state)
	if err != nil {
		return nil, err
	}
	return json.Marshal(envelope{checkpointFormat, of, sum(data), data})
}

func unseal(of string, data []byte, state any) error {
	var e envelope
	switch err := json.Unmarshal(data, &e); {
	case err != nil:
		return fmt.Errorf("%w: it is damaged: %w", ErrCheckpoint, err)
	case e.Format != checkpointFormat:
		return fmt.Errorf("%w: its format is %d, this program knows %d", ErrCheckpoint, e.Format, checkpointFormat)
	case e.Of != of:
		return fmt.Errorf("%w: it is one of %s, not of %s", ErrCheckpoint, cmp.Or(e.Of, "Run"), cmp.Or(of, "Run"))
	case e.SHA256 != sum(e.State):
		return fmt.Errorf("%w: it was edited or is damaged", ErrCheckpoint)
	}
	if err := json.Unmarshal(e.State, state); err != nil {
		return fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	return nil
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

// belongs refuses the checkpoint of another plan.
func (was identity) belongs(to identity) error {
	for _, f := range [...]struct{ name, was, is string }{
		{"source", was.Source, to.Source},
		{"sink", was.Sink, to.Sink},
		{"key", was.Key, to.Key},
		{"version", was.Version, to.Version},
	} {
		if f.was != f.is {
			return fmt.Errorf("%w: it belongs to a plan with the %s %q, not %q", ErrCheckpoint, f.name, f.was, f.is)
		}
	}
	return nil
}
