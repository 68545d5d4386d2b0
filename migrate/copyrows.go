package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/where"
)

// userTable is the built-in table of users.
const userTable = "_userprofile"

// RowCopy is the copy of the rows of one table, or its second pass.
type RowCopy struct {
	Table string // name in the source
	From  minapp.TableID
	To    minapp.TableID
	// Second sets the pointers to rows that were copied later: to the table
	// itself, and in circles. The first pass leaves these columns out.
	Second bool

	plan     *SchemaPlan
	pointers []rowPointer
	late     []string // columns of those that the second pass sets
}

// rowPointer is a pointer column.
type rowPointer struct {
	column string
	table  string // name in the source
	kept   bool   // its values are valid in the target as they are
	late   bool
}

// Rows lists what is to be run to copy the rows of all tables, in this order:
// every table, those first that others point at, and then those again that need
// a second pass. The schema must have been applied, with a column for the ids of
// the source.
func (p *SchemaPlan) Rows() ([]*RowCopy, error) {
	if p.sourceID == "" {
		return nil, errors.New("rows can be copied only with SchemaOptions.SourceID: by what are pointers to be rewritten?")
	}
	for _, s := range p.Steps {
		if s.run != nil {
			return nil, fmt.Errorf("rows can be copied only when the schema is applied: %s %q is to be done", s.Kind, s.Table)
		}
	}
	var first, second []*RowCopy
	for _, t := range p.tables {
		c := &RowCopy{Table: t.name, From: t.from, To: p.ids[t.spec.Name], plan: p}
		for _, f := range t.spec.Fields {
			if f.Type == minapp.TypePointer {
				c.pointers = append(c.pointers, p.rowPointer(t, f))
			}
			if p.late(t, f) {
				c.late = append(c.late, f.Name)
			}
		}
		first = append(first, c)
		if len(c.late) > 0 {
			again := *c
			again.Second = true
			second = append(second, &again)
		}
	}
	return append(first, second...), nil
}

func (p *SchemaPlan) rowPointer(t *tableCopy, f minapp.Field) rowPointer {
	to := minapp.TableID(f.SchemaID)
	_, copied := p.rank[to]
	name := p.source[to]
	return rowPointer{
		column: f.Name, table: name, late: p.late(t, f),
		kept: name == userTable || !copied && p.from == p.to,
	}
}

// String names the copy; no two of a plan have the same name, which can be part
// of the name of a file.
func (c *RowCopy) String() string {
	if c.Second {
		return c.Table + "-pointers"
	}
	return c.Table
}

// Plan is the migration that copies the rows. Its fields may be completed before
// [Run] (Rejected, Parallel, OnProgress); its checkpoint, nil to keep none, also
// brings ids onto the disk.
//
// A row keeps created_by, created_at, updated_at, read_perm and write_perm, which
// the service honours when a row is created; users, groups and files keep their
// ids, although they belong to an application. It gets a new id, and the old one
// in the column SchemaOptions.SourceID, by which rows are found again: none is
// doubled by a run that was killed, nor by one that begins anew, without
// checkpoint or ids. A pointer to a row that was not copied rejects its row, so
// that Plan.Rejected should be set. Pointers to users stay as they are, and so do
// those to tables that are not copied within one application (one client).
//
// Requests are those of [FromTable] and [ToTable], one each for 1000 rows. Where
// there is a second pass, the first one looks every row up, about 490 with each
// request. The second reads the rows with such pointers again, looks them up,
// and changes together those of a chunk that get the same pointers: a request for
// each different pointer. The service then sets their updated_at to the time of
// this change.
//
// A dry run of the rows knows no new ids but those of earlier runs. Sources:
// open-api/data/record.md; cloud-function/node-sdk/schema/create-record.md for
// the permissions.
func (c *RowCopy) Plan(ids *IDs, checkpoint CheckpointStore) Plan[*minapp.Record[minapp.Fields], minapp.Fields] {
	from := FromTableOptions{}
	to := ToTableOptions{OnWritten: func(key, id string) { ids.Add(c.Table, key, id) }}
	switch {
	case c.Second:
		from.Where = anySet(c.late)
		to.Update, to.Compare = true, c.late
	case len(c.late) > 0: // the second pass of an earlier copy changed what is there: it stays
		to.Update, to.Compare = true, []string{}
	}
	return Plan[*minapp.Record[minapp.Fields], minapp.Fields]{
		Source: FromTable(minapp.TableOf[minapp.Fields](c.plan.from, c.From), from),
		Transform: func(r *minapp.Record[minapp.Fields]) ([]minapp.Fields, error) {
			row, err := c.Row(r, ids)
			return []minapp.Fields{row}, err
		},
		Sink:       ToTable(minapp.TableOf[minapp.Fields](c.plan.to, c.To), to),
		Key:        c.plan.sourceID,
		Checkpoint: idsCheckpoint{checkpoint, ids},
	}
}

// anySet are the rows with a value in any of the columns.
func anySet(columns []string) where.Cond {
	conds := make([]where.Cond, len(columns))
	for i, column := range columns {
		conds[i] = where.NotNull(column)
	}
	return where.Or(conds...)
}

// Row is what is written for a row of the source, for a Transform of one's own.
func (c *RowCopy) Row(r *minapp.Record[minapp.Fields], ids *IDs) (minapp.Fields, error) {
	row := maps.Clone(r.Value)
	delete(row, "id")
	delete(row, "_id")
	row[c.plan.sourceID] = r.ID()
	for _, p := range c.pointers {
		old := row[p.column]
		switch {
		case old == nil:
		case p.late && !c.Second: // always, so that a row that is sent again is the same
			delete(row, p.column)
		default:
			id, err := p.rewrite(old, ids)
			if err != nil {
				return nil, fmt.Errorf("column %q: %w", p.column, err)
			}
			row[p.column] = id
		}
	}
	return row, nil
}

// rewrite is what a pointer becomes.
func (p rowPointer) rewrite(value any, ids *IDs) (string, error) {
	old := pointerID(value)
	if old == "" {
		return "", fmt.Errorf("%s is no pointer", shown(value))
	}
	if p.kept {
		return old, nil
	}
	id, ok := ids.Get(p.table, old)
	if !ok {
		return "", fmt.Errorf("it points at row %s of table %q, which was not copied", old, p.table)
	}
	return id, nil
}

// pointerID is the id in a pointer that was read: an id, or an object with one.
func pointerID(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case map[string]any:
		return pointerID(v["id"])
	}
	return ""
}
