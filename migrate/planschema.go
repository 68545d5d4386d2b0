package migrate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/minapp-go/minapp"
)

// PlanSchema compares tables of two applications, or of one under other names,
// and says what [SchemaPlan.Apply] would do: create the tables that are missing,
// with their columns, permissions and unique indexes, and add columns and
// indexes that are missing to the tables that are there. Nothing that is there
// is changed or deleted, and no row is touched: where permissions or attributes
// of a column differ, the plan says so and they stay ([StepKeep]).
//
// Tables are matched by name. Pointers point at the table of the same name in
// the target, built-in ones such as _userprofile included. Tables are created
// in the order of their pointers; where they point at each other in a circle,
// or at themselves, these pointers are added when all tables are there.
//
// It is an [ErrSchema], before anything is changed, if a column has another
// type in the target, a pointer leads to a table that is neither copied nor in
// the target, a table is not there or is built in, or two would have one name;
// the error lists all of these. Permissions are copied as they are written: users
// and groups that they name belong to an application, and [minapp.PermUsers]
// means the same only if both clients have the same [minapp.WithTableVersion].
// Attributes of columns that [minapp.Field] does not have are not copied, and a
// table that columns are added to is likely to lose them (inferred, see
// [minapp.TableUpdate]).
//
// It takes a request for every 1000 tables of each side, and one for the indexes
// of each table that is copied, on each side, all repeated automatically. Both
// clients need tokens: no document has indexes for sessions. Source:
// open-api/data/table.md.
func PlanSchema(ctx context.Context, from, to *minapp.Client, o SchemaOptions) (*SchemaPlan, error) {
	source, err := readTables(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("reading the tables of the source: %w", err)
	}
	target, err := readTables(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("reading the tables of the target: %w", err)
	}
	p := &SchemaPlan{
		from: from, to: to, sourceID: o.SourceID, rank: make(map[minapp.TableID]int),
		source: namesOf(source), target: namesOf(target), ids: make(map[string]minapp.TableID, len(target)),
	}
	for name, info := range target {
		p.ids[name] = info.ID
	}
	p.called = o.called(p.source)
	tables, err := o.choose(source)
	if err != nil {
		return nil, err
	}
	p.order(tables)
	errs := p.clashes()
	for _, t := range p.tables {
		t.there = target[t.spec.Name]
		errs = append(errs, p.check(t)...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, t := range p.tables {
		if err := p.readIndexes(ctx, t); err != nil {
			return nil, err
		}
	}
	p.plan()
	return p, nil
}

func readTables(ctx context.Context, c *minapp.Client) (map[string]*minapp.TableInfo, error) {
	tables := make(map[string]*minapp.TableInfo)
	for info, err := range c.Tables.All(ctx, minapp.TableQuery{}) {
		if err != nil {
			return nil, err
		}
		tables[info.Name] = info
	}
	return tables, nil
}

func readIndexes(ctx context.Context, c *minapp.Client, id minapp.TableID) ([][]string, error) {
	indexes, err := c.Tables.Indexes(ctx, id)
	columns := make([][]string, len(indexes))
	for i, index := range indexes {
		columns[i] = index.Fields
	}
	return columns, err
}

// hasIndex reports an index over the same columns; their order does not matter
// for what is unique.
func hasIndex(there [][]string, columns []string) bool {
	return slices.ContainsFunc(there, func(other []string) bool { return sameSet(other, columns) })
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func isBuiltIn(table string) bool { return strings.HasPrefix(table, "_") }

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrSchema, fmt.Sprintf(format, args...))
}

func namesOf(tables map[string]*minapp.TableInfo) map[minapp.TableID]string {
	names := make(map[minapp.TableID]string, len(tables))
	for name, info := range tables {
		names[info.ID] = name
	}
	return names
}

// called are names of the source as they are in the target.
func (o SchemaOptions) called(source map[minapp.TableID]string) map[minapp.TableID]string {
	called := maps.Clone(source)
	for id, name := range source {
		if o.Rename != nil && !isBuiltIn(name) {
			called[id] = o.Rename(name)
		}
	}
	return called
}

// choose are the tables to copy, by name.
func (o SchemaOptions) choose(source map[string]*minapp.TableInfo) ([]*minapp.TableInfo, error) {
	names := slices.Compact(slices.Sorted(slices.Values(o.Tables)))
	if o.Tables == nil {
		names = slices.DeleteFunc(slices.Sorted(maps.Keys(source)), isBuiltIn)
	}
	var tables []*minapp.TableInfo
	var errs []error
	for _, name := range names {
		switch info := source[name]; {
		case isBuiltIn(name):
			errs = append(errs, refuse("table %q is built in", name))
		case info == nil:
			errs = append(errs, refuse("the source has no table %q", name))
		default:
			tables = append(tables, info)
		}
	}
	return tables, errors.Join(errs...)
}

// order puts every table behind those that it points at, as far as there is
// such an order.
func (p *SchemaPlan) order(tables []*minapp.TableInfo) {
	byID := make(map[minapp.TableID]*minapp.TableInfo, len(tables))
	for _, info := range tables {
		byID[info.ID] = info
	}
	var visit func(info *minapp.TableInfo)
	visit = func(info *minapp.TableInfo) {
		delete(byID, info.ID)
		spec := info.Spec()
		for _, f := range spec.Fields {
			if next := byID[minapp.TableID(f.SchemaID)]; f.Type == minapp.TypePointer && next != nil {
				visit(next)
			}
		}
		spec.Name = p.called[info.ID]
		p.rank[info.ID] = len(p.tables)
		p.tables = append(p.tables, &tableCopy{name: info.Name, from: info.ID, spec: spec})
	}
	for _, info := range tables {
		if byID[info.ID] != nil {
			visit(info)
		}
	}
}

// identify adds the column for the ids of the source.
func (p *SchemaPlan) identify(t *tableCopy) error {
	if p.sourceID == "" {
		return nil
	}
	if placeOf(t.spec.Fields, p.sourceID) >= 0 {
		return refuse("table %q has a column %q already: choose another SchemaOptions.SourceID", t.name, p.sourceID)
	}
	t.spec.Fields = append(t.spec.Fields, minapp.Field{Name: p.sourceID, Type: minapp.TypeString, Description: "id of the row that this one was copied from"})
	t.unique = [][]string{{p.sourceID}}
	return nil
}

// check lists what is in the way of a table.
func (p *SchemaPlan) check(t *tableCopy) []error {
	errs := []error{p.identify(t)}
	for _, f := range t.spec.Fields {
		errs = append(errs, p.checkTarget(t, f), p.checkType(t, f))
	}
	return errs
}

// checkTarget refuses a pointer to nowhere.
func (p *SchemaPlan) checkTarget(t *tableCopy, f minapp.Field) error {
	to := minapp.TableID(f.SchemaID)
	name, known := p.called[to]
	_, copied := p.rank[to]
	_, there := p.ids[name]
	switch {
	case f.Type != minapp.TypePointer:
	case !known:
		return refuse("table %q, column %q: it points at table %s, which the source does not have", t.name, f.Name, to)
	case !copied && !there:
		return refuse("table %q, column %q: it points at table %q, which is neither copied nor in the target", t.name, f.Name, name)
	}
	return nil
}

// checkType refuses a column that is there with another type.
func (p *SchemaPlan) checkType(t *tableCopy, f minapp.Field) error {
	if t.there == nil {
		return nil
	}
	i := placeOf(t.there.Fields, f.Name)
	if i < 0 {
		return nil
	}
	if want, have := typeIn(p.called, f), typeIn(p.target, t.there.Fields[i]); want != have {
		return refuse("table %q, column %q: it is %s in the target, not %s", t.spec.Name, f.Name, have, want)
	}
	return nil
}

// clashes lists the names that two tables would have.
func (p *SchemaPlan) clashes() (errs []error) {
	taken := make(map[string]string, len(p.tables))
	for _, t := range p.tables {
		if other, clash := taken[t.spec.Name]; clash {
			errs = append(errs, refuse("tables %q and %q would both be called %q", other, t.name, t.spec.Name))
		}
		taken[t.spec.Name] = t.name
	}
	return errs
}

func (p *SchemaPlan) readIndexes(ctx context.Context, t *tableCopy) error {
	unique, err := readIndexes(ctx, p.from, t.from)
	if err != nil {
		return fmt.Errorf("reading the indexes of table %q of the source: %w", t.name, err)
	}
	t.unique = append(unique, t.unique...)
	if t.there == nil {
		return nil
	}
	t.indexed, err = readIndexes(ctx, p.to, t.there.ID)
	return wrap(fmt.Sprintf("reading the indexes of table %q of the target", t.spec.Name), err)
}

// plan makes the steps: first tables, then columns, then indexes.
func (p *SchemaPlan) plan() {
	var added, indexed []Step
	for _, t := range p.tables {
		step := Step{Table: t.spec.Name}
		now, later := p.missing(t)
		keep := p.differences(t)
		absent := slices.DeleteFunc(slices.Clone(t.unique), func(columns []string) bool { return hasIndex(t.indexed, columns) })
		switch {
		case t.there == nil:
			p.Steps = append(p.Steps, step.of(StepCreate, 1, p.describe(now), func(ctx context.Context) error { return p.create(ctx, t, now) }))
		case len(keep) > 0:
			p.Steps = append(p.Steps, step.of(StepKeep, 0, strings.Join(keep, "; "), nil))
		case len(later) == 0 && len(absent) == 0:
			p.Steps = append(p.Steps, step.of(StepSame, 0, "", nil))
		}
		if len(later) > 0 {
			added = append(added, step.of(StepAdd, 2, p.describe(later), func(ctx context.Context) error { return p.add(ctx, t, later) }))
		}
		for _, columns := range absent {
			indexed = append(indexed, step.of(StepIndex, 1, strings.Join(columns, ", "), func(ctx context.Context) error { return p.index(ctx, t, columns) }))
		}
	}
	p.Steps = slices.Concat(p.Steps, added, indexed)
}

func (s Step) of(kind StepKind, requests int, what string, run func(context.Context) error) Step {
	s.Kind, s.requests, s.What, s.run = kind, requests, what, run
	return s
}

// missing are the columns that a table has to get: those that it can be created
// with, and those that are added when all tables are there.
func (p *SchemaPlan) missing(t *tableCopy) (now, later []minapp.Field) {
	for _, f := range t.spec.Fields {
		switch {
		case t.there == nil && p.resolvable(t, f):
			now = append(now, f)
		case t.there == nil || placeOf(t.there.Fields, f.Name) < 0:
			later = append(later, f)
		}
	}
	return now, later
}

// resolvable reports a column that does not point at a table that is missing
// when t is created.
func (p *SchemaPlan) resolvable(t *tableCopy, f minapp.Field) bool {
	if f.Type != minapp.TypePointer {
		return true
	}
	_, there := p.ids[p.called[minapp.TableID(f.SchemaID)]]
	return there || !p.late(t, f)
}

// late reports a pointer to a table that does not come before t.
func (p *SchemaPlan) late(t *tableCopy, f minapp.Field) bool {
	rank, copied := p.rank[minapp.TableID(f.SchemaID)]
	return f.Type == minapp.TypePointer && copied && rank >= p.rank[t.from]
}

// differences lists what differs in a table that is there, and stays.
func (p *SchemaPlan) differences(t *tableCopy) []string {
	if t.there == nil {
		return nil
	}
	var list []string
	for _, f := range t.spec.Fields {
		if i := placeOf(t.there.Fields, f.Name); i >= 0 {
			list = append(list, attributesThatDiffer(f, t.there.Fields[i])...)
		}
	}
	for _, perm := range [...]struct {
		name       string
		want, have []string
	}{
		{"read by", t.spec.Rows.ReadPerm, t.there.Rows.ReadPerm},
		{"updated by", t.spec.Rows.WritePerm, t.there.Rows.WritePerm},
		{"created by", t.spec.CreateRow, t.there.CreateRow},
	} {
		if !sameSet(perm.want, perm.have) {
			list = append(list, fmt.Sprintf("rows are %s %v, not %v", perm.name, perm.have, perm.want))
		}
	}
	return list
}

func attributesThatDiffer(want, have minapp.Field) []string {
	var list []string
	for _, a := range [...]struct {
		name   string
		differ bool
	}{
		{"required", required(want) != required(have)},
		{"default", compact(want.Default) != compact(have.Default)},
		{"description", cmp.Or(want.Description, want.Name) != cmp.Or(have.Description, have.Name)},
		{"acl", encoded(want.ACL) != encoded(have.ACL)},
	} {
		if a.differ {
			list = append(list, a.name+" of column "+want.Name)
		}
	}
	return list
}

func required(f minapp.Field) bool { return f.Constraints != nil && f.Constraints.Required }

// compact is JSON without white space; no value and null are the same.
func compact(value json.RawMessage) string {
	var b bytes.Buffer
	if err := json.Compact(&b, value); err != nil || b.String() == "null" {
		return ""
	}
	return b.String()
}

func encoded(acl *minapp.FieldACL) string {
	text, err := json.Marshal(acl)
	if err != nil {
		panic(fmt.Sprintf("migrate: three booleans do not encode: %v", err))
	}
	return string(text)
}

// describe lists columns, for people.
func (p *SchemaPlan) describe(fields []minapp.Field) string {
	words := make([]string, len(fields))
	for i, f := range fields {
		words[i] = f.Name + " " + typeIn(p.called, f)
		if required(f) {
			words[i] += " required"
		}
		if value := compact(f.Default); value != "" {
			words[i] += " default " + value
		}
	}
	return strings.Join(words, ", ")
}

// typeIn is the type of a column with all that belongs to it, as text that two
// columns have in common if a value of one fits the other; tables are the names
// of those it can point at.
func typeIn(tables map[minapp.TableID]string, f minapp.Field) string {
	switch {
	case f.Type == minapp.TypePointer:
		id := minapp.TableID(f.SchemaID)
		return "pointer to " + cmp.Or(tables[id], id.String())
	case f.Type == minapp.TypeArray && f.Items != nil:
		return strings.TrimSpace("array of " + f.Items.Type + " " + f.Items.CoordinateType)
	}
	return strings.TrimSpace(f.Type + " " + f.CoordinateType)
}
