package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/minapp-go/minapp"
)

// ErrSchema is a schema that cannot be copied as it is: a column of another
// type, a pointer to a table that is not there, a name that is taken.
var ErrSchema = errors.New("the schema cannot be copied")

// SchemaOptions steers [PlanSchema]. The zero value copies every table of the
// application that is not built in.
type SchemaOptions struct {
	Tables []string // names of the tables to copy; nil is every one that is not built in
	// Rename gives the name in the target of any table that is not built in; nil
	// keeps it. Pointers follow it, those to tables that are not copied, too.
	Rename func(name string) string
	// SourceID is a text column that every table gets in addition, with a unique
	// index, for the id of the row that a row was copied from. Copying rows
	// needs it ([SchemaPlan.Rows]). That rows without a value do not collide
	// under such an index is inferred: remove index and column when all is
	// copied, before the application writes to the tables.
	SourceID string
}

// SchemaPlan is what has to be done to the target so that its tables can take
// the rows of the source. Its String is the dry run: one line for every step.
type SchemaPlan struct {
	Steps []Step

	from, to *minapp.Client
	sourceID string
	tables   []*tableCopy              // each behind those that it points at, as far as there is such an order
	rank     map[minapp.TableID]int    // place in tables, by the id in the source
	source   map[minapp.TableID]string // every table of the source, by its name
	called   map[minapp.TableID]string // every table of the source, by its name in the target
	target   map[minapp.TableID]string // every table of the target, by its name
	ids      map[string]minapp.TableID // the other way round
}

// tableCopy is a table of the source, and what the target has of it.
type tableCopy struct {
	name    string           // in the source
	from    minapp.TableID   // in the source
	spec    minapp.TableSpec // with the name in the target, and pointers as in the source
	unique  [][]string       // columns of its indexes
	there   *minapp.TableInfo
	indexed [][]string // columns of the indexes that are there
}

// Step is one change, or why there is none.
type Step struct {
	Kind  StepKind
	Table string // name in the target
	What  string // the columns, or what differs

	requests int
	run      func(ctx context.Context) error // nil if there is nothing to do, or it is done
}

// StepKind is what a step does.
type StepKind string

// The kinds of steps. The last two change nothing.
const (
	StepCreate StepKind = "create table"
	StepAdd    StepKind = "add columns to"
	StepIndex  StepKind = "create unique index on"
	StepSame   StepKind = "same"
	StepKeep   StepKind = "keep" // What differs from the source, and stays as it is
)

// String is one line.
func (s Step) String() string {
	line := fmt.Sprintf("%s %q", s.Kind, s.Table)
	if s.What != "" {
		line += " (" + s.What + ")"
	}
	return line
}

// Apply carries out the steps. What an earlier, interrupted call has done is not
// done again, neither by another call nor by a new plan. A create whose outcome
// is unknown is not repeated: the table or index is looked for, and if it is not
// there the error is [minapp.ErrOutcomeUnknown]. Adding columns is repeated
// automatically. The error names the step that failed; those before it are done. What was changed since the plan was made is not looked
// at, with one exception: columns are added to those that are there by then.
// Source: open-api/data/table.md.
func (p *SchemaPlan) Apply(ctx context.Context) error {
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.run == nil {
			continue
		}
		if err := s.run(ctx); err != nil {
			return fmt.Errorf("%s %q: %w", s.Kind, s.Table, err)
		}
		s.run = nil
	}
	return nil
}

// create makes a table of some of its columns.
func (p *SchemaPlan) create(ctx context.Context, t *tableCopy, fields []minapp.Field) error {
	spec := t.spec
	spec.Fields = p.resolved(fields)
	info, err := p.to.Tables.Create(ctx, spec)
	if errors.Is(err, minapp.ErrOutcomeUnknown) {
		if found, failure := p.to.Tables.FindByName(ctx, spec.Name); failure == nil {
			info, err = found, nil
		}
	}
	if err != nil {
		return err
	}
	p.ids[spec.Name] = info.ID
	return nil
}

// add adds columns to those that are there now: an update is the whole list.
func (p *SchemaPlan) add(ctx context.Context, t *tableCopy, fields []minapp.Field) error {
	info, err := p.to.Tables.Get(ctx, p.ids[t.spec.Name])
	if err != nil {
		return err
	}
	list := info.Spec().Fields
	for _, f := range p.resolved(fields) {
		if placeOf(list, f.Name) < 0 {
			list = slices.Insert(list, t.after(list, f.Name), f)
		}
	}
	_, err = p.to.Tables.Update(ctx, info.ID, minapp.TableUpdate{Fields: list})
	return err
}

func (p *SchemaPlan) index(ctx context.Context, t *tableCopy, columns []string) error {
	id := p.ids[t.spec.Name]
	_, err := p.to.Tables.CreateIndex(ctx, id, columns)
	if errors.Is(err, minapp.ErrOutcomeUnknown) {
		if there, failure := readIndexes(ctx, p.to, id); failure == nil && hasIndex(there, columns) {
			return nil
		}
	}
	return err
}

// resolved are columns with pointers to tables of the target.
func (p *SchemaPlan) resolved(fields []minapp.Field) []minapp.Field {
	fields = slices.Clone(fields)
	for i := range fields {
		if f := &fields[i]; f.Type == minapp.TypePointer {
			f.SchemaID = minapp.TableRef(p.ids[p.called[minapp.TableID(f.SchemaID)]])
		}
	}
	return fields
}

// after is the place in a list behind the column that the new one follows in
// the source.
func (t *tableCopy) after(list []minapp.Field, name string) int {
	for i := placeOf(t.spec.Fields, name) - 1; i >= 0; i-- {
		if at := placeOf(list, t.spec.Fields[i].Name); at >= 0 {
			return at + 1
		}
	}
	return 0
}

// placeOf is the place of a column in a list, -1 if it is not there.
func placeOf(list []minapp.Field, name string) int {
	return slices.IndexFunc(list, func(f minapp.Field) bool { return f.Name == name })
}

// String lists the steps and says how many requests they take.
func (p *SchemaPlan) String() string {
	var b strings.Builder
	requests := 0
	for _, s := range p.Steps {
		fmt.Fprintln(&b, s)
		if s.run != nil {
			requests += s.requests
		}
	}
	if requests == 0 {
		return b.String() + "nothing to do\n"
	}
	fmt.Fprintf(&b, "%d requests\n", requests)
	return b.String()
}
